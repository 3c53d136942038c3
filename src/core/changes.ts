/**
 * Changes of what the cluster agrees on, each a pure function of the world and the time. `ledger.ts` commits what they answer by
 * compare-and-set and asks them again when somebody else was faster.
 */
import type { Refusal } from '../errors.ts'
import { beatsFrom } from './beats.ts'
import { probeSignal } from './checks.ts'
import { evaluate, recordOf, signal } from './evaluate.ts'
import type { Documents, FactDraft } from './events.ts'
import { endFailovers } from './failover.ts'
import { expire, hold, holdsOf, isAnnounced, release } from './holds.ts'
import { dropStale, instancesOf, join, leave, refuseInstance, turnAway } from './instances.ts'
import { gatewayOf } from './member.ts'
import type { Announcement, Definitions, Hold, World } from './nouns.ts'
import { own } from './own.ts'
import type { AuditDraft, Values } from './store.ts'
import { differ, withStrangers } from './strangers.ts'
import { openWindows } from './windows.ts'

export interface Proposal {
  readonly documents: Partial<Values>
  readonly facts: readonly FactDraft[]
  /** What the audit record says of it, when somebody asked for it. */
  readonly audit?: Pick<AuditDraft, 'subject' | 'before' | 'after'>
}

/** Null: there is nothing to change. */
export type Change = (world: World, now: number) => Proposal | Refusal | null

/** Everything that time alone moves: silence, cooldowns, instances, windows, holds and failovers by hand that run out. */
export const evaluation: Change = (world, now) => {
  const { definitions, liveness, holds, sight } = world
  const known = dropStale(definitions.value, { liveness: liveness.value, facts: [] }, sight, now)
  const moved = evaluate(definitions.value, known.liveness, sight, now)
  const lifted = expire({ holds: holds.value, facts: [...known.facts, ...moved.facts] }, now)
  const opened = openWindows(definitions.value, lifted, now)
  const left = endFailovers(world, opened.holds, now)
  const next = { liveness: moved.liveness, holds: left }
  return proposal(world, differ(world) ? withStrangers(world, next) : next, opened.facts)
}

/**
 * What a beat that is already in sight changes: an instance joins, a gateway is seen, comes back, announces a hold or lifts its own.
 * Refused when there is no room for the instance.
 */
export function beat(gateway: string, instance: string, said: Announcement): Change {
  return (world, now) => {
    const { liveness, holds } = world
    const definition = gatewayOf(world, gateway)
    // It may have been deleted while its beat waited for its turn.
    if (definition === undefined) return null
    const refusal = refuseInstance(world, definition, instance)
    if (refusal !== null) return refusal
    // Most beats: nobody is new, back, or held.
    if (
      said.state === 'ready' &&
      recordOf(liveness.value, gateway).state === 'up' &&
      Object.hasOwn(instancesOf(liveness.value, gateway), instance) &&
      holdsOf(holds.value, gateway).length === 0
    )
      return null
    const before = { holds: holds.value, facts: [] }
    if (said.state !== 'ready') {
      const shared = othersServe(world, gateway, instance) ? ({ shared: true } as const) : {}
      const held = hold(before, gateway, { reason: said.state, holder: instance, instance, since: now, ...shared }, now)
      const seen = signal({ liveness: liveness.value, facts: held.facts }, gateway, { kind: 'beat', at: now })
      const joined = join(seen, gateway, instance, now)
      return proposal(world, { liveness: joined.liveness, holds: held.holds }, joined.facts)
    }
    // The first ready beat after a shutdown that took the whole gateway out. It may come under another instance's name: a restart.
    const over = (one: Hold) => one.reason === 'shutdown' && isAnnounced(one) && !one.shared
    const shutdown = holdsOf(holds.value, gateway).find(over)
    const lifted = release(before, gateway, one => (isAnnounced(one) && one.instance === instance) || over(one), now)
    const unseen = recordOf(liveness.value, gateway).state === 'unknown'
    const seen = signal(
      { liveness: liveness.value, facts: lifted.facts },
      gateway,
      shutdown && !unseen ? { kind: 'released', at: now, since: shutdown.since } : { kind: 'beat', at: now },
    )
    const joined = join(seen, gateway, instance, now)
    return proposal(world, { liveness: joined.liveness, holds: lifted.holds }, joined.facts)
  }
}

/** Several changes as one, each made after those before it; one that is refused changes nothing. */
export function together(changes: readonly Change[]): Change {
  return (world, now) => {
    let after = world
    const facts: FactDraft[] = []
    for (const change of changes) {
      const made = change(after, now)
      if (made === null || 'kind' in made) continue
      after = { ...after, ...versioned(after, made.documents) }
      facts.push(...made.facts)
    }
    return proposal(world, { liveness: after.liveness.value, holds: after.holds.value }, facts)
  }
}

/** Tells that there was no room for an instance; nothing when that was told, or when there is room. */
export function turnedAway(gateway: string, instance: string): Change {
  return (world, now) => {
    const definition = gatewayOf(world, gateway)
    if (definition === undefined || refuseInstance(world, definition, instance) === null) return null
    const moved = turnAway({ liveness: world.liveness.value, facts: [] }, gateway, instance, now)
    return proposal(world, { liveness: moved.liveness, holds: world.holds.value }, moved.facts)
  }
}

/** Forgets an instance of a gateway. One that lives comes back with its next beat. */
export function forgetInstance(gateway: string, instance: string): Change {
  return (world, now) => {
    const before = { liveness: world.liveness.value, facts: [] }
    const moved = leave(before, gateway, instance, 'forgotten', now)
    if (moved === before)
      return { kind: 'refusal', code: 'not_found', detail: `${gateway} has no instance of that name` }
    const audit = {
      subject: `gateway:${gateway}`,
      before: { instance, since: own(instancesOf(before.liveness, gateway), instance) },
      after: null,
    }
    return { documents: { liveness: moved.liveness }, facts: moved.facts, audit }
  }
}

/** What the results of its checks change for a gateway that lives by probes. */
export function probed(name: string): Change {
  return (world, now) => {
    const gateway = gatewayOf(world, name)
    const { liveness, holds } = world
    const given = gateway && probeSignal(world, gateway, recordOf(liveness.value, name), now)
    if (!given) return null
    const moved = signal({ liveness: liveness.value, facts: [] }, name, given)
    return proposal(world, { liveness: moved.liveness, holds: holds.value }, moved.facts)
  }
}

/** Does another instance of the gateway beat, one that is not held? */
export function othersServe({ holds, sight }: World, gateway: string, instance: string): boolean {
  const held = holdsOf(holds.value, gateway)
  const isHeld = (name: string) => held.some(one => one.instance === name)
  return Object.keys(beatsFrom(sight.beats, gateway)).some(name => name !== instance && !isHeld(name))
}

/** The first definitions of a cluster; nothing when it has some. */
export function seed(definitions: Definitions): Change {
  return (world, now) => {
    if (world.definitions.revision > 0) return null
    return { documents: { definitions }, facts: [changed(now, 'seed', everyName(definitions))] }
  }
}

/** The documents as they will be once written; their revision is the store's to give. */
export function versioned(world: Documents, documents: Partial<Values>): Partial<Documents> {
  const next: { -readonly [K in keyof Documents]?: Documents[K] } = {}
  if (documents.definitions) next.definitions = { revision: world.definitions.revision, value: documents.definitions }
  if (documents.holds) next.holds = { revision: world.holds.revision, value: documents.holds }
  if (documents.liveness) next.liveness = { revision: world.liveness.revision, value: documents.liveness }
  if (documents.access) next.access = { revision: world.access.revision, value: documents.access }
  return next
}

function proposal(
  { liveness, holds }: World,
  next: { liveness: Values['liveness']; holds: Values['holds'] },
  facts: readonly FactDraft[],
): Proposal | null {
  const documents = {
    ...(next.liveness === liveness.value ? {} : { liveness: next.liveness }),
    ...(next.holds === holds.value ? {} : { holds: next.holds }),
  }
  return Object.keys(documents).length === 0 ? null : { documents, facts }
}

function changed(at: number, cause: string, names: readonly string[]): FactDraft {
  return { kind: 'definitions_changed', at, subject: 'definitions', cause, changed: names }
}

/** What is different between two definitions: `pool:NAME` and the like, and `settings`. */
export function differences(before: Definitions, after: Definitions): string[] {
  const changed: string[] = []
  for (const [kind, section] of [
    ['gateway', 'gateways'],
    ['pool', 'pools'],
    ['route', 'routes'],
  ] as const) {
    const was = new Map(before[section].map(one => [one.name, JSON.stringify(one)]))
    for (const one of after[section]) {
      if (was.get(one.name) !== JSON.stringify(one)) changed.push(`${kind}:${one.name}`)
      was.delete(one.name)
    }
    for (const name of was.keys()) changed.push(`${kind}:${name}`)
  }
  if (JSON.stringify(before.settings) !== JSON.stringify(after.settings)) changed.push('settings')
  return changed
}

/** `pool:NAME` and the like for everything that is defined. */
export function everyName({ gateways, pools, routes }: Definitions): string[] {
  const named = (kind: string, list: readonly { readonly name: string }[]) => list.map(({ name }) => `${kind}:${name}`)
  return [...named('gateway', gateways), ...named('pool', pools), ...named('route', routes)]
}
