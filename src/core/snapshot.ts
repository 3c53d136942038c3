/**
 * The snapshot: the one immutable value that every request reads. Built from the world whenever a decision changes; pools that the change
 * did not touch keep their very objects.
 */
import { NO_POOL, viewMember } from './member.ts'
import type { PinnedView, Pool, PoolView, Route, Snapshot, World } from './nouns.ts'
import { own } from './own.ts'
import { homeOrder, planPinned, planPool, targetKey } from './plan.ts'

/** `previous` with the world `world`; `touched` pools (or all, when definitions changed) are computed anew, and pins that lean on them. */
export function buildSnapshot(world: World, previous: Snapshot | null, touched: ReadonlySet<string> | 'all'): Snapshot {
  const { definitions } = world
  const pools: Record<string, PoolView> = {}
  for (const pool of definitions.value.pools) {
    const kept = previous && touched !== 'all' && !touched.has(pool.name) ? own(previous.pools, pool.name) : undefined
    pools[pool.name] = kept ?? viewPool(world, pool)
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
    pinned[key] = kept ?? viewPinned(world, pools, target.gateway, homes, key.startsWith('only:'))
  }
  return { world, pools, pinned }
}

/** Where a route goes and who serves it; undefined for one that answers by itself. */
export function viewOf({ pools, pinned }: Snapshot, route: Route): PoolView | PinnedView | undefined {
  return 'pool' in route.target ? own(pools, route.target.pool) : own(pinned, targetKey(route))
}

function viewPool(world: World, pool: Pool): PoolView {
  const members = pool.members.map((member, i) => viewMember(world, pool, member, i + 1))
  const counted = members.filter(({ state }) => state !== 'disabled')
  const healthy = counted.filter(({ ready, upstreams }) => ready && upstreams.length > 0).length
  const failing = own(world.sight.failing, pool.name) ?? null
  return {
    name: pool.name,
    enabled: pool.enabled,
    members,
    ...planPool(pool, members),
    health: healthy === 0 || failing ? 'red' : healthy === counted.length ? 'green' : 'yellow',
    text: `${healthy}/${counted.length} healthy`,
    failing,
  }
}

function viewPinned(
  world: World,
  pools: Readonly<Record<string, PoolView>>,
  gateway: string,
  homes: readonly Pool[],
  alone: boolean,
): PinnedView {
  const views = homes.flatMap(({ name }) => own(pools, name) ?? [])
  if (views.length > 0) return planPinned(gateway, views, alone)
  // In no pool there is no cooldown to sit out and nobody to move to.
  const member = viewMember(world, { name: NO_POOL, mode: 'failover', failback_cooldown: 0 }, { gateway, weight: 1 }, 1)
  return planPinned(gateway, [{ name: NO_POOL, members: [member] }], alone)
}
