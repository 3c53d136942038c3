/**
 * The admin API on one page: every path, who may ask for it, what it takes and what it answers. The server, the OpenAPI document and the
 * clients' types are made from this table; the server does not compile while a row has no handler.
 */
import type { z } from 'zod'
import {
  alive,
  beatTaken,
  eventQuery,
  event as eventShape,
  gatewayDetail,
  gatewayList,
  heartbeat,
  listOf,
  memberList,
  membersReplaced,
  newMembers,
  page,
  poolDetail,
  poolList,
  readiness,
  reloaded,
  routeDetail,
  routeList,
  status,
  streamQuery,
  why,
} from './shapes.ts'

/** Each may what it needs and no more: see `auth.ts` for who has which. */
export type Role = 'viewer' | 'operator' | 'admin' | 'gateway'

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly role: Role | 'anyone'
  readonly summary: string
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly answer?: z.ZodType
  /** Set when the handler writes its answer by itself: the media type of it. */
  readonly raw?: string
}

export const endpoints = {
  live: { method: 'GET', path: '/livez', role: 'anyone', summary: 'Does the process live?', answer: alive },
  ready: {
    method: 'GET',
    path: '/readyz',
    role: 'anyone',
    summary: 'May traffic be sent here? 503 with the reasons why not',
    answer: readiness,
    raw: 'application/json',
  },
  metrics: { method: 'GET', path: '/metrics', role: 'viewer', summary: 'Metrics for Prometheus', raw: 'text/plain' },
  openapi: {
    method: 'GET',
    path: '/api/v1/openapi.json',
    role: 'viewer',
    summary: 'This document',
    raw: 'application/json',
  },
  // Where tools look for it first.
  openapi_at_root: {
    method: 'GET',
    path: '/openapi.json',
    role: 'viewer',
    summary: 'This document',
    raw: 'application/json',
  },
  status: {
    method: 'GET',
    path: '/api/v1/status',
    role: 'viewer',
    summary: 'This replica, its listeners, and who serves what',
    answer: status,
  },
  reload: {
    method: 'POST',
    path: '/api/v1/reload',
    role: 'admin',
    summary: 'Read the configuration file again, all or nothing',
    answer: reloaded,
  },

  list_gateways: {
    method: 'GET',
    path: '/api/v1/gateways',
    role: 'viewer',
    summary: 'Gateways, by name',
    query: page,
    answer: gatewayList,
  },
  get_gateway: {
    method: 'GET',
    path: '/api/v1/gateways/:name',
    role: 'viewer',
    summary: 'A gateway with its instances, holds and pools',
    answer: gatewayDetail,
  },
  beat: {
    method: 'POST',
    path: '/api/v1/gateways/:name/heartbeat',
    role: 'gateway',
    summary: 'A gateway says that it lives',
    body: heartbeat,
    answer: beatTaken,
  },

  list_pools: {
    method: 'GET',
    path: '/api/v1/gateway-pools',
    role: 'viewer',
    summary: 'Pools, by name',
    query: page,
    answer: poolList,
  },
  get_pool: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name',
    role: 'viewer',
    summary: 'A pool with its members and who serves',
    answer: poolDetail,
  },
  list_members: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'viewer',
    summary: 'The members of a pool in order of priority',
    answer: memberList,
  },
  replace_members: {
    method: 'PUT',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'admin',
    summary: 'Replace all members of a pool at once; order is priority',
    body: newMembers,
    answer: membersReplaced,
  },
  why: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/members/:gateway/why',
    role: 'viewer',
    summary: 'Why is this member in this state, and when does that end?',
    answer: why,
  },

  list_routes: {
    method: 'GET',
    path: '/api/v1/routes',
    role: 'viewer',
    summary: 'Routes, by name',
    query: page,
    answer: routeList,
  },
  get_route: {
    method: 'GET',
    path: '/api/v1/routes/:name',
    role: 'viewer',
    summary: 'A route and who serves it',
    answer: routeDetail,
  },

  list_events: {
    method: 'GET',
    path: '/api/v1/events',
    role: 'viewer',
    summary: 'What happened, oldest first; without `after` the newest',
    query: eventQuery,
    answer: listOf(eventShape),
  },
  stream_events: {
    method: 'GET',
    path: '/api/v1/events/stream',
    role: 'viewer',
    summary: 'What happens, as it happens; Last-Event-ID resumes',
    query: streamQuery,
    raw: 'text/event-stream',
  },
} as const satisfies Record<string, Endpoint>

export type Endpoints = typeof endpoints
export type EndpointId = keyof Endpoints

/** What goes over the wire, as a client reads it. */
export type Answer<Id extends EndpointId> = Endpoints[Id] extends { answer: infer A extends z.ZodType }
  ? z.input<A>
  : never
