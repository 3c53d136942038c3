/** Seeds of random tests: told when one fails, and set by `GATEPOOL_TEST_SEED` to see it fail again. */
export const seed = Number(process.env.GATEPOOL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** fast-check's parameters with the seed; on a failure it prints the seed and the smallest case itself. */
export function seeded<P extends object>(parameters: P): P & { readonly seed: number } {
  return { ...parameters, seed }
}

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
