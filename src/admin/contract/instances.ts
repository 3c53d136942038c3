/** The contract about the instances of gateways: the agents that beat for one. */
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { holdReason, listOf, moment, momentOrNull, page } from './shapes.ts'

export const instanceView = z.object({
  instance: z.string(),
  since: moment.meta({ description: 'When it joined, ms since 1970' }),
  newest_beat: momentOrNull.meta({ description: 'ms since 1970; null: this replica has heard none' }),
  stale_at: moment.meta({ description: 'When it leaves unless it beats, ms since 1970' }),
  state: z
    .enum(['ready', ...holdReason.options])
    .nullable()
    .meta({ description: 'What it said last' }),
  held: z.boolean().meta({ description: 'Takes nothing new, while its siblings serve' }),
  address: z.string().optional().meta({ description: 'Where it is, as it announced' }),
  weight: z.number().meta({ description: 'Percent of the configured weight that it wants' }),
  connections: z.number().optional().meta({ description: 'Open at the moment, as it says' }),
  out_of: z.array(z.string()).meta({ description: 'The pools in which this replica has ejected its address' }),
  hostname: z.string().optional(),
  os: z.string().optional(),
  arch: z.string().optional(),
  version: z.string().optional(),
})

export const instanceList = listOf(instanceView)

export const instanceEndpoints = {
  list_instances: {
    method: 'GET',
    path: '/api/v1/gateways/:name/instances',
    role: 'viewer',
    scope: 'gateway',
    summary: 'The instances of a gateway, by name',
    query: page,
    answer: instanceList,
    refuses: ['not_found'],
  },
  get_instance: {
    method: 'GET',
    path: '/api/v1/gateways/:name/instances/:instance',
    role: 'viewer',
    scope: 'gateway',
    summary: 'One instance of a gateway',
    answer: instanceView,
    refuses: ['not_found'],
  },
  forget_instance: {
    method: 'DELETE',
    path: '/api/v1/gateways/:name/instances/:instance',
    role: 'operator',
    scope: 'gateway',
    summary: 'Forget an instance that is gone, to make room; one that lives comes back with its next beat',
    refuses: ['not_found', 'revision_conflict', 'store_unavailable'],
  },
} as const satisfies Record<string, Endpoint>
