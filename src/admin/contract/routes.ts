/** The contract about routes. */
import { z } from 'zod'
import { route } from '../../config/definitions.ts'
import { CHANGE, type Endpoint } from './endpoint.ts'
import { listOf, mergePatch, page, saved, served } from './shapes.ts'

export const routeRow = z.object({
  name: z.string(),
  title: z.string().optional(),
  enabled: z.boolean(),
  protocol: z.string(),
  host: z.string().nullable().meta({ description: 'null: any' }),
  path: z.string(),
  takes: z
    .string()
    .meta({ description: 'Its traffic in words: host and path, `tcp 0.0.0.0:3389`, `tls db.example.org`' }),
  target: z.string().meta({ description: '`pool:NAME`, `gateway:NAME`, `redirect:308` or `respond:200`' }),
  ...served,
})

export const routeList = listOf(routeRow)
export const routeDetail = routeRow.extend({ definition: route })

export const routeSaved = routeDetail.extend(saved)

/** A fixed answer may have 64 KiB of text, which can be six times as long in JSON. */
const most_body = 512 * 1024

const refuses = [...CHANGE, 'unknown_reference', 'equal_routes'] as const

const tried = z.strictObject({
  validate: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'true: only if a connection through a healthy member comes about' }),
})

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
    refuses: ['not_found'],
  },
  create_route: {
    method: 'POST',
    path: '/api/v1/routes',
    role: 'admin',
    scope: 'within',
    summary: 'Define a route',
    query: tried,
    body: route,
    most_body,
    answer: routeSaved,
    creates: true,
    refuses: [...refuses, 'route_unreachable', 'duplicate_name'],
    example: { name: 'wiki', match: { host: 'wiki.example.com' }, target: { pool: 'main' } },
  },
  replace_route: {
    method: 'PUT',
    path: '/api/v1/routes/:name',
    role: 'admin',
    scope: 'route',
    summary: 'Define a route anew; what is not said has its default',
    query: tried,
    body: route.partial({ name: true }),
    most_body,
    answer: routeSaved,
    refuses: [...refuses, 'route_unreachable', 'not_found'],
    example: { match: { host: 'nas.example.com' }, target: { pool: 'main' } },
    sample: { name: 'pinned' },
  },
  patch_route: {
    method: 'PATCH',
    path: '/api/v1/routes/:name',
    role: 'admin',
    scope: 'route',
    summary: 'Change a part of a route',
    query: tried,
    body: mergePatch,
    most_body,
    answer: routeSaved,
    refuses: [...refuses, 'route_unreachable', 'not_found'],
    example: { target: { gateway: null, pool: 'main' } },
  },
  delete_route: {
    method: 'DELETE',
    path: '/api/v1/routes/:name',
    role: 'admin',
    scope: 'route',
    summary: 'Delete a route',
    refuses: [...CHANGE, 'not_found'],
  },
} as const satisfies Record<string, Endpoint>
