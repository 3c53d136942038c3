/** The contract about this replica itself: health, metrics, status, reload. */
import { z } from 'zod'
import { duration } from '../../config/units.ts'
import type { Endpoint } from './endpoint.ts'
import { poolRow } from './pools.ts'
import { routeRow } from './routes.ts'
import { moment } from './shapes.ts'

const listener = z.object({ name: z.string(), protocol: z.string(), address: z.string(), open: z.boolean() })

const busy = z.object({
  pool: z.string(),
  gateway: z.string(),
  connections: z.number().meta({ description: 'Requests, tunnels, connections and sessions under way' }),
})

const replicaRow = z.object({
  name: z.string(),
  version: z.string(),
  started_at: moment,
  seen_at: moment.meta({ description: 'When it last asked the store for news' }),
  definitions: z.string().meta({ description: 'A hash of the definitions that it goes by' }),
  failing: z.array(z.string()).meta({ description: 'Gateways that it finds dead by its own checks' }),
  behind: z.number().meta({ description: 'Revisions of the store that it did not know when it asked' }),
  evaluates: z.boolean().meta({ description: 'It decides what time makes due; the others only when it does not' }),
  in_charge_since: moment.nullable().meta({ description: 'Since when it does; null: it does not' }),
})

export const status = z.object({
  replica: z.string(),
  cluster: z.string(),
  version: z.string(),
  started_at: moment,
  uptime: duration(),
  now: moment.meta({ description: "The store's clock, which all moments are of; ms since 1970" }),
  store: z.object({
    available: z.boolean(),
    reason: z.string().nullable().meta({ description: 'Why it cannot be asked' }),
    code: z
      .string()
      .nullable()
      .meta({ description: 'The same as a code: store_unavailable, store_refilling, store_foreign, store_newer' }),
    warnings: z.array(z.string()).meta({ description: 'What of it should be looked at' }),
  }),
  definitions: z.object({
    mode: z.enum(['file', 'store']),
    revision: z.number(),
    differ: z.boolean().meta({ description: 'Replicas go by different definitions, each by its own file' }),
  }),
  replicas: z.array(replicaRow).meta({ description: 'Those that share the store' }),
  listeners: z.array(listener),
  members: z.array(busy).meta({ description: 'Members on which something runs through this replica' }),
  pools: z.array(poolRow),
  routes: z.array(routeRow),
})

export const adopted = z.object({
  before: z.string().meta({ description: 'The generation of the store that is given up' }),
  after: z.string().meta({ description: 'That of the store that counts from now on' }),
  orphaned: z.boolean().meta({ description: 'The definitions that were given up are in the history' }),
})
export const reloaded = z.object({ changed: z.array(z.string()) })
export const alive = z.object({ status: z.literal('alive') })
export const readiness = z.object({
  status: z.enum(['ready', 'not_ready']),
  reasons: z.array(z.string()),
  warnings: z.array(z.string()).meta({ description: 'What does not keep traffic away, and should be looked at' }),
})

export const serviceEndpoints = {
  live: { method: 'GET', path: '/livez', role: 'anyone', summary: 'Does the process live?', answer: alive },
  ready: {
    method: 'GET',
    path: '/readyz',
    role: 'anyone',
    summary: 'May traffic be sent here? 503 with the reasons why not',
    answer: readiness,
    also: { 503: 'Not ready' },
    raw: 'application/json',
  },
  metrics: { method: 'GET', path: '/metrics', role: 'viewer', summary: 'Metrics for Prometheus', raw: 'text/plain' },
  openapi: {
    method: 'GET',
    path: '/api/v1/openapi.json',
    role: 'viewer',
    scope: 'within',
    summary: 'This document',
    raw: 'application/json',
  },
  // Where tools look for it first.
  openapi_at_root: {
    method: 'GET',
    path: '/openapi.json',
    role: 'viewer',
    scope: 'within',
    summary: 'This document',
    raw: 'application/json',
  },
  status: {
    method: 'GET',
    path: '/api/v1/status',
    role: 'viewer',
    scope: 'within',
    summary: 'This replica, its listeners, and who serves what',
    answer: status,
  },
  adopt_store: {
    method: 'POST',
    path: '/api/v1/store/adopt',
    role: 'admin',
    summary: 'Go by the store that is in Redis, though it is another one than the replicas know; theirs is given up',
    answer: adopted,
    refuses: ['store_known', 'store_unavailable', 'store_refilling', 'store_newer', 'revision_conflict'],
  },
  reload: {
    method: 'POST',
    path: '/api/v1/reload',
    role: 'admin',
    summary: 'Read the configuration file again, all or nothing',
    answer: reloaded,
  },
} as const satisfies Record<string, Endpoint>
