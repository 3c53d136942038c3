/**
 * From the snapshot to what the API shows. Nothing is decided here; what the snapshot says is only put into other words.
 */
import type { z } from 'zod'
import { joinHostPort } from '../config/units.ts'
import { beatsFrom } from '../core/beats.ts'
import { newestBeat, recordOf } from '../core/evaluate.ts'
import { heldBy, holdsOf } from '../core/holds.ts'
import { instancesOf } from '../core/instances.ts'
import type { Gateway, MemberView, Plan, Pool, Route, Serving, Snapshot, World } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { targetKey } from '../core/plan.ts'
import { viewAt, viewOf } from '../core/snapshot.ts'
import { routesOf } from '../core/told.ts'
import type { gatewayDetail, gatewayList } from './contract/gateways.ts'
import type { resources } from './contract/operations.ts'
import type { memberList, poolDetail, poolList } from './contract/pools.ts'
import type { routeList } from './contract/routes.ts'
import { instancesIn } from './instance-view.ts'

type PoolRow = z.output<typeof poolList>['items'][number]
type GatewayRow = z.output<typeof gatewayList>['items'][number]
type RouteRow = z.output<typeof routeList>['items'][number]
type Member = z.output<typeof memberList>['items'][number]
type Served = Pick<PoolRow, 'serving' | 'serving_as' | 'original' | 'since' | 'back_at' | 'by' | 'takes_over'>

function served(snapshot: Snapshot, serving: Serving, plan: Plan): Served {
  const nobody = { original: null, since: null, back_at: null, by: null, takes_over: null }
  switch (serving.kind) {
    case 'nobody':
      return {
        ...nobody,
        serving: [],
        serving_as: 'nobody',
        back_at: plan.back_at,
        takes_over: takesOver(snapshot, plan),
      }
    case 'balanced':
      return { ...nobody, serving: [...serving.gateways], serving_as: 'balanced' }
    case 'first':
      return { ...nobody, serving: [serving.gateway], serving_as: 'first' }
    case 'failover':
    case 'emergency': {
      const { kind, gateway, original, since, back_at: returns, by } = serving
      return { ...nobody, serving: [gateway], serving_as: kind, original, since, back_at: returns, by }
    }
  }
}

/** The pool that gets the traffic of `plan` by falling back, as far as it has to; null: none serves, or nobody falls back. */
export function takesOver(snapshot: Snapshot, { fallback }: Plan): string | null {
  const next = fallback === null ? undefined : viewAt(snapshot, fallback)
  if (next === undefined || !('name' in next)) return null
  return next.serving.kind === 'nobody' ? takesOver(snapshot, next.plan) : next.name
}

const NO_PLAN: Plan = {
  pool: null,
  policy: 'ordered',
  choices: [],
  emergency: [],
  fallback: null,
  hold: 0,
  back_at: null,
}
const NOBODY: Serving = { kind: 'nobody' }
/** A route that answers by itself. */
const HERE: Served = {
  serving: [],
  serving_as: 'here',
  original: null,
  since: null,
  back_at: null,
  by: null,
  takes_over: null,
}

export function poolRow(snapshot: Snapshot, { name, title, enabled, mode, members }: Pool): PoolRow {
  const view = own(snapshot.pools, name)
  return {
    name,
    ...(title === undefined ? {} : { title }),
    enabled,
    mode,
    health: view?.health ?? 'red',
    text: view?.text ?? '',
    ...served(snapshot, view?.serving ?? NOBODY, view?.plan ?? NO_PLAN),
    members: members.length,
    routes: routesOf(snapshot.world, name).length,
  }
}

export function poolInFull(snapshot: Snapshot, pool: Pool): z.output<typeof poolDetail> {
  const failing = own(snapshot.pools, pool.name)?.failing ?? null
  return {
    ...poolRow(snapshot, pool),
    failing: failing && { since: failing.since, upstream: failing.upstream },
    failover: wishOf(snapshot, pool.name),
    members: membersOf(snapshot, pool.name),
    routes: [...routesOf(snapshot.world, pool.name)],
    definition: pool,
  }
}

/** What somebody asked of a pool by hand. */
export function wishOf(snapshot: Snapshot, pool: string): z.output<typeof poolDetail>['failover'] {
  const wish = own(snapshot.pools, pool)?.wish ?? null
  return wish && { ...wish }
}

/** What leans on a pool. */
export function resourcesOf({ world }: Snapshot, pool: string): z.output<typeof resources> {
  const { pools, routes } = world.definitions.value
  const names = routesOf(world, pool)
  const titled = ({ name, title }: Pool | Route) => ({ name, ...(title === undefined ? {} : { title }) })
  return {
    routes: routes
      .filter(({ name }) => names.includes(name))
      .map(route => {
        const gateway = 'gateway' in route.target ? route.target.gateway : null
        const via = gateway === null ? 'pool' : 'gateway'
        return { ...titled(route), via, gateway, link: `/api/v1/routes/${route.name}` }
      }),
    fallback_of: pools
      .filter(({ on_all_down }) => on_all_down.action === 'fallback' && on_all_down.pool === pool)
      .map(one => ({ ...titled(one), link: `/api/v1/gateway-pools/${one.name}` })),
  }
}

export function membersOf(snapshot: Snapshot, pool: string): Member[] {
  return (own(snapshot.pools, pool)?.members ?? []).map(member => ({ gateway: member.gateway, ...standing(member) }))
}

function standing({ priority, weight, state, ready, cause, since, back_at, upstreams }: MemberView) {
  const addresses = upstreams.map(({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${port}`)
  return { priority, weight, state, ready, cause, since, back_at, upstreams: addresses }
}

export function gatewayRow({ world }: Snapshot, gateway: Gateway): GatewayRow {
  const { name, title, enabled, address, http_port, liveness } = gateway
  const beats = beatsFrom(world.sight.beats, name)
  const newest = newestBeat(beats)
  return {
    name,
    ...(title === undefined ? {} : { title }),
    enabled,
    address,
    http_port,
    liveness,
    ...gatewayState(world, gateway),
    newest_beat: Number.isFinite(newest) ? newest : null,
    instances: Object.keys(instancesOf(world.liveness.value, name)).length,
    pools: world.definitions.value.pools.filter(pool => isIn(pool, name)).length,
  }
}

export function gatewayInFull(snapshot: Snapshot, gateway: Gateway): z.output<typeof gatewayDetail> {
  const { world, pools } = snapshot
  return {
    ...gatewayRow(snapshot, gateway),
    instances: instancesIn(snapshot, gateway),
    holds: [...holdsOf(world.holds.value, gateway.name)],
    pools: Object.values(pools).flatMap(({ name, members }) =>
      members.filter(member => member.gateway === gateway.name).map(member => ({ pool: name, ...standing(member) })),
    ),
    definition: gateway,
  }
}

/** What holds for the gateway as a whole; in a pool it may be ejected, or back already. */
function gatewayState(world: World, { name, enabled, liveness }: Gateway): Pick<GatewayRow, 'state' | 'since'> {
  if (!enabled) return { state: 'disabled', since: null }
  const hold = heldBy(world.holds.value, world.sight.beats, name)
  if (hold) return { state: 'held', since: hold.since }
  if (liveness === 'assumed') return { state: 'up', since: null }
  const record = recordOf(world.liveness.value, name)
  switch (record.state) {
    case 'unknown':
      return { state: 'unknown', since: null }
    case 'up':
    case 'down':
      return { state: record.state, since: record.since }
    case 'returning':
      return { state: 'returning', since: record.went_down_at }
  }
}

export function routeRow(snapshot: Snapshot, route: Route): RouteRow {
  const { name, title, enabled, protocol, match, target } = route
  const view = viewOf(snapshot, route)
  return {
    name,
    ...(title === undefined ? {} : { title }),
    enabled,
    protocol,
    host: match.host ?? null,
    path: match.path,
    takes: takesText(route),
    target: targetText(target),
    ...(targetKey(route) === '' ? HERE : served(snapshot, view?.serving ?? NOBODY, view?.plan ?? NO_PLAN)),
  }
}

function takesText({ protocol, match: { host, path, sni, alpn }, listen }: Route): string {
  switch (protocol) {
    case 'http':
      return `${host ?? 'any host'}${path}`
    case 'tls':
      return `tls ${sni ?? 'any name'}${alpn === undefined ? '' : ` with ${alpn.join(' or ')}`}`
    case 'tcp':
    case 'udp':
      return listen === undefined ? protocol : `${protocol} ${joinHostPort(listen)}`
  }
}

function targetText(target: Route['target']): string {
  if ('pool' in target) return `pool:${target.pool}`
  if ('gateway' in target) return `gateway:${target.gateway}`
  return 'redirect' in target ? `redirect:${target.redirect.status}` : `respond:${target.respond.status}`
}

function isIn({ members }: Pool, gateway: string): boolean {
  return members.some(member => member.gateway === gateway)
}
