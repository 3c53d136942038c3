import type { Build, Load } from './policy.ts'

/** Ms in which what was measured loses two thirds of what it says. */
const DECAY = 10_000
/** Ms after which it says nothing any more. */
const STALE = 3 * DECAY
/** More than any candidate that was measured can cost. */
const COLD = 1e12

/**
 * The lowest product of answer time and load (peak EWMA, as in Finagle): a slow answer counts at once, fast ones win trust back slowly, and
 * what was slow is asked again as the memory of it fades. A candidate of which nothing is known gets one request at a time, so that one
 * that has just come is not buried before its first answer.
 */
export const latency: Build = (candidates, chance, now) => ({
  pick: (_, tried) => {
    const at = now()
    let best: (typeof candidates)[number] | undefined
    let lowest = Number.POSITIVE_INFINITY
    let ties = 0
    for (const candidate of candidates) {
      if (tried.length > 0 && tried.includes(candidate)) continue
      // A weight of 0 costs without end: taken only when there is nothing else.
      const cost = candidate.weight > 0 ? costOf(candidate.load, at) / candidate.weight : Number.POSITIVE_INFINITY
      if (best === undefined || cost < lowest) {
        best = candidate
        lowest = cost
        ties = 1
      } else if (cost === lowest && chance() * ++ties < 1) best = candidate
    }
    return best
  },
})

function costOf({ inFlight, answerTime, answeredAt }: Load, at: number): number {
  const age = at - answeredAt
  if (age > STALE) return inFlight === 0 ? 0 : COLD * inFlight
  return (answerTime * Math.exp(-age / DECAY) + 1) * (inFlight + 1)
}

/** An answer took `ms`, and came at `at` (ms). */
export function measure(load: Load, ms: number, at: number): void {
  const age = at - load.answeredAt
  const weight = age > STALE ? 0 : Math.exp(-age / DECAY)
  load.answerTime = Math.max(ms, load.answerTime * weight + ms * (1 - weight))
  load.answeredAt = at
}
