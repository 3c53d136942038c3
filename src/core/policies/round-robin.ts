import type { Build } from './policy.ts'

/**
 * Smooth weighted round robin (nginx's): each pick adds every weight to its candidate's turn, takes the highest, and takes the sum of
 * the weights off it, so that {a: 5, b: 1, c: 1} gives a a b a c a a and not five a in a row. The turn lives in the load, so a rebuilt
 * policy goes on where the last one stood.
 */
export const roundRobin: Build = candidates => ({
  pick: (_, tried) => {
    let best: (typeof candidates)[number] | undefined
    let sum = 0
    for (const candidate of candidates) {
      if (tried.length > 0 && tried.includes(candidate)) continue
      const { load, weight } = candidate
      load.turn += weight
      sum += weight
      // A turn may be left from a greater weight: whoever weighs 0 now waits all the same.
      if (best === undefined || (weight > 0 && (best.weight === 0 || load.turn > best.load.turn))) best = candidate
    }
    if (best !== undefined) best.load.turn -= sum
    return best
  },
})
