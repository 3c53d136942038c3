/**
 * Active checks: what their results in a row say of an upstream, and of a gateway that is known to live by nothing else.
 *
 * A verdict turns false after `fall` failures in a row and true after `rise` passes in a row; the very first pass is enough where nothing
 * is known yet. A false verdict ejects the upstream; a true one ends an ejection that a verdict began, and no other.
 */
import type { PassiveEvent } from './ejection.ts'
import type { Event, Target } from './events.ts'
import { checkedIn } from './homes.ts'
import type { Signal } from './machine.ts'
import { gatewayOf, upstreamsOf } from './member.ts'
import type { CheckRecord, Gateway, GatewayRecord, Pool, Run, Snapshot, World } from './nouns.ts'
import { own } from './own.ts'
import { isOut, onPassive, type PassiveChange, poolOf, put } from './passive.ts'
import { judgedPort } from './snapshot.ts'
import { decide } from './verdicts.ts'

export type ActiveCheck = Pool['active'][number]

/** What is asked where nobody said what to ask: of a gateway that lives by probes, and as the trial of an ejected upstream. */
export const CONNECT: ActiveCheck = {
  kind: 'tcp',
  interval: 10_000,
  timeout: 2_000,
  fall: 3,
  rise: 2,
  fast_interval: 1_000,
}

/** The checks that `gateway` has to pass in `pool`; empty: nobody checks it. */
export function checksOf(world: World, pool: string, { liveness }: Gateway): readonly ActiveCheck[] {
  const active = poolOf(world, pool)?.active ?? []
  return active.length === 0 && liveness === 'probe' ? [CONNECT] : active
}

/** Share by which intervals are shorter by chance, so that checks of many upstreams do not come at once. Never longer: see `limitOf`. */
const JITTER = 0.2

/**
 * Ms from the end of a check that took `took` to the next one, `random` being 0 to 1: sooner while the last result speaks against the
 * verdict, or there is none. Counted from its beginning, so that checks that wait for their timeout do not put off what they find.
 */
export function nextCheck(
  run: Run | null,
  { interval, fast_interval }: ActiveCheck,
  took: number,
  random: number,
): number {
  const pending = run === null || run.verdict !== run.passed
  const every = pending ? Math.min(interval, fast_interval) : interval
  return Math.max(0, every * (1 - JITTER * random) - took)
}

/**
 * Ms that the check after `run` may take. Those that decide whether a failure was a death share `fall × fast_interval` where their
 * timeout is longer: so a death is known within `interval + fall × fast_interval + timeout`, however it shows.
 */
export function limitOf(run: Run | null, { timeout, fall, fast_interval }: ActiveCheck): number {
  const suspected = run !== null && !run.passed && run.verdict !== false
  return suspected ? Math.min(timeout, Math.floor((fall * fast_interval) / (fall - 1))) : timeout
}

/** What the results so far say; null: nothing yet. */
export function verdictOf(record: CheckRecord | undefined, checks: number, require: Pool['require']): boolean | null {
  const verdicts = Array.from({ length: checks }, (_, i) => record?.[i]?.verdict ?? null)
  return decide(verdicts, require)
}

/** One result. Null: it was of a check that is there no more. */
export function onChecked(snapshot: Snapshot, event: Extract<Event, { kind: 'checked' }>): PassiveChange | null {
  const { world } = snapshot
  const { upstream, check, passed, said, at } = event
  const gateway = gatewayOf(world, upstream.gateway)
  const checks = gateway === undefined ? [] : checksOf(world, upstream.pool, gateway)
  const rules = checks[check]
  if (gateway === undefined || rules === undefined) return null
  const before = own(world.sight.checks, upstream.key)
  const record = checks.map((_, i) =>
    i === check ? nextRun(before?.[i] ?? null, { passed, said, at }, rules) : (before?.[i] ?? null),
  )
  const sight = { ...world.sight, checks: put(world.sight.checks, upstream.key, record) }
  const quiet: PassiveChange = { sight, touched: new Set(), facts: [] }
  const pool = poolOf(world, upstream.pool)
  if (pool === undefined) return quiet
  const after: Snapshot = { ...snapshot, world: { ...world, sight } }
  // A gateway that lives by probes and fails them everywhere is down for everybody: that is the cluster's to say, not a pool's. What the
  // pool holds against it already goes on, in case the cluster cannot be asked.
  const isNew = !isOut(own(world.sight.passive, upstream.key))
  const isDead = gateway.liveness === 'probe' && livesIn(after.world, gateway) === false
  if (isNew && isDead && isDeadToMost(after.world, gateway)) return quiet
  const says = saysOf(record, pool, at)
  // What passes is no gap, though another check may still have to.
  return everyPort(after, upstream, passed ? { ...says, passing: null } : says, quiet)
}

/** The cluster cannot be asked what the results of an upstream change: until it can, this replica goes by them alone. */
export function onUnagreed(
  snapshot: Snapshot,
  { upstream, at }: Extract<Event, { kind: 'unagreed' }>,
): PassiveChange | null {
  const { sight } = snapshot.world
  const pool = poolOf(snapshot.world, upstream.pool)
  const record = own(sight.checks, upstream.key)
  if (pool === undefined || record === undefined) return null
  return everyPort(snapshot, upstream, saysOf(record, pool, at), { sight, touched: new Set(), facts: [] })
}

function saysOf(record: CheckRecord, { require }: Pool, at: number): Extract<PassiveEvent, { kind: 'verdict' }> {
  const verdict = verdictOf(record, record.length, require)
  const passing = decide(
    record.map(run => run?.passed ?? null),
    require,
  )
  return { kind: 'verdict', verdict, passing, at }
}

/** What is said of an address holds for everything that the pool's routes find there. */
function everyPort(snapshot: Snapshot, { key, pool, gateway: name }: Target, says: PassiveEvent, quiet: PassiveChange) {
  const { pools, ports, world } = snapshot
  const gateway = gatewayOf(world, name)
  const address = hostOf(key)
  const views = [own(pools, pool), ...Object.values(ports).filter(view => view.name === pool)]
  const found = new Set(views.map(view => view?.port ?? null))
  const upstreams = gateway === undefined ? [] : [...found].flatMap(port => upstreamsOf(world, pool, gateway, port))
  let change = quiet
  for (const upstream of upstreams.filter(one => hostOf(one.key) === address)) {
    const next = onPassive({ ...snapshot, world: { ...world, sight: change.sight } }, upstream, says)
    if (next === null) continue
    const { sight, touched, facts } = next
    change = { sight, touched: new Set([...change.touched, ...touched]), facts: [...change.facts, ...facts] }
  }
  return change
}

const hostOf = (key: string): string => key.slice(0, key.lastIndexOf(':'))

function nextRun(
  run: Run | null,
  { passed, said, at }: Pick<Run, 'passed' | 'said' | 'at'>,
  { fall, rise }: ActiveCheck,
): Run {
  const times = run?.passed === passed ? run.times + 1 : 1
  const before = run?.verdict ?? null
  const turns = passed ? before === null || times >= rise : times >= fall
  return { verdict: turns ? passed : before, passed, times, at, said }
}

/** Does a gateway pass its checks anywhere? Null: not known. */
function livesIn(world: World, gateway: Gateway): boolean | null {
  const verdicts = placesOf(world, gateway).map(({ records, checks, require }) => {
    const each = records.map(record => verdictOf(record, checks.length, require))
    return each.includes(true) ? true : each.every(verdict => verdict === false) ? false : null
  })
  if (verdicts.includes(true)) return true
  return verdicts.length > 0 && verdicts.every(verdict => verdict === false) ? false : null
}

interface Place {
  readonly checks: readonly ActiveCheck[]
  readonly require: Pool['require']
  readonly records: readonly (CheckRecord | undefined)[]
}

function placesOf(world: World, gateway: Gateway): readonly Place[] {
  return checkedIn(world.definitions.value, gateway.name).map(({ name, require }) => ({
    checks: checksOf(world, name, gateway),
    require,
    records: upstreamsOf(world, name, gateway, judgedPort(world, name)).map(({ key }) => own(world.sight.checks, key)),
  }))
}

/** The gateways that live by probes and fail them everywhere: what this replica tells the others. */
export function failingHere(world: World): readonly string[] {
  const { gateways } = world.definitions.value
  const failing = gateways.filter(gateway => gateway.liveness === 'probe' && livesIn(world, gateway) === false)
  return failing.map(({ name }) => name)
}

/**
 * Together with this replica, which finds it dead: does a majority of those that are here? One that alone cannot reach a gateway has lost its own
 * way to it, and takes it from nobody else.
 */
function isDeadToMost({ sight }: World, { name }: Gateway): boolean {
  const { count, failing } = sight.others ?? { count: 0, failing: {} }
  return 2 * (1 + (own(failing, name) ?? 0)) > count + 1
}

/** A majority finds it dead, whatever this replica does. */
function isDeadToOthers({ sight }: World, { name }: Gateway): boolean {
  const { count, failing } = sight.others ?? { count: 0, failing: {} }
  return 2 * (own(failing, name) ?? 0) > count + 1
}

/** What the results say to the record of a gateway that lives by probes; null: nothing new. */
export function probeSignal(world: World, gateway: Gateway, record: GatewayRecord, at: number): Signal | null {
  if (gateway.liveness !== 'probe') return null
  switch (record.state) {
    case 'unknown':
      return livesIn(world, gateway) === true && !isDeadToOthers(world, gateway)
        ? { kind: 'beat', at, by: 'probe' }
        : null
    case 'down': {
      // One failure has put it there if it was returning, so its verdict may still be a good one: what counts is what came since.
      const rises = placesOf(world, gateway).some(place => place.records.some(results => hasRisen(place, results)))
      return rises && !isDeadToOthers(world, gateway) ? { kind: 'beat', at, by: 'probe' } : null
    }
    case 'up':
      return livesIn(world, gateway) === false && isDeadToMost(world, gateway)
        ? { kind: 'silence', at, by: 'probe' }
        : null
    case 'returning': {
      const places = placesOf(world, gateway).filter(({ records }) => records.length > 0)
      const fails = (place: Place) => place.records.every(results => isGap(place, results, record.returned_at))
      const gap = places.length > 0 && places.every(fails)
      return gap && isDeadToMost(world, gateway) ? { kind: 'silence', at, by: 'probe' } : null
    }
  }
}

/** Did enough results in a row pass? */
function hasRisen({ checks, require }: Place, record: CheckRecord | undefined): boolean {
  const each = checks.map(({ rise }, i) => {
    const run = record?.[i] ?? null
    return run === null ? null : run.passed && run.times >= rise
  })
  return decide(each, require) === true
}

/** Would the last results alone not pass, and is one of them no older than `since` (ms)? */
function isGap({ checks, require }: Place, record: CheckRecord | undefined, since: number): boolean {
  const results = checks.map((_, i) => record?.[i]?.passed ?? null)
  return decide(results, require) === false && record?.some(run => run !== null && run.at >= since) === true
}
