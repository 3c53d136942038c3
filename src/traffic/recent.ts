/** Samples kept at most: a longer while is judged by what happened since the oldest. */
const MOST_SAMPLES = 600

/**
 * Requests that ended and failures of the last while, in steps of a second: what a ratio of failures is judged by. Both are counted
 * anyway, so a request pays nothing for it.
 */
export class Recent {
  readonly #samples: { readonly ended: number; readonly failures: number }[] = [{ ended: 0, failures: 0 }]

  /** To be called once a second with the counts so far; the last `seconds` of them are kept. */
  sample(ended: number, failures: number, seconds: number): void {
    this.#samples.push({ ended, failures })
    const kept = Math.min(MOST_SAMPLES, Math.max(1, seconds))
    while (this.#samples.length > kept) this.#samples.shift()
  }

  /** How many requests ended and failed in that while, with the counts so far. */
  until(ended: number, failures: number): { readonly requests: number; readonly failures: number } {
    const [oldest = { ended: 0, failures: 0 }] = this.#samples
    return { requests: ended - oldest.ended, failures: failures - oldest.failures }
  }
}
