import type { Build } from './policy.ts'

/**
 * Weighted rendezvous over the candidates' names: each scores −weight / ln(u) with u drawn from the hash of (name, client), the highest
 * serves. Every replica agrees without a shared table, a new address under an old name keeps its clients, and removing a candidate moves
 * only the clients it had.
 */
export const ipHash: Build = candidates => {
  const names = candidates.map(({ name }) => hashText(name))
  return {
    pick: (key, tried) => {
      let best: (typeof candidates)[number] | undefined
      let highest = -1
      for (let i = 0; i < candidates.length; i++) {
        const candidate = candidates[i] as (typeof candidates)[number]
        if (tried.length > 0 && tried.includes(candidate)) continue
        // +1 keeps u off 0 and the divisor off it too.
        const u = (mix((names[i] as number) ^ key) + 1) / 4294967298
        const score = -candidate.weight / Math.log(u)
        if (score > highest) {
          best = candidate
          highest = score
        }
      }
      return best
    },
  }
}

/** 32 bits of FNV-1a, finished so that near texts land far apart. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mix(hash)
}

/** The finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
