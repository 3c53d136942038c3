/**
 * The snapshot: the one immutable value that every request reads. Built from the world whenever a decision changes; pools that the change
 * did not touch keep their very objects.
 */
import { wishFor } from './failover.ts'
import { NO_POOL } from './homes.ts'
import { viewMember } from './member.ts'
import type { GatewayPort, PinnedView, Pool, PoolView, Route, Snapshot, World } from './nouns.ts'
import { own } from './own.ts'
import { homeOrder, planPinned, planPool, portOf, targetKey } from './plan.ts'

/** `previous` with the world `world`; `touched` pools (or all, when definitions changed) are computed anew, and pins that lean on them. */
export function buildSnapshot(world: World, previous: Snapshot | null, touched: ReadonlySet<string> | 'all'): Snapshot {
  const { definitions } = world
  const wanted = portsOf(world)
  const pools: Record<string, PoolView> = {}
  const ports: Record<string, PoolView> = {}
  for (const pool of definitions.value.pools) {
    const kept = previous && touched !== 'all' && !touched.has(pool.name) ? previous : null
    const { judged, all } = wanted.get(pool.name) ?? NO_ROUTES
    const view = (kept && own(kept.pools, pool.name)) ?? viewPool(world, pool, judged, true)
    pools[pool.name] = view
    for (const port of all) {
      const key = `${pool.name}@${port}`
      ports[key] = (kept && own(kept.ports, key)) ?? (port === judged ? view : viewPool(world, pool, port, false))
    }
  }
  const pinned: Record<string, PinnedView> = {}
  for (const route of definitions.value.routes) {
    const { target } = route
    const key = targetKey(route)
    if (!('gateway' in target) || own(pinned, key)) continue
    const homes = homeOrder(world, target.gateway)
    const kept =
      previous && touched !== 'all' && !homes.some(({ name }) => touched.has(name)) && homes.length > 0
        ? own(previous.pinned, key)
        : undefined
    const port = portOf(route)
    const views = homes.flatMap(({ name }) => (port === null ? own(pools, name) : own(ports, `${name}@${port}`)) ?? [])
    const fitting = views.filter(view => view.port === port)
    pinned[key] = kept ?? viewPinned(world, fitting, target.gateway, port, key.startsWith('only:'))
  }
  return { world, pools, ports, pinned }
}

/** The plan behind a key of `targetKey` and who serves it; undefined when no route asks for it any more. */
export function viewAt({ pools, ports, pinned }: Snapshot, target: string): PoolView | PinnedView | undefined {
  if (!target.startsWith('pool:')) return own(pinned, target)
  const name = target.slice('pool:'.length)
  if (name.includes('@')) return own(ports, name)
  const view = own(pools, name)
  // A request that outlives the last HTTP route of its pool must not be sent to a port of another protocol.
  return view?.port === null ? view : undefined
}

/** Where a route goes and who serves it; undefined for one that answers by itself. */
export function viewOf(snapshot: Snapshot, route: Route): PoolView | PinnedView | undefined {
  const { pools } = snapshot
  // One that is not enabled counts for nobody's view.
  return viewAt(snapshot, targetKey(route)) ?? ('pool' in route.target ? own(pools, route.target.pool) : undefined)
}

interface Ports {
  /** The port by which the pool is judged: what is told of it, its health and its members' states. */
  judged: GatewayPort | null
  readonly all: Set<GatewayPort>
}

const NO_ROUTES: Ports = { judged: null, all: new Set() }

/**
 * The ports on which the routes of other protocols need each pool. A pool is judged by the HTTP of its gateways, as long as an HTTP route
 * leans on it or no route at all; else by the port of the first of its routes.
 */
function portsOf({ definitions }: World): ReadonlyMap<string, Ports> {
  const { pools, routes } = definitions.value
  const found = new Map<string, Ports>()
  const others = routes.filter(route => portOf(route) !== null)
  if (others.length === 0) return found
  for (const route of others) {
    const port = portOf(route) as GatewayPort
    for (const name of poolsUnder(route, pools)) {
      const ports = found.get(name) ?? { judged: null, all: new Set() }
      if (route.enabled) ports.judged ??= port
      ports.all.add(port)
      found.set(name, ports)
    }
  }
  for (const route of routes) {
    if (!route.enabled || portOf(route) !== null) continue
    for (const name of poolsUnder(route, pools)) {
      const ports = found.get(name)
      if (ports) ports.judged = null
    }
  }
  return found
}

/** The port by which a pool is judged and checked; null: that of its gateways' HTTP. */
export function judgedPort(world: World, pool: string): GatewayPort | null {
  return portsOf(world).get(pool)?.judged ?? null
}

/** The pools that a route leans on, those included that take over when all are down. */
function poolsUnder({ target }: Route, pools: readonly Pool[]): readonly string[] {
  const found = pools.filter(({ name, members }) =>
    'pool' in target
      ? name === target.pool
      : 'gateway' in target && members.some(one => one.gateway === target.gateway),
  )
  // It grows while it is walked; circles are refused.
  for (const { on_all_down } of found) {
    const next = on_all_down.action === 'fallback' ? pools.find(({ name }) => name === on_all_down.pool) : undefined
    if (next !== undefined && !found.includes(next)) found.push(next)
  }
  return found.map(({ name }) => name)
}

function viewPool(world: World, pool: Pool, port: GatewayPort | null, judged: boolean): PoolView {
  const members = pool.members.map((member, i) => viewMember(world, pool, member, i + 1, port))
  const wish = wishFor(world, pool)
  const counted = members.filter(({ state }) => state !== 'disabled')
  const healthy = counted.filter(({ ready, upstreams }) => ready && upstreams.length > 0).length
  const failing = (judged && own(world.sight.failing, pool.name)) || null
  return {
    name: pool.name,
    enabled: pool.enabled,
    port,
    members,
    wish,
    on_all_down: pool.on_all_down,
    ...planPool(pool, members, wish, port),
    health: healthy === 0 || failing ? 'red' : healthy === counted.length ? 'green' : 'yellow',
    text: `${healthy}/${counted.length} healthy`,
    failing,
  }
}

function viewPinned(
  world: World,
  homes: readonly PoolView[],
  gateway: string,
  port: GatewayPort | null,
  alone: boolean,
): PinnedView {
  if (homes.length > 0) return planPinned(gateway, homes, alone)
  // In no pool there is no cooldown to sit out and nobody to move to.
  const pool = { name: NO_POOL, mode: 'failover', failback_cooldown: 0, hold_out: false, max_connections: 0 } as const
  const member = viewMember(world, pool, { gateway, weight: 1 }, 1, port)
  const home = { name: NO_POOL, members: [member], wish: null, port, on_all_down: { action: 'fail_closed' } } as const
  return planPinned(gateway, [home], alone)
}
