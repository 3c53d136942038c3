/**
 * What people change about holds: drain and resume, and maintenance windows. What instances announce in their beats is in `changes.ts`, and
 * what time does to both in `evaluation`.
 */
import type { Refusal } from '../errors.ts'
import { type Change, othersServe, type Proposal } from './changes.ts'
import { type HoldsMoved, hold, holdsOf, release } from './holds.ts'
import { instancesOf } from './instances.ts'
import { gatewayOf } from './member.ts'
import type { Hold, HoldReason, Holds, Schedule, World } from './nouns.ts'
import { addWindow, MOST_WINDOWS, nextTime, openWindows, removeWindow, windowsOf } from './windows.ts'

/** So many holds on a whole gateway there may be. */
const MOST_HOLDS = 64

export interface Drain {
  readonly reason: 'drain' | 'maintenance'
  /** Only this instance. */
  readonly instance?: string
  readonly note?: string
  /** Ms since 1970. */
  readonly until?: number
}

/** Holds a gateway, or one instance of it, in the name of `by`; again, it renews `until` and the note. */
export function drain(gateway: string, { reason, instance, note, until }: Drain, by: string): Change {
  return (world, now) => {
    const unknown = missing(world, gateway)
    if (unknown !== null) return unknown
    if (instance !== undefined && !Object.hasOwn(instancesOf(world.liveness.value, gateway), instance))
      return { kind: 'refusal', code: 'unknown_reference', detail: `${gateway} has no instance of that name` }
    if (until !== undefined && until <= now)
      return { kind: 'refusal', code: 'bad_request', detail: 'until: this moment has passed' }
    const held = holdsOf(world.holds.value, gateway)
    const isSame = (one: Hold) => one.reason === reason && one.holder === by && one.instance === instance
    if (!held.some(isSame) && held.filter(one => one.instance === undefined).length >= MOST_HOLDS)
      return { kind: 'refusal', code: 'limit_reached', detail: `${gateway} has ${MOST_HOLDS} holds` }
    const added: Hold = {
      reason,
      holder: by,
      since: now,
      ...(instance === undefined ? {} : { instance }),
      ...(instance !== undefined && othersServe(world, gateway, instance) ? { shared: true } : {}),
      ...(until === undefined ? {} : { until }),
      ...(note === undefined ? {} : { note }),
    }
    return proposal(world, gateway, hold({ holds: world.holds.value, facts: [] }, gateway, added, now))
  }
}

export interface Lift {
  /** Those of others too, and what instances announced. */
  readonly all: boolean
  readonly reason?: HoldReason | undefined
  readonly instance?: string | undefined
}

/** Lifts what `by` holds. A gateway that nothing else holds takes traffic again at once. */
export function resume(gateway: string, { all, reason, instance }: Lift, by: string): Change {
  return (world, now) => {
    const unknown = missing(world, gateway)
    if (unknown !== null) return unknown
    const isMeant = (one: Hold) =>
      (all || one.holder === by) &&
      (reason === undefined || one.reason === reason) &&
      (instance === undefined || one.instance === instance)
    const before = { holds: world.holds.value, facts: [] }
    const after = release(before, gateway, isMeant, now)
    if (after !== before) return proposal(world, gateway, after)
    const others = holdsOf(before.holds, gateway).map(one => `${one.holder} (${one.reason})`)
    const detail =
      others.length === 0
        ? `nothing holds ${gateway}`
        : `${by} has no such hold on ${gateway}: it is held by ${others.join(', ')}`
    return { kind: 'refusal', code: 'not_found', detail }
  }
}

export interface Wanted {
  readonly name: string
  readonly schedule: Schedule
  readonly note?: string
}

/** Adds a maintenance window; one whose time is now opens at once. */
export function planWindow(gateway: string, { name, schedule, note }: Wanted, by: string): Change {
  return (world, now) => {
    const unknown = missing(world, gateway)
    if (unknown !== null) return unknown
    const windows = windowsOf(world.holds.value, gateway)
    if (windows.some(window => window.name === name))
      return { kind: 'refusal', code: 'duplicate_name', detail: `${gateway} has a window ${name}` }
    if (windows.length >= MOST_WINDOWS)
      return { kind: 'refusal', code: 'limit_reached', detail: `${gateway} has ${MOST_WINDOWS} windows` }
    const next = nextTime(schedule, now)
    if (next === null) return { kind: 'refusal', code: 'bad_request', detail: 'this window never opens' }
    const window = { name, schedule, next, by, since: now, ...(note === undefined ? {} : { note }) }
    const added = { holds: addWindow(world.holds.value, gateway, window), facts: [] }
    // Of this gateway alone: whoever asks may have no say in the others.
    const { holds, facts } = openWindows(world.definitions.value, added, now, [gateway])
    return { documents: { holds }, facts, audit: audit(gateway, windowsOf, world.holds.value, holds) }
  }
}

/** Removes a maintenance window, and with it the hold of one that is open. */
export function cancelWindow(gateway: string, name: string): Change {
  return (world, now) => {
    const unknown = missing(world, gateway)
    if (unknown !== null) return unknown
    const before = { holds: world.holds.value, facts: [] }
    const { holds, facts } = removeWindow(before, gateway, name, now)
    if (holds === before.holds)
      return { kind: 'refusal', code: 'not_found', detail: `${gateway} has no window ${JSON.stringify(name)}` }
    return { documents: { holds }, facts, audit: audit(gateway, windowsOf, before.holds, holds) }
  }
}

function missing(world: World, gateway: string): Refusal | null {
  if (gatewayOf(world, gateway) !== undefined) return null
  return { kind: 'refusal', code: 'not_found', detail: `there is no gateway ${JSON.stringify(gateway)}` }
}

function proposal({ holds }: World, gateway: string, { holds: next, facts }: HoldsMoved): Proposal | null {
  if (next === holds.value) return null
  return { documents: { holds: next }, facts, audit: audit(gateway, holdsOf, holds.value, next) }
}

/** What the audit record says: the part that `read` tells of, before and after. */
function audit(gateway: string, read: (holds: Holds, gateway: string) => unknown, before: Holds, after: Holds) {
  return { subject: `gateway:${gateway}`, before: read(before, gateway), after: read(after, gateway) }
}
