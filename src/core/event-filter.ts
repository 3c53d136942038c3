/** Which events somebody asks for. */
import type { Fact } from './events.ts'

export interface EventFilter {
  /** Any of these. */
  readonly kinds?: readonly string[]
  readonly subject?: string
  /** Ms since 1970: not before. */
  readonly since?: number
  /** Ms since 1970: before. */
  readonly until?: number
}

export function isWanted({ kinds, subject, since, until }: EventFilter, { kind, subject: about, at }: Fact): boolean {
  return (
    (kinds === undefined || kinds.includes(kind)) &&
    (subject === undefined || subject === about) &&
    (since === undefined || at >= since) &&
    (until === undefined || at < until)
  )
}

/** Does it tell that what was told before may be missing in the history, or not all of it may have been told? */
export function breaksHistory({ kind }: Pick<Fact, 'kind'>): boolean {
  return kind === 'store_refilled' || kind === 'store_restored' || kind === 'store_adopted'
}
