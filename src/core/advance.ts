/**
 * One event, one step: the snapshot after it, and what has to be told. Pure; `state.ts` holds the one reference that it replaces.
 * Null means that nothing changed, so that every answer of every upstream can be reported for the price of a look-up.
 */
import { beatsFrom, heardBefore, onlyBeats, withBeats } from './beats.ts'
import { onChecked, onUnagreed } from './checks.ts'
import type { Documents, Event, FactDraft } from './events.ts'
import { heedHints } from './hints.ts'
import { holdsOf } from './holds.ts'
import { NO_POOL } from './homes.ts'
import { instancesOf, movesTraffic } from './instances.ts'
import { gatewayOf } from './member.ts'
import type { Beat, Beats, Definitions, PoolView, Sight, Snapshot, World } from './nouns.ts'
import { own } from './own.ts'
import { onOutcome, onPassive, onTick, type PassiveChange, poolOf, put, targetOf, upstreamOf } from './passive.ts'
import { rampsAfter } from './slow-start.ts'
import { buildSnapshot } from './snapshot.ts'
import { hear, tell } from './told.ts'

/** What a replica knows by itself when it has just started: who beat before, if that is remembered, and nothing else. `since`: ms. */
export function firstSight(since: number, beats: Beats = new Map()): Sight {
  return {
    observing_since: since,
    beats: heardBefore(beats),
    passive: {},
    failing: {},
    checks: {},
    hints: {},
    ramps: {},
    addresses: {},
    told: {},
  }
}

export interface Advance {
  readonly snapshot: Snapshot
  /** Facts of this replica alone; those that came with a commit are told by the cluster. */
  readonly facts: readonly FactDraft[]
}

/** The first snapshot of a process. */
export function begin(world: World): Snapshot {
  return toldBefore(buildSnapshot(world, null, 'all'))
}

/**
 * What is already so when a process hears of it first was told before, by whoever saw it begin; only what may be so because a host name was not
 * looked up yet never was.
 */
function toldBefore(snapshot: Snapshot): Snapshot {
  const { sight } = snapshot.world
  const unresolved = ({ members }: PoolView) => members.some(({ cause }) => cause === 'unresolved')
  return withSight(snapshot, { ...sight, told: tell(snapshot, sight.told, 0, unresolved).told })
}

export function advance(snapshot: Snapshot, event: Event): Advance | null {
  switch (event.kind) {
    case 'outcome':
      return sighted(snapshot, onOutcome(snapshot, event), event.at)
    case 'trial':
      return sighted(snapshot, onPassive(snapshot, event.upstream, event), event.at)
    case 'checked':
      return sighted(snapshot, onChecked(snapshot, event), event.at)
    case 'unagreed':
      return sighted(snapshot, onUnagreed(snapshot, event), event.at)
    case 'tick':
      return sighted(snapshot, onTick(snapshot, event.at), event.at)
    case 'beat':
      return onBeat(snapshot, event)
    case 'beats':
      return onBeats(snapshot, event)
    case 'others':
      return onOthers(snapshot, event)
    case 'observing':
      return { snapshot: withSight(snapshot, { ...snapshot.world.sight, observing_since: event.at }), facts: [] }
    case 'resolved':
      return onResolved(snapshot, event)
    case 'noted':
      return { snapshot, facts: [event.fact] }
    case 'loaded':
      return onLoaded(snapshot, event)
    case 'committed':
      return onCommitted(snapshot, event)
  }
}

/** The facts about who serves that a commit of `documents` brings: they are committed with it. */
export function foresee(snapshot: Snapshot, documents: Partial<Documents>, at: number): readonly FactDraft[] {
  return onDocuments(snapshot, documents, snapshot.world.sight, at).facts
}

function sighted(snapshot: Snapshot, change: PassiveChange | null, at: number): Advance | null {
  return change && conclude({ ...snapshot.world, sight: change.sight }, snapshot, change.touched, change.facts, at)
}

function onBeat(snapshot: Snapshot, { gateway, instance, said, at }: Extract<Event, { kind: 'beat' }>): Advance | null {
  return onBeats(snapshot, { kind: 'beats', beats: new Map([[gateway, { [instance]: { at, said } }]]), at })
}

function onBeats(snapshot: Snapshot, { beats: heard, at }: Extract<Event, { kind: 'beats' }>): Advance | null {
  const { world } = snapshot
  const { beats: before } = world.sight
  const oldest = at - world.definitions.value.settings.gateway_down_threshold
  const after = new Map<string, Readonly<Record<string, Beat>>>()
  const touched = new Set<string>()
  let moved = false
  for (const [gateway, said] of heard) {
    // It may have been deleted while its beat was under way.
    if (gatewayOf(world, gateway) === undefined) continue
    const beats = beatsFrom(before, gateway)
    const known = instancesOf(world.liveness.value, gateway)
    const next: Record<string, Beat> = {}
    // Those that left and fell silent long ago go here, so that restarts under ever new names do not pile up.
    for (const name in beats) {
      const beat = beats[name]
      if (beat && (beat.at > oldest || Object.hasOwn(known, name))) next[name] = beat
    }
    let newer = false
    let moves = false
    for (const name in said) {
      const beat = said[name]
      if (!beat || beat.at < (own(beats, name)?.at ?? 0)) continue
      next[name] = beat
      newer = true
      moves ||= movesTraffic(beats, name, beat.said)
    }
    if (!newer) continue
    after.set(gateway, next)
    moved ||= moves
    // Which of them beat matters only where one is held.
    if (moves || holdsOf(world.holds.value, gateway).length > 0)
      for (const pool of poolsOf(world.definitions.value, gateway)) touched.add(pool)
  }
  if (after.size === 0) return null
  const next = { ...world, sight: { ...world.sight, beats: withBeats(before, after) } }
  return conclude(moved ? forgetStrangers(next) : next, snapshot, touched, [], at)
}

function onOthers(snapshot: Snapshot, { others, at }: Extract<Event, { kind: 'others' }>): Advance {
  const { world } = snapshot
  const next = { ...world, sight: { ...world.sight, others } }
  // How many there are says how much of a limit each of them has.
  const touched = others.count === (world.sight.others?.count ?? 0) ? NOTHING : 'all'
  return conclude(next, snapshot, touched, [], at)
}

const NOTHING: ReadonlySet<string> = new Set()

function onResolved(snapshot: Snapshot, { host, addresses, at }: Extract<Event, { kind: 'resolved' }>): Advance | null {
  const { world } = snapshot
  const before = own(world.sight.addresses, host)
  if (before?.join() === addresses.join()) return null
  const next = { ...world, sight: { ...world.sight, addresses: put(world.sight.addresses, host, addresses) } }
  const { gateways } = world.definitions.value
  const touched = gateways
    .filter(({ address }) => address === host)
    .flatMap(({ name }) => [...poolsOf(world.definitions.value, name)])
  // The first answer only shows how things are; nothing began with it.
  return conclude(forgetStrangers(next), snapshot, new Set(touched), [], at, before === undefined)
}

function onLoaded(snapshot: Snapshot, { definitions, changed, at }: Extract<Event, { kind: 'loaded' }>): Advance {
  const next = { revision: snapshot.world.definitions.revision + 1, value: definitions }
  const step = onCommitted(snapshot, { kind: 'committed', documents: { definitions: next }, facts: [], at })
  const told: FactDraft = { kind: 'definitions_changed', at, subject: 'definitions', cause: 'file', changed }
  return { ...step, facts: [told, ...step.facts] }
}

function onCommitted(snapshot: Snapshot, event: Extract<Event, { kind: 'committed' }>): Advance {
  const { documents, facts, heard = [], first = false, at } = event
  const { sight } = snapshot.world
  // What another replica tells of itself has not happened here.
  const told = hear(sight.told, [...heard.filter(({ replica }) => replica === undefined), ...facts])
  const step = onDocuments(snapshot, documents, { ...sight, told, hints: heedHints(sight.hints, heard, at) }, at)
  if (!first) return step
  return { snapshot: toldBefore(withSight(step.snapshot, { ...step.snapshot.world.sight, told })), facts: [] }
}

function onDocuments(snapshot: Snapshot, documents: Partial<Documents>, sight: Sight, at: number): Advance {
  const world: World = { ...snapshot.world, ...documents, sight }
  if (!documents.definitions) {
    const touched = touchedBy(snapshot.world, world)
    const sameInstances = world.liveness.value.instances === snapshot.world.liveness.value.instances
    const known = sameInstances ? world : forgetStrangers(world)
    return conclude(forgetTheDown(snapshot.world, known), snapshot, touched, [], at)
  }
  // Who serves after a change of definitions is what somebody asked for.
  return conclude(forgetStrangers(forgetChecks(snapshot.world, world)), null, 'all', [], at, true)
}

/** Checks that are others now have not said anything yet. */
function forgetChecks(before: World, after: World): World {
  const asked = (world: World, pool: string) => JSON.stringify(poolOf(world, pool)?.active)
  const stays = (key: string) => asked(before, targetOf(key).pool) === asked(after, targetOf(key).pool)
  return { ...after, sight: { ...after.sight, checks: only(after.sight.checks, stays) } }
}

/**
 * What requests held against a gateway ends when it is down: on its return the cooldown is what it has to pass. Else the trials of an
 * ejection that has grown while it was away would keep it out long after that.
 */
function forgetTheDown(before: World, after: World): World {
  const down = (name: string) => {
    const record = own(after.liveness.value.gateways, name)
    return record?.state === 'down' && record !== own(before.liveness.value.gateways, name)
  }
  const { passive, failing } = after.sight
  const kept = Object.entries(passive).filter(([key]) => !down(targetOf(key).gateway))
  if (kept.length === Object.keys(passive).length) return after
  const stillFailing = Object.entries(failing).filter(([, { upstream }]) => !down(targetOf(upstream).gateway))
  const sight = { ...after.sight, passive: Object.fromEntries(kept), failing: Object.fromEntries(stillFailing) }
  return { ...after, sight }
}

function conclude(
  world: World,
  previous: Snapshot | null,
  touched: ReadonlySet<string> | 'all',
  facts: readonly FactDraft[],
  at: number,
  quiet = false,
): Advance {
  if (previous && touched !== 'all' && touched.size === 0) return { snapshot: { ...previous, world }, facts }
  const snapshot = ramped(rescued(buildSnapshot(world, previous, touched)), previous, at)
  const telling = tell(snapshot, snapshot.world.sight.told, at, () => quiet)
  return {
    snapshot: withSight(snapshot, { ...snapshot.world.sight, told: telling.told }),
    facts: [...facts, ...telling.facts],
  }
}

/** Whoever has come back into load balancing with this step starts slowly. */
function ramped(snapshot: Snapshot, previous: Snapshot | null, at: number): Snapshot {
  const { sight } = snapshot.world
  const ramps = rampsAfter(previous, snapshot, at)
  if (ramps === sight.ramps) return snapshot
  const changed = Object.keys({ ...sight.ramps, ...ramps }).filter(key => sight.ramps[key] !== ramps[key])
  const pools = new Set(changed.map(key => targetOf(key).pool))
  return buildSnapshot({ ...snapshot.world, sight: { ...sight, ramps } }, snapshot, pools)
}

/** A failing pool is failing no more once another member of it is ready. */
function rescued(snapshot: Snapshot): Snapshot {
  const { sight } = snapshot.world
  let { failing } = sight
  for (const [name, { upstream }] of Object.entries(failing)) {
    const members = own(snapshot.pools, name)?.members ?? []
    if (members.some(({ ready, gateway }) => ready && !upstream.startsWith(`${name}/${gateway}/`)))
      failing = put(failing, name, undefined)
  }
  if (failing === sight.failing) return snapshot
  const ended = Object.keys(sight.failing).filter(name => !Object.hasOwn(failing, name))
  return buildSnapshot({ ...snapshot.world, sight: { ...sight, failing } }, snapshot, new Set(ended))
}

/** The pools in which a changed liveness record, list of instances, hold or failover by hand shows. */
function touchedBy(before: World, after: World): ReadonlySet<string> {
  const touched = new Set<string>()
  for (const { name } of after.definitions.value.gateways) {
    const same =
      own(before.liveness.value.gateways, name) === own(after.liveness.value.gateways, name) &&
      own(before.liveness.value.instances, name) === own(after.liveness.value.instances, name) &&
      own(before.holds.value.gateways, name) === own(after.holds.value.gateways, name)
    if (!same) for (const pool of poolsOf(after.definitions.value, name)) touched.add(pool)
  }
  const { failovers: were } = before.holds.value
  const { failovers: are } = after.holds.value
  if (were !== are) {
    for (const name of [...Object.keys(were), ...Object.keys(are)])
      if (own(were, name) !== own(are, name)) touched.add(name)
  }
  return touched
}

/** The pools in which a gateway shows; one that is in none shows in the plans of the routes that are pinned to it. */
function poolsOf({ pools }: Definitions, gateway: string): ReadonlySet<string> {
  const names = pools
    .filter(({ members }) => members.some(member => member.gateway === gateway))
    .map(({ name }) => name)
  return new Set(names.length > 0 ? names : [NO_POOL])
}

/** What is remembered of upstreams, pools, gateways and host names that are no longer there is let go. */
function forgetStrangers(world: World): World {
  const { gateways, pools } = world.definitions.value
  const isKnown = (key: string) => upstreamOf(world, key) !== undefined
  const poolNames = new Set(pools.map(({ name }) => name))
  const gatewayNames = new Set(gateways.map(({ name }) => name))
  const hosts = new Set(gateways.map(({ address }) => address))
  const { passive, failing, checks, hints, told, beats, addresses } = world.sight
  const sight: Sight = {
    ...world.sight,
    passive: only(passive, isKnown),
    failing: Object.fromEntries(
      Object.entries(failing).filter(([name, { upstream }]) => poolNames.has(name) && isKnown(upstream)),
    ),
    checks: only(checks, isKnown),
    hints: only(hints, isKnown),
    told: only(told, name => poolNames.has(name)),
    beats: onlyBeats(beats, name => gatewayNames.has(name)),
    addresses: only(addresses, host => hosts.has(host)),
  }
  return { ...world, sight }
}

function only<T>(record: Readonly<Record<string, T>>, stays: (key: string) => boolean): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => stays(key)))
}

function withSight(snapshot: Snapshot, sight: Sight): Snapshot {
  return { ...snapshot, world: { ...snapshot.world, sight } }
}
