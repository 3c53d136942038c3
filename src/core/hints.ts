/**
 * Hints: what another replica has ejected, this one ejects after a single failure of its own, for a while. It never does so on somebody
 * else's word alone: a replica that has lost its own way to a member takes it from nobody. Nor does it repeat what it was told: it tells
 * the others only what it has ejected itself, and that is the fact which is their hint (`member_ejected`).
 */
import type { Fact } from './events.ts'
import type { Sight } from './nouns.ts'
import { own } from './own.ts'

/** Ms after the ejection for which a hint counts. */
const COUNTS_FOR = 30_000

/** `hints` with those of the facts that others told; what has run out by `at` (ms) is let go. The same value when there is nothing new. */
export function heedHints(hints: Sight['hints'], heard: readonly Fact[], at: number): Sight['hints'] {
  const news = heard.flatMap(fact => {
    const until = fact.at + COUNTS_FOR
    return fact.kind === 'member_ejected' && fact.replica !== undefined && until > at
      ? [[fact.upstream, { by: fact.replica, until }] as const]
      : []
  })
  if (news.length === 0) return hints
  const left = Object.entries(hints).filter(([, { until }]) => until > at)
  return Object.fromEntries([...left, ...news])
}

/** The hint that counts for an upstream at `at` (ms). */
export function hintFor({ hints }: Sight, upstream: string, at: number): Sight['hints'][string] | undefined {
  const hint = own(hints, upstream)
  return hint !== undefined && at < hint.until ? hint : undefined
}
