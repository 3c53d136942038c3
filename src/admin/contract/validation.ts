/** The contract about trying a route out before it is saved. */
import { z } from 'zod'
import { route } from '../../config/definitions.ts'
import type { Endpoint } from './endpoint.ts'

export const validated = z.object({
  valid: z.boolean(),
  problems: z.array(z.object({ at: z.string(), code: z.string(), message: z.string() })),
  warnings: z.array(z.string()).meta({ description: 'What would be taken but does not look healthy' }),
  connected: z
    .object({
      gateway: z.string(),
      address: z.string(),
      port: z.number(),
      ms: z.number().meta({ description: 'Until the connection was there' }),
    })
    .nullable()
    .meta({ description: 'The connection that was made; null: none, or there is nothing to connect to' }),
})

export const validationEndpoints = {
  validate_route: {
    method: 'POST',
    path: '/api/v1/routes/validate',
    role: 'operator',
    summary: 'Would this route work? Its references, and a connection through a healthy member; changes nothing',
    body: route,
    most_body: 512 * 1024,
    answer: validated,
    example: { name: 'wiki', match: { host: 'wiki.example.com' }, target: { pool: 'main' } },
  },
} as const satisfies Record<string, Endpoint>
