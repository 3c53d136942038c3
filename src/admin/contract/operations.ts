/** The contract of what operators and tools ask beside the definitions: what leans on a pool, what if, and whom to dial. */
import { z } from 'zod'
import { name } from '../../config/definitions.ts'
import { cooldown, duration, isIpv4, isIpv6 } from '../../config/units.ts'
import type { Endpoint } from './endpoint.ts'
import { poolRow } from './pools.ts'
import { routeRow } from './routes.ts'

const link = z.string().meta({ description: 'Where it is read' })

export const resources = z.object({
  routes: z
    .array(
      z.object({
        name: z.string(),
        title: z.string().optional(),
        via: z.enum(['pool', 'gateway']).meta({ description: 'It goes to the pool, or to a gateway at home in it' }),
        gateway: z.string().nullable().meta({ description: 'The gateway that it is pinned to' }),
        link,
      }),
    )
    .meta({ description: 'As many as the list of pools counts' }),
  fallback_of: z
    .array(z.object({ name: z.string(), title: z.string().optional(), link }))
    .meta({ description: 'Pools that fall back to it' }),
})

export const presets = z.object({
  failback_cooldown: z.array(
    z.object({
      name: z.string(),
      cooldown: cooldown.meta({ description: 'As it is written' }),
      seconds: z.number(),
    }),
  ),
  gateway_down_threshold: z
    .array(z.object({ threshold: duration(), seconds: z.number() }))
    .meta({ description: 'Choices for people; any duration from 1s is taken' }),
})

export const picked = z.object({
  pool: z.string(),
  gateway: z.string(),
  address: z.string(),
  port: z.number(),
  ready: z.boolean().meta({ description: 'false: the least bad one, since nobody is ready' }),
})

const names = z.array(name).max(1000).default([])

const supposed = {
  was: z.array(z.string()).meta({ description: 'The gateways that take the traffic now' }),
  moved: z.boolean().meta({ description: 'Others would take it' }),
}

export const simulated = z.object({
  pools: z.array(poolRow.extend(supposed)),
  routes: z.array(routeRow.extend(supposed)),
})

export const operationEndpoints = {
  pool_resources: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/resources',
    role: 'viewer',
    scope: 'pool',
    summary: 'What leans on a pool: its routes, and the pools that fall back to it',
    answer: resources,
    refuses: ['not_found'],
  },
  presets: {
    method: 'GET',
    path: '/api/v1/presets',
    role: 'viewer',
    scope: 'within',
    summary: 'Durations by name, to choose from',
    answer: presets,
  },
  pick: {
    method: 'POST',
    path: '/api/v1/gateway-pools/:name/pick',
    role: 'viewer',
    scope: 'pool',
    summary: "One member by the pool's policy, for callers that dial themselves",
    body: z.strictObject({
      gateway: name.optional().meta({ description: 'This member if it is ready, else its siblings in order' }),
      address: z
        .string()
        .max(45)
        .refine(text => isIpv4(text) || isIpv6(text), { error: 'expected an IPv4 or IPv6 address' })
        .toLowerCase()
        .optional()
        .meta({ description: 'The address of the client, for ip_hash' }),
    }),
    answer: picked,
    refuses: ['not_found', 'unknown_reference', 'pool_outage'],
    example: { address: '203.0.113.7' },
  },
  simulate: {
    method: 'POST',
    path: '/api/v1/simulate',
    role: 'operator',
    scope: 'within',
    summary: 'Where every pool and every route would go, if some gateways were down or held; changes nothing',
    body: z.strictObject({
      down: names.meta({ description: 'Gateways that are down' }),
      held: names.meta({ description: 'Gateways that take nothing new' }),
    }),
    answer: simulated,
    refuses: ['unknown_reference'],
    example: { down: ['home'], held: [] },
  },
} as const satisfies Record<string, Endpoint>
