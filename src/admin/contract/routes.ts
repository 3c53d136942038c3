/** The contract about routes. */
import { z } from 'zod'
import { route } from '../../config/definitions.ts'
import type { Endpoint } from './endpoint.ts'
import { listOf, page, served } from './shapes.ts'

export const routeRow = z.object({
  name: z.string(),
  title: z.string().optional(),
  enabled: z.boolean(),
  protocol: z.string(),
  host: z.string().nullable().meta({ description: 'null: any' }),
  path: z.string(),
  target: z.string().meta({ description: '`pool:NAME`, `gateway:NAME`, `redirect:308` or `respond:200`' }),
  ...served,
})

export const routeList = listOf(routeRow)
export const routeDetail = routeRow.extend({ definition: route })

export const routeEndpoints = {
  list_routes: {
    method: 'GET',
    path: '/api/v1/routes',
    role: 'viewer',
    scope: 'within',
    summary: 'Routes, by name',
    query: page,
    answer: routeList,
  },
  get_route: {
    method: 'GET',
    path: '/api/v1/routes/:name',
    role: 'viewer',
    scope: 'route',
    summary: 'A route and who serves it',
    answer: routeDetail,
  },
} as const satisfies Record<string, Endpoint>
