import type { Build } from './policy.ts'

/**
 * Of two candidates drawn by chance the one with less to do, (in flight + 1) / weight: nearly as even as asking all of them, and many
 * replicas that see only their own load do not all run to the same one.
 */
export const twoChoices: Build = (candidates, chance) => ({
  pick: (_, tried) => {
    let left = 0
    for (const candidate of candidates) if (isOpen(candidate, tried)) left++
    if (left === 0) return candidates.find(candidate => !tried.includes(candidate))
    const first = Math.floor(chance() * left)
    const drawn = Math.floor(chance() * (left - 1))
    const second = drawn >= first ? drawn + 1 : drawn
    let one: (typeof candidates)[number] | undefined
    let other: (typeof candidates)[number] | undefined
    let place = 0
    for (const candidate of candidates) {
      if (!isOpen(candidate, tried)) continue
      if (place === first) one = candidate
      else if (place === second) other = candidate
      place++
    }
    // With nothing between them the one that was drawn first, which may be any.
    return one !== undefined && other !== undefined && burden(other) < burden(one) ? other : one
  },
})

type Candidate = Parameters<Build>[0][number]

/** A weight of 0 is not drawn while another is left. */
function isOpen(candidate: Candidate, tried: readonly Candidate[]): boolean {
  return candidate.weight > 0 && (tried.length === 0 || !tried.includes(candidate))
}

function burden({ load, weight }: Candidate): number {
  return (load.inFlight + 1) / weight
}
