import type { Build } from './policy.ts'

/** By chance, in proportion to the weights. */
export const random: Build = (candidates, chance) => ({
  pick: (_, tried) => {
    let sum = 0
    for (const candidate of candidates) if (tried.length === 0 || !tried.includes(candidate)) sum += candidate.weight
    let left = chance() * sum
    let last: (typeof candidates)[number] | undefined
    for (const candidate of candidates) {
      if (tried.length > 0 && tried.includes(candidate)) continue
      // With nothing but weights of 0 left, or at the far end of a rounding error, the last one serves.
      last = candidate
      left -= candidate.weight
      if (left < 0) break
    }
    return last
  },
})
