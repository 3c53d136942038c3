/** Tokens that each request earns, and that each second adds. */
const PER_REQUEST = 0.2
const PER_SECOND = 10
/** Earnings older than this many seconds are lost. */
const KEPT_SECONDS = 10
/**
 * Tokens of a pool that has not earned any yet, lost like earnings over its first seconds. A member that hangs right after the start has up to
 * a request of every client waiting, and each of them needs one token when it moves: enough for a thousand clients.
 */
const AT_START = 1000

/**
 * The retry budget of one pool: a bucket that requests and time fill and retries empty, so that a pool in trouble is not also given
 * every request several times. What was earned stays for ten seconds.
 */
export class RetryBudget {
  #tokens = AT_START
  #requests = 0
  readonly #earned = new Array<number>(KEPT_SECONDS).fill(AT_START / KEPT_SECONDS)

  /** A request came. */
  earn(): void {
    this.#requests++
  }

  /** Takes a token for a retry; false: there is none. */
  take(): boolean {
    if (this.#tokens + this.#requests * PER_REQUEST < 1) return false
    this.#tokens--
    return true
  }

  /** A second has passed. */
  second(): void {
    const earned = this.#requests * PER_REQUEST + PER_SECOND
    this.#requests = 0
    this.#earned.shift()
    this.#earned.push(earned)
    const most = this.#earned.reduce((sum, one) => sum + one, 0)
    this.#tokens = Math.min(this.#tokens + earned, most)
  }
}
