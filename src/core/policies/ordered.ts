import type { Build } from './policy.ts'

/** The first in order that was not tried: failover. */
export const ordered: Build = candidates => ({
  pick: (_, tried) => (tried.length === 0 ? candidates[0] : candidates.find(candidate => !tried.includes(candidate))),
})
