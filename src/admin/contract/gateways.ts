/** The contract about gateways: what they are, and their heartbeats. */
import { z } from 'zod'
import { gateway } from '../../config/definitions.ts'
import { duration } from '../../config/units.ts'
import { CHANGE, type Endpoint } from './endpoint.ts'
import { instanceView } from './instances.ts'
import {
  holdReason,
  holdView,
  instanceName,
  listOf,
  memberState,
  memberView,
  mergePatch,
  momentOrNull,
  page,
  printable,
  saved,
} from './shapes.ts'

const gatewayRow = z.object({
  name: z.string(),
  title: z.string().optional(),
  enabled: z.boolean(),
  address: z.string(),
  http_port: z.number(),
  liveness: z.enum(['heartbeat', 'probe', 'assumed']),
  state: memberState.exclude(['ejected']),
  since: momentOrNull,
  newest_beat: momentOrNull,
  instances: z.number().meta({ description: 'How many it has' }),
  pools: z.number().meta({ description: 'How many it is in' }),
})

export const gatewayList = listOf(gatewayRow)
export const gatewayDetail = gatewayRow.extend({
  instances: z.array(instanceView),
  holds: z.array(holdView),
  pools: z.array(z.object({ pool: z.string(), ...memberView.omit({ gateway: true }).shape })),
  definition: gateway,
})

export const gatewaySaved = gatewayDetail.extend(saved)

export const heartbeat = z.strictObject({
  instance: instanceName.meta({ description: 'Which agent of the gateway this is' }),
  state: z
    .enum(['ready', ...holdReason.options])
    .meta({ description: 'Anything but ready: nothing new is to be sent here' }),
  hostname: printable(253).optional(),
  os: printable(64).optional(),
  arch: printable(32).optional(),
  version: printable(64).optional(),
  weight: z.number().min(0).max(100).optional().meta({ description: 'Percent of the configured weight' }),
  connections: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .optional()
    .meta({ description: 'Open at the moment' }),
  max_connections: z
    .number()
    .int()
    .min(1)
    .max(2 ** 31)
    .optional()
    .meta({ description: 'As many as it can take' }),
  address: z.string().max(253).optional().meta({ description: 'Where it is; only for address: from_heartbeat' }),
  http_port: z.number().int().min(1).max(65_535).optional().meta({ description: 'Goes with `address`' }),
})

export const beatTaken = z.object({
  interval: duration().meta({ description: 'Until the next beat is expected' }),
  definitions_revision: z.number(),
  accepted: z.literal(true),
})

export const gatewayEndpoints = {
  list_gateways: {
    method: 'GET',
    path: '/api/v1/gateways',
    role: 'viewer',
    scope: 'within',
    summary: 'Gateways, by name',
    query: page,
    answer: gatewayList,
  },
  get_gateway: {
    method: 'GET',
    path: '/api/v1/gateways/:name',
    role: 'viewer',
    scope: 'gateway',
    summary: 'A gateway with its instances, holds and pools',
    answer: gatewayDetail,
  },
  create_gateway: {
    method: 'POST',
    path: '/api/v1/gateways',
    role: 'admin',
    scope: 'within',
    summary: 'Define a gateway',
    body: gateway,
    answer: gatewaySaved,
    creates: true,
    refuses: [...CHANGE, 'duplicate_name'],
    example: { name: 'attic', address: '127.0.0.1', http_port: 9104 },
  },
  replace_gateway: {
    method: 'PUT',
    path: '/api/v1/gateways/:name',
    role: 'admin',
    scope: 'gateway',
    summary: 'Define a gateway anew; what is not said has its default',
    body: gateway.partial({ name: true }),
    answer: gatewaySaved,
    refuses: [...CHANGE, 'not_found'],
    example: { address: '127.0.0.1', http_port: 9101, liveness: 'heartbeat' },
  },
  patch_gateway: {
    method: 'PATCH',
    path: '/api/v1/gateways/:name',
    role: 'admin',
    scope: 'gateway',
    summary: 'Change a part of a gateway',
    body: mergePatch,
    answer: gatewaySaved,
    refuses: [...CHANGE, 'not_found'],
    example: { title: 'At home', http_port: null },
  },
  delete_gateway: {
    method: 'DELETE',
    path: '/api/v1/gateways/:name',
    role: 'admin',
    scope: 'gateway',
    summary: 'Delete a gateway, and its memberships with it',
    refuses: [...CHANGE, 'not_found', 'gateway_in_use'],
    sample: { name: 'spare' },
  },
  beat: {
    method: 'POST',
    path: '/api/v1/gateways/:name/heartbeat',
    role: 'gateway',
    scope: 'gateway',
    summary: 'A gateway says that it lives',
    body: heartbeat,
    answer: beatTaken,
    refuses: ['not_found', 'not_available', 'address_not_allowed', 'max_instances_reached'],
    example: { instance: 'home-1', state: 'ready', hostname: 'nas-1.lan', version: '7.2' },
  },
} as const satisfies Record<string, Endpoint>
