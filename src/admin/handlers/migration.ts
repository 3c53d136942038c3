import { migrateRoutes } from '../../core/edits-migrate.ts'
import { isLoopback } from '../../core/plan.ts'
import { isRefusal } from '../../errors.ts'
import type { migrationEndpoints } from '../contract/migration.ts'
import { routeRow } from '../views.ts'
import { notSent } from '../written.ts'
import { committer } from './edits.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { byName, part } from './lists.ts'

export function migrationHandlers(options: HandlerOptions): HandlersOf<typeof migrationEndpoints> {
  const { state } = options
  const commit = committer(options)

  return {
    migration_candidates({ query }) {
      const definitions = state.snapshot.world.definitions.value
      const pinned = byName(definitions.routes)
      const to = (gateway: string) => pinned.filter(({ target }) => 'gateway' in target && target.gateway === gateway)
      const gateways = definitions.gateways.filter(({ name }) => to(name).length > 0)
      return part(gateways, query, ({ name: gateway }) => ({
        gateway,
        pools: definitions.pools
          .filter(({ members }) => members.some(member => member.gateway === gateway))
          .map(({ name }) => name),
        routes: to(gateway).map(({ name, title, backend }) => ({
          name,
          ...(title === undefined ? {} : { title }),
          backend: backend ?? null,
          loopback: isLoopback(backend),
          link: `/api/v1/routes/${name}`,
        })),
      }))
    },
    async migrate_routes({ params: { name: pool }, body: { routes, allow_loopback }, ...call }) {
      const migration = { pool, routes, allowLoopback: allow_loopback }
      const outcome = await commit(call, notSent, terms => migrateRoutes(migration, terms))
      if (isRefusal(outcome)) return outcome
      const { snapshot, revision } = outcome
      const moved = snapshot.world.definitions.value.routes.filter(({ name }) => routes.includes(name))
      return { revision, routes: byName(moved).map(route => routeRow(snapshot, route)) }
    },
  }
}
