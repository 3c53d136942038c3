/** Routes that are pinned to a gateway move to a pool of it, all or none. */
import type { Change } from './changes.ts'
import { no, redefine, type Terms } from './edits.ts'
import type { Route } from './nouns.ts'
import { isLoopback } from './plan.ts'

export interface Migration {
  readonly pool: string
  /** Names. */
  readonly routes: readonly string[]
  /** Also routes whose backend is an address of the gateway itself, where the other members have something else, or nothing. */
  readonly allowLoopback: boolean
}

export function migrateRoutes({ pool, routes: names, allowLoopback }: Migration, { check }: Terms): Change {
  return (world, now) => {
    const { pools, routes } = world.definitions.value
    const members = pools.find(({ name }) => name === pool)?.members
    if (members === undefined) return no('not_found', `there is no pool ${pool}`)
    const unknown = names.filter(name => !routes.some(route => route.name === name))
    if (unknown.length > 0)
      return no('unknown_reference', `there is no route ${unknown.join(', ')}`, { routes: unknown })
    const chosen = routes.filter(({ name }) => names.includes(name))
    const isMember = ({ target }: Route) =>
      'gateway' in target && members.some(member => member.gateway === target.gateway)
    const strangers = named(chosen.filter(route => !isMember(route)))
    if (strangers.length > 0)
      return no('not_migratable', `not pinned to a member of ${pool}: ${strangers.join(', ')}`, { routes: strangers })
    const local = allowLoopback ? [] : named(chosen.filter(({ backend }) => isLoopback(backend)))
    if (local.length > 0) {
      const detail = `on another gateway their backend is another machine: ${local.join(', ')}`
      return no('loopback_backend', detail, { routes: local })
    }
    const moved = routes.map(route => (chosen.includes(route) ? { ...route, target: { pool } } : route))
    return redefine(world, { ...world.definitions.value, routes: moved }, now, 'routes_migrated', check)
  }
}

const named = (routes: readonly Route[]) => routes.map(({ name }) => name)
