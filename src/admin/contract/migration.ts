/** The contract about routes that move from a gateway to a pool. */
import { z } from 'zod'
import { name } from '../../config/definitions.ts'
import type { Endpoint } from './endpoint.ts'
import { routeRow } from './routes.ts'
import { listOf, page } from './shapes.ts'

const candidates = z.object({
  gateway: z.string(),
  pools: z.array(z.string()).meta({ description: 'The pools that its routes can move to' }),
  routes: z.array(
    z.object({
      name: z.string(),
      title: z.string().optional(),
      backend: z.string().nullable(),
      loopback: z.boolean().meta({ description: 'On another gateway its backend is another machine' }),
      link: z.string().meta({ description: 'Where it is read' }),
    }),
  ),
})

export const migrationEndpoints = {
  migration_candidates: {
    method: 'GET',
    path: '/api/v1/gateway-pools/migration-candidates',
    role: 'viewer',
    summary: 'Routes that are pinned to a gateway, by gateway',
    query: page,
    answer: listOf(candidates),
  },
  migrate_routes: {
    method: 'POST',
    path: '/api/v1/gateway-pools/:name/migrate-routes',
    role: 'admin',
    scope: 'pool',
    summary: 'Let routes that are pinned to members of a pool go to the pool, all or none',
    body: z.strictObject({
      routes: z.array(name).min(1, { error: 'name a route' }).max(1000, { error: 'at most 1000 routes' }),
      allow_loopback: z
        .boolean()
        .default(false)
        .meta({ description: 'Also those whose backend is a loopback address' }),
    }),
    answer: z.object({ revision: z.number(), routes: z.array(routeRow) }),
    refuses: [
      'defined_by_file',
      'revision_conflict',
      'store_unavailable',
      'not_found',
      'unknown_reference',
      'not_migratable',
      'loopback_backend',
    ],
    example: { routes: ['pinned'] },
  },
} as const satisfies Record<string, Endpoint>
