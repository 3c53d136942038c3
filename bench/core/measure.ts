/** Times one function: the median of several rounds, in ns per call. For comparing two revisions on one machine. */

const ROUNDS = 9
const ROUND_MS = 150

export function measure(name: string, run: () => unknown): void {
  // Long enough for the optimising compiler to have settled before the first round counts.
  for (let i = 0; i < 3; i++) timeRound(run)
  const rounds = Array.from({ length: ROUNDS }, () => timeRound(run)).sort((a, b) => a - b)
  const [median, fastest, slowest] = [rounds[ROUNDS >> 1], rounds[0], rounds.at(-1)].map(ns =>
    (ns ?? 0).toFixed(0).padStart(6),
  )
  console.log(`${name.padEnd(48)} ${median} ns  [${fastest} – ${slowest}]`)
}

/** What the measured functions answered: as long as it is kept, no call can be optimised away. */
export let lastAnswer: unknown

function timeRound(run: () => unknown): number {
  let calls = 0
  const start = performance.now()
  let elapsed = 0
  while (elapsed < ROUND_MS) {
    for (let i = 0; i < 1000; i++) lastAnswer = run()
    calls += 1000
    elapsed = performance.now() - start
  }
  return (elapsed * 1e6) / calls
}
