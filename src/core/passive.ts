/**
 * Passive health of whole pools: which upstream's record moves, whether it may be ejected, and when a pool is failing.
 */
import { type PassiveEvent, type PassiveRules, type PassiveStep, passiveDue, passiveStep } from './ejection.ts'
import type { Event, FactDraft, Target } from './events.ts'
import { hintFor } from './hints.ts'
import { NO_POOL } from './homes.ts'
import { gatewayOf, upstreamsOf } from './member.ts'
import type {
  Failing,
  GatewayPort,
  MemberState,
  PassiveRecord,
  Pool,
  PoolView,
  Sight,
  Snapshot,
  Upstream,
  World,
} from './nouns.ts'
import { own } from './own.ts'
import { portOf } from './plan.ts'
import { nextRampStep, rampsAt } from './slow-start.ts'

/** Ms in which a last member has to answer without failing again until its pool is no longer failing. */
const FAILING_FOR = 10_000

/** Fewer requests than this say nothing by the share of them that failed. */
const ENOUGH_REQUESTS = 20

/** What passive health changes: a sight, the pools whose view it shows in, and what is told. */
export interface PassiveChange {
  readonly sight: Sight
  readonly touched: ReadonlySet<string>
  readonly facts: readonly FactDraft[]
}

const NO_POOLS: ReadonlySet<string> = new Set()

/** Is a good answer of `upstream` no news, since nothing is held against it or its pool? It stays so for as long as the sight is the same. */
export function isClean({ passive, failing }: Sight, upstream: Target): boolean {
  // Keys hold a slash, so nothing inherited is found.
  return passive[upstream.key] === undefined && !Object.hasOwn(failing, upstream.pool)
}

/** How an attempt ended. Null: nothing changed. */
export function onOutcome(
  snapshot: Snapshot,
  { upstream, route, result, recent, at }: Extract<Event, { kind: 'outcome' }>,
): PassiveChange | null {
  if (result === 'ok' && isClean(snapshot.world.sight, upstream)) return null
  if (result === 'ok') return onPassive(snapshot, upstream, { kind: 'success', route, at })
  const share = recent && recent.requests >= ENOUGH_REQUESTS ? recent.failures / recent.requests : 0
  const counted = result === 'status' ? route : ''
  return onPassive(snapshot, upstream, { kind: 'failure', reason: result, route: counted, share, at })
}

/** An outcome or a trial of one upstream. Null: nothing changed. */
export function onPassive(snapshot: Snapshot, upstream: Target, event: PassiveEvent): PassiveChange | null {
  const { sight } = snapshot.world
  const pool = poolOf(snapshot.world, upstream.pool)
  if (pool === undefined) return null
  const record = own(sight.passive, upstream.key)
  const wasFailing = own(sight.failing, pool.name)
  const usual = rulesOf(snapshot.world, pool, upstream.gateway)
  const rules = hintFor(sight, upstream.key, event.at) === undefined ? usual : { ...usual, max_fails: 1 }
  const { record: next, change, reason } = passiveStep(record, event, rules, () => mayEject(snapshot, pool, upstream))
  // On a port by which its pool is not judged, a last member may fail for as long as it likes.
  const judged = viewsWith(snapshot, upstream).some(view => view === own(snapshot.pools, pool.name))
  const failing = judged ? failingAfter(wasFailing, upstream.key, event, { record: next, change, reason }) : wasFailing
  if (next === record && failing === wasFailing) return null
  const told = change === 'ejected' || change === 'returned'
  return {
    sight: {
      ...sight,
      passive: put(sight.passive, upstream.key, next),
      failing: put(sight.failing, pool.name, failing),
    },
    touched: isOut(record) || isOut(next) || failing !== wasFailing ? new Set([pool.name]) : NO_POOLS,
    facts: told ? [moved(change, upstream, reason, event.at)] : [],
  }
}

/** Everything of passive health that time alone moves. Null: nothing was due. */
export function onTick({ world }: Snapshot, at: number): PassiveChange | null {
  let { passive, failing } = world.sight
  const touched = new Set<string>()
  const facts: FactDraft[] = []
  for (const [key, record] of Object.entries(passive)) {
    const upstream = targetOf(key)
    const pool = poolOf(world, upstream.pool)
    if (pool === undefined) continue
    const step = passiveStep(record, { kind: 'tick', at }, rulesOf(world, pool, upstream.gateway), () => false)
    if (step.record === record) continue
    passive = put(passive, key, step.record)
    if (isOut(record)) touched.add(upstream.pool)
    if (step.change === 'returned') facts.push(moved('returned', upstream, step.reason, at))
  }
  for (const [name, one] of Object.entries(failing)) {
    if (!one.answered || at < one.last_hit + FAILING_FOR) continue
    failing = put(failing, name, undefined)
    touched.add(name)
  }
  const { ramps, pools } = rampsAt(world, at)
  for (const name of pools) touched.add(name)
  if (passive === world.sight.passive && failing === world.sight.failing && ramps === world.sight.ramps) return null
  return { sight: { ...world.sight, passive, failing, ramps }, touched, facts }
}

/** The upstreams whose trial is due by `now`, and the earliest moment (ms) after which there is more to do, or Infinity. */
export function passiveAgenda(
  { world }: Snapshot,
  now: number,
): { readonly trials: readonly string[]; readonly next: number } {
  const trials: string[] = []
  let next = nextRampStep(world)
  for (const [key, record] of Object.entries(world.sight.passive)) {
    const { pool: name, gateway } = targetOf(key)
    const pool = poolOf(world, name)
    if (pool === undefined) continue
    const due = passiveDue(record, rulesOf(world, pool, gateway))
    if (due.kind === 'trial' && due.at <= now) trials.push(key)
    else next = Math.min(next, due.at)
  }
  for (const { answered, last_hit } of Object.values(world.sight.failing))
    if (answered) next = Math.min(next, last_hit + FAILING_FOR)
  return { trials, next }
}

/** The upstream that a key names. */
export function targetOf(key: string): Target {
  const [pool = '', gateway = ''] = key.split('/', 2)
  return { key, pool, gateway }
}

/** The upstream with that key, or undefined when definitions and names know it no more. */
export function upstreamOf(world: World, key: string): Upstream | undefined {
  const { pool, gateway: name } = targetOf(key)
  const gateway = gatewayOf(world, name)
  if (gateway === undefined || !isUnder(world, pool, name)) return undefined
  const named = (one: Upstream) => one.key === key
  const http = upstreamsOf(world, pool, gateway).find(named)
  if (http !== undefined) return http
  const port = portIn(key)
  const isUsed = world.definitions.value.routes.some(route => portOf(route) === port)
  return isUsed ? upstreamsOf(world, pool, gateway, port).find(named) : undefined
}

function portIn(key: string): GatewayPort {
  return key.slice(key.lastIndexOf(':') + 1) as GatewayPort
}

/** Is the gateway one of the pool, or pinned where it is in none? */
function isUnder(world: World, pool: string, name: string): boolean {
  if (pool !== NO_POOL) return poolOf(world, pool)?.members.some(({ gateway }) => gateway === name) === true
  return world.definitions.value.routes.some(({ target }) => 'gateway' in target && target.gateway === name)
}

/** How the member behind an upstream stands on its port; null: it is none any more, or in no pool. */
export function stateOf({ pools, ports }: Snapshot, { key, pool, gateway: name }: Target): MemberState | null {
  const view = own(ports, `${pool}@${portIn(key)}`) ?? own(pools, pool)
  return view?.members.find(({ gateway }) => gateway === name)?.state ?? null
}

/** The views of its pool in which an upstream stands: as what its HTTP is, and as what is on its port. */
function viewsWith({ world, pools, ports }: Snapshot, { key, pool, gateway: name }: Target): readonly PoolView[] {
  const view = own(pools, pool)
  const onPort = own(ports, `${pool}@${portIn(key)}`)
  const gateway = gatewayOf(world, name)
  const views = onPort === undefined ? [] : [onPort]
  if (view === undefined || view === onPort || gateway === undefined) return views
  const stands = upstreamsOf(world, pool, gateway, view.port).some(one => one.key === key)
  return stands ? [view, ...views] : views
}

/** `record` with `value` under `key`, or without the key when the value is undefined; the same object when that changes nothing. */
export function put<T>(
  record: Readonly<Record<string, T>>,
  key: string,
  value: T | undefined,
): Readonly<Record<string, T>> {
  if (own(record, key) === value) return record
  const { [key]: _, ...others } = record
  return value === undefined ? others : { ...others, [key]: value }
}

/** Out of rotation. Only then does a record show in the view of a pool. */
export function isOut(record: PassiveRecord | undefined): boolean {
  return record?.kind === 'ejected' || record?.kind === 'cooling'
}

export function poolOf(world: World, name: string): Pool | undefined {
  return world.definitions.value.pools.find(pool => pool.name === name)
}

function rulesOf(
  world: World,
  { passive, mode, failback_cooldown, hold_out, active }: Pool,
  gateway: string,
): PassiveRules {
  return {
    ...passive,
    cooldown: mode === 'failover' || hold_out ? failback_cooldown : null,
    checked: active.length > 0 || gatewayOf(world, gateway)?.liveness === 'probe',
  }
}

/** Nowhere may it be the one that has to stay. */
function mayEject(snapshot: Snapshot, pool: Pool, upstream: Target): boolean {
  const views = viewsWith(snapshot, upstream)
  return views.length > 0 && views.every(view => mayLeave(view, snapshot.world.sight, pool, upstream))
}

/** The last member that could serve stays, and in load_balancing at most a share of the members (rounded up) is out at once. */
function mayLeave(view: PoolView, { passive }: Sight, pool: Pool, upstream: Target): boolean {
  const member = view.members.find(({ gateway }) => gateway === upstream.gateway)
  if (member?.upstreams.some(({ key }) => key !== upstream.key && !isOut(own(passive, key)))) return true
  const others = view.members.filter(({ gateway }) => gateway !== upstream.gateway)
  if (!others.some(({ ready, state }) => ready || state === 'returning')) return false
  if (pool.mode === 'failover') return true
  const out = others.filter(({ state }) => state === 'ejected').length
  return out + 1 <= Math.ceil((view.members.length * pool.passive.max_ejected) / 100)
}

function failingAfter(
  failing: Failing | undefined,
  upstream: string,
  event: PassiveEvent,
  { record, change, reason }: PassiveStep,
): Failing | undefined {
  if (change === 'spared')
    return { since: failing?.since ?? event.at, upstream, last_hit: event.at, reason, answered: false }
  if (failing === undefined || failing.upstream !== upstream) return failing
  if (record?.kind === 'ejected') return undefined
  // What checks found they take back: without requests nothing else ever would.
  const answers = event.kind === 'success' || (failing.reason === 'probe' && isGood(event))
  return answers && !failing.answered ? { ...failing, answered: true } : failing
}

function isGood(event: PassiveEvent): boolean {
  return event.kind === 'verdict' && event.verdict === true
}

function moved(
  change: 'ejected' | 'returned',
  { key, pool, gateway }: Target,
  cause: PassiveRecordReason,
  at: number,
): FactDraft {
  return {
    kind: change === 'ejected' ? 'member_ejected' : 'member_returned',
    at,
    subject: gateway,
    cause,
    pool,
    upstream: key,
  }
}

type PassiveRecordReason = Extract<PassiveRecord, { kind: 'ejected' }>['reason']
