/** Would a route work? It is tried out in a snapshot of its own, up to a connection to a member that would serve it. */
import type { Definitions, Route, Snapshot, Upstream } from '../core/nouns.ts'
import { buildSnapshot, viewOf } from '../core/snapshot.ts'
import type { Store } from '../core/store.ts'
import { type Refusal, refuse } from '../errors.ts'

/** Upstreams that are tried. */
const MOST_TRIES = 3

export interface Connected {
  readonly gateway: string
  readonly address: string
  readonly port: number
  /** Until the connection was there. */
  readonly ms: number
}

/** Does a connection to the upstream come about in time? */
export type Connects = (upstream: Pick<Upstream, 'address' | 'port'>) => Promise<boolean>

/** `definitions` with `route`, in the place of the one of its name if there is one. */
export function definitionsWith(definitions: Definitions, route: Route): Definitions {
  const { routes } = definitions
  const at = routes.findIndex(({ name }) => name === route.name)
  return { ...definitions, routes: at < 0 ? [...routes, route] : routes.with(at, route) }
}

/** `snapshot` as it would be with `route`. */
export function withRoute({ world }: Snapshot, route: Route): Snapshot {
  const definitions = { ...world.definitions, value: definitionsWith(world.definitions.value, route) }
  return buildSnapshot({ ...world, definitions }, null, 'all')
}

/** Connects through a healthy member. Null: there is nothing to connect to, since it answers by itself or is UDP. */
export async function reach(
  snapshot: Snapshot,
  route: Route,
  { connects, store }: { readonly connects: Connects; readonly store: Pick<Store, 'now'> },
): Promise<Connected | null | Refusal> {
  if (route.protocol === 'udp' || 'redirect' in route.target || 'respond' in route.target) return null
  const choices = viewOf(snapshot, route)?.plan.choices ?? []
  const upstreams = choices.flatMap(choice => choice.upstreams).slice(0, MOST_TRIES)
  for (const upstream of upstreams) {
    const from = store.now()
    if (await connects(upstream)) {
      const { gateway, address, port } = upstream
      return { gateway, address, port, ms: store.now() - from }
    }
  }
  const tried = upstreams.map(({ gateway, address, port }) => `${gateway} at ${address} port ${port}`)
  const detail = tried.length === 0 ? 'nobody who would serve it is ready' : `no connection to ${tried.join(', ')}`
  return refuse('route_unreachable', detail, { tried })
}
