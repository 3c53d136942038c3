import type { Build } from './policy.ts'

/** The lowest (in flight + 1) / weight; ties go by chance, each with the same share. */
export const leastConn: Build = (candidates, chance) => ({
  pick: (_, tried) => {
    let best: (typeof candidates)[number] | undefined
    let lowest = Number.POSITIVE_INFINITY
    let ties = 0
    for (const candidate of candidates) {
      if (tried.length > 0 && tried.includes(candidate)) continue
      // A weight of 0 is an infinite load: taken only when there is nothing else.
      const load = (candidate.load.inFlight + 1) / candidate.weight
      if (best === undefined || load < lowest) {
        best = candidate
        lowest = load
        ties = 1
      } else if (load === lowest && chance() * ++ties < 1) best = candidate
    }
    return best
  },
})
