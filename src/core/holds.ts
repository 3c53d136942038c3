/**
 * Holds: wishes that a gateway, or one instance of it, takes nothing new. Keyed by (reason, holder); who set a hold lifts it.
 */
import { beatsFrom } from './beats.ts'
import type { FactDraft } from './events.ts'
import type { HeardBeats, Hold, Holds } from './nouns.ts'
import { own } from './own.ts'

/** More instance holds than any gateway has instances: the oldest that an instance announced goes, so that restarts under ever new names cannot fill the document. */
const MOST_HOLDS = 64

export interface HoldsMoved {
  readonly holds: Holds
  readonly facts: readonly FactDraft[]
}

export function holdsOf(holds: Holds, gateway: string): readonly Hold[] {
  return own(holds.gateways, gateway) ?? []
}

/** Adds `hold`, or renews the one with its key; a renewal that changes nothing answers the same document. */
export function hold(before: HoldsMoved, gateway: string, added: Hold, at: number): HoldsMoved {
  const held = holdsOf(before.holds, gateway)
  const same = held.find(one => sameKey(one, added))
  if (same && same.note === added.note && same.until === added.until) return before
  const next = [...held.filter(one => one !== same), same ? { ...added, since: same.since } : added]
  const after: HoldsMoved = {
    holds: withHolds(before.holds, gateway, next),
    facts: same ? before.facts : [...before.facts, fact('member_held', gateway, added, at)],
  }
  const ofInstances = next.filter(({ instance }) => instance !== undefined)
  if (ofInstances.length <= MOST_HOLDS) return after
  const oldest = ofInstances.find(one => isAnnounced(one) && one !== added) ?? ofInstances[0]
  return release(after, gateway, one => one === oldest, at)
}

/** Set by the instance itself, in its beats. What an administrator set stays until an administrator lifts it. */
export function isAnnounced({ instance, holder }: Hold): boolean {
  return instance !== undefined && instance === holder
}

/** Lifts every hold of `gateway` that `which` chooses. */
export function release(before: HoldsMoved, gateway: string, which: (hold: Hold) => boolean, at: number): HoldsMoved {
  const held = holdsOf(before.holds, gateway)
  const lifted = held.filter(which)
  if (lifted.length === 0) return before
  return {
    holds: withHolds(
      before.holds,
      gateway,
      held.filter(one => !which(one)),
    ),
    facts: [...before.facts, ...lifted.map(one => fact('member_released', gateway, one, at))],
  }
}

/** Lifts what has run out by `now` (ms). */
export function expire(before: HoldsMoved, now: number): HoldsMoved {
  let after = before
  for (const gateway in before.holds.gateways)
    after = release(after, gateway, ({ until }) => until !== undefined && until <= now, now)
  return after
}

/** The earliest moment (ms) at which a hold runs out, or Infinity. */
export function nextExpiry(holds: Holds): number {
  let earliest = Number.POSITIVE_INFINITY
  for (const gateway in holds.gateways) {
    for (const { until } of holdsOf(holds, gateway)) if (until !== undefined) earliest = Math.min(earliest, until)
  }
  return earliest
}

/**
 * The hold that keeps a gateway from taking traffic, or null. A hold on one instance keeps the whole gateway out only while every
 * instance that beats is held. While none was heard yet (we have just started) it does, unless another was serving beside it.
 */
export function heldBy(holds: Holds, beats: HeardBeats, gateway: string): Hold | null {
  const held = holdsOf(holds, gateway)
  if (held.length === 0) return null
  const whole = held.find(one => one.instance === undefined)
  if (whole) return whole
  const instances = Object.keys(beatsFrom(beats, gateway))
  if (instances.length === 0) return held.find(one => !one.shared) ?? null
  const isHeld = (instance: string) => held.some(one => one.instance === instance)
  return instances.every(isHeld) ? (held[0] ?? null) : null
}

function sameKey(a: Hold, b: Hold): boolean {
  return a.reason === b.reason && a.holder === b.holder && a.instance === b.instance
}

function withHolds(holds: Holds, gateway: string, next: readonly Hold[]): Holds {
  const { [gateway]: _, ...others } = holds.gateways
  return { ...holds, gateways: next.length > 0 ? { ...others, [gateway]: next } : others }
}

function fact(kind: 'member_held' | 'member_released', gateway: string, hold: Hold, at: number): FactDraft {
  const { reason, holder, instance } = hold
  return { kind, at, subject: gateway, cause: reason, holder, ...(instance === undefined ? {} : { instance }) }
}
