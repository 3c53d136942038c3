/** What is taken, but does not work at the moment: said with the answer to a change, so that nobody finds out by an outage. */
import type { Item, Kind } from '../core/edits-objects.ts'
import type { Definitions, Gateway, Route, Serving, Snapshot } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { viewOf } from '../core/snapshot.ts'

/** More than anybody reads at once. */
const MOST = 50

export function warningsOf<K extends Kind>(snapshot: Snapshot, kind: K, object: Item<K>): string[] {
  switch (kind) {
    case 'gateway':
      return outages(snapshot, ({ members }) => members.some(({ gateway }) => gateway === (object as Gateway).name))
    case 'pool':
      return poolWarnings(snapshot, object.name)
    default:
      return routeWarnings(snapshot, object as Route)
  }
}

export function poolWarnings(snapshot: Snapshot, pool: string): string[] {
  const view = own(snapshot.pools, pool)
  if (view === undefined || !view.enabled) return []
  const out = view.members
    .filter(({ ready }) => !ready)
    .map(({ gateway, state, cause }) => `${gateway} is not ready: ${state} (${cause})`)
  return view.serving.kind === 'nobody' ? [...out, `nobody can serve ${pool}`] : out
}

/** The pools of `which` that nobody can serve. */
export function outages(
  { world, pools }: Snapshot,
  which: (pool: Definitions['pools'][number]) => boolean = () => true,
): string[] {
  const isOut = (name: string) => own(pools, name)?.serving.kind === 'nobody'
  return world.definitions.value.pools
    .filter(pool => pool.enabled && which(pool) && isOut(pool.name))
    .slice(0, MOST)
    .map(({ name }) => `nobody can serve ${name}`)
}

function routeWarnings(snapshot: Snapshot, route: Route): string[] {
  if (!route.enabled) return []
  if ('pool' in route.target) return poolWarnings(snapshot, route.target.pool)
  const serving: Serving | undefined = viewOf(snapshot, route)?.serving
  switch (serving?.kind) {
    case 'nobody':
      return [`nobody can serve ${route.name}`]
    case 'failover':
    case 'emergency':
      return [`${serving.original} is not ready: ${serving.gateway} serves in its place`]
    default:
      return []
  }
}
