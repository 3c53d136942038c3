/**
 * What goes over the wire: bodies, queries and answers of the admin API. The OpenAPI document, validation and the types of both sides
 * follow from these. Definitions are written as in the file (`15m`, `50%`); moments are ms since 1970.
 */
import { z } from 'zod'
import { gateway, member, pool, route } from '../../config/definitions.ts'
import { duration } from '../../config/units.ts'

const moment = z.number().meta({ description: 'ms since 1970' })
const momentOrNull = z.number().nullable().meta({ description: 'ms since 1970; null: not known, or never' })
const printable = (most: number) =>
  z.string().regex(new RegExp(`^[\\P{C}\\u200d]{1,${most}}$`, 'u'), {
    error: `expected 1 to ${most} printable characters`,
  })

/** A part of a list; `next` goes into `after` for the part that follows. */
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().meta({ description: 'Put it into `after` for what follows; null: that was all' }),
  })

const count = z.codec(
  z.string().regex(/^\d{1,6}$/, { error: 'expected a whole number' }),
  z.number().int().min(1).max(1000),
  { decode: Number, encode: String },
)
const limit = count.prefault('100').meta({ description: 'At most so many items, 1 to 1000' })

export const page = z.strictObject({
  limit,
  after: z.string().max(200).optional().meta({ description: 'Only what follows the item of this name' }),
})

const eventFilter = {
  after: z.string().max(200).optional().meta({ description: 'Only what follows the event with this id' }),
  kind: z.string().max(64).optional().meta({ description: 'Only events of this kind' }),
  subject: z.string().max(64).optional().meta({ description: 'Only events about this gateway, pool or listener' }),
}

export const eventQuery = z.strictObject({ limit, ...eventFilter })

export const streamQuery = z.strictObject({
  limit: count.optional().meta({ description: 'Without `after` and Last-Event-ID: begin with the newest so many' }),
  ...eventFilter,
})

/** An event carries more than this, according to its kind. */
export const event = z.looseObject({
  id: z.string(),
  kind: z.string(),
  at: moment,
  cluster: z.string(),
  replica: z.string().optional().meta({ description: 'Set when one replica saw it by itself' }),
  subject: z.string(),
  cause: z.string(),
  text: z.string().meta({ description: 'The event in a sentence' }),
})

/** Who takes the traffic, and instead of whom. */
const served = {
  serving: z.array(z.string()).meta({ description: 'The gateways that take the traffic now; empty: nobody' }),
  serving_as: z.enum(['first', 'balanced', 'failover', 'emergency', 'nobody', 'here']).meta({
    description: 'first in order; all that are ready; a stand-in; the least bad; nobody; the route by itself',
  }),
  original: z.string().nullable().meta({ description: 'Whose place the stand-in takes' }),
  since: momentOrNull.meta({ description: 'Since when the original is away, ms since 1970' }),
  back_at: momentOrNull.meta({ description: 'When the original, or anybody, is back at the earliest, ms since 1970' }),
}

const health = z.enum(['green', 'yellow', 'red'])
const memberState = z.enum(['up', 'returning', 'ejected', 'unknown', 'down', 'held', 'disabled'])
const holdReason = z.enum(['drain', 'maintenance', 'shutdown'])

const memberView = z.object({
  gateway: z.string(),
  priority: z.number().meta({ description: '1 is the first in order' }),
  weight: z.number(),
  state: memberState,
  ready: z.boolean().meta({ description: 'Takes new traffic' }),
  cause: z.string(),
  since: momentOrNull,
  back_at: momentOrNull,
  upstreams: z.array(z.string()).meta({ description: 'Addresses that may be dialled' }),
})

export const memberList = listOf(memberView)
export const newMembers = z.array(member).max(256, { error: 'a pool has at most 256 members' })
export const membersReplaced = memberList.extend({
  revision: z.number(),
  warnings: z.array(z.string()).meta({ description: 'What is taken but does not look healthy' }),
})

const poolRow = z.object({
  name: z.string(),
  title: z.string().optional(),
  enabled: z.boolean(),
  mode: z.enum(['failover', 'load_balancing']),
  health,
  text: z.string().meta({ description: 'Such as "2/3 healthy"' }),
  ...served,
  members: z.number().meta({ description: 'How many' }),
  routes: z.number().meta({ description: 'How many go to it' }),
})

export const poolList = listOf(poolRow)
export const poolDetail = poolRow.extend({
  failing: z
    .object({ since: moment, upstream: z.string() })
    .nullable()
    .meta({ description: 'Its last member keeps failing' }),
  members: z.array(memberView),
  routes: z.array(z.string()),
  definition: pool,
})

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
  instances: z.number().meta({ description: 'How many beat' }),
  pools: z.number().meta({ description: 'How many it is in' }),
})

export const gatewayList = listOf(gatewayRow)
export const gatewayDetail = gatewayRow.extend({
  instances: z.array(
    z.object({
      instance: z.string(),
      newest_beat: moment,
      state: z.enum(['ready', ...holdReason.options]),
      hostname: z.string().optional(),
      os: z.string().optional(),
      arch: z.string().optional(),
      version: z.string().optional(),
    }),
  ),
  holds: z.array(
    z.object({
      reason: holdReason,
      holder: z.string(),
      instance: z.string().optional(),
      since: moment,
      until: moment.optional(),
      note: z.string().optional(),
    }),
  ),
  pools: z.array(z.object({ pool: z.string(), ...memberView.omit({ gateway: true }).shape })),
  definition: gateway,
})

export const heartbeat = z.strictObject({
  instance: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, { error: 'expected 1 to 128 letters, digits and . _ : -' })
    .meta({ description: 'Which agent of the gateway this is' }),
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
    .min(0)
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

const routeRow = z.object({
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

export const why = z.object({
  pool: z.string(),
  gateway: z.string(),
  state: memberState,
  ready: z.boolean(),
  serving: z.boolean(),
  cause: z.string(),
  since: momentOrNull,
  back_at: momentOrNull,
  decided_by: z
    .object({ kind: z.enum(['cluster', 'replica', 'holder', 'definitions']), name: z.string() })
    .meta({ description: 'Who says that it is in this state' }),
  newest_beat: momentOrNull,
  counters: z
    .array(
      z.object({
        upstream: z.string(),
        state: z.enum(['clean', 'counting', 'ejected', 'cooling', 'probation']),
        fails: z.array(
          z.object({
            of: z.string().meta({ description: 'A route, for its bad statuses; empty: the upstream itself' }),
            count: z.number(),
            first_at: moment,
          }),
        ),
        max_fails: z.number().meta({ description: 'So many in a row eject it' }),
        ejections: z.number().meta({ description: 'In a row' }),
        until: momentOrNull.meta({ description: 'When this state ends or is tried, ms since 1970' }),
      }),
    )
    .meta({ description: 'What the traffic of this replica says about it' }),
  next_transition: z
    .object({
      at: moment,
      to: z.string(),
      unless: z.string().optional().meta({ description: 'What would keep it from happening' }),
    })
    .nullable(),
  answer: z.string().meta({ description: 'Why it is as it is, and when that ends, in a sentence' }),
})

const listener = z.object({ name: z.string(), protocol: z.string(), address: z.string(), open: z.boolean() })

export const status = z.object({
  replica: z.string(),
  cluster: z.string(),
  version: z.string(),
  started_at: moment,
  uptime: duration(),
  now: moment.meta({ description: "The store's clock, which all moments are of; ms since 1970" }),
  store: z.object({ available: z.boolean() }),
  definitions: z.object({ mode: z.enum(['file', 'store']), revision: z.number() }),
  listeners: z.array(listener),
  pools: z.array(poolRow),
  routes: z.array(routeRow),
})

export const reloaded = z.object({ changed: z.array(z.string()) })
export const alive = z.object({ status: z.literal('alive') })
export const readiness = z.object({ status: z.enum(['ready', 'not_ready']), reasons: z.array(z.string()) })

/** RFC 9457, with members of our own. */
export const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string().meta({ description: 'Stable, for programs' }),
  retry: z.boolean().meta({ description: 'The same request may succeed later' }),
  request_id: z.string(),
})
