/** The contract about pools and their members. */
import { z } from 'zod'
import { member, name, pool } from '../../config/definitions.ts'
import { CHANGE, type Endpoint } from './endpoint.ts'
import {
  health,
  listOf,
  memberState,
  memberView,
  mergePatch,
  moment,
  momentOrNull,
  page,
  saved,
  served,
} from './shapes.ts'

export const memberList = listOf(memberView)
export const newMembers = z.array(member).max(256, { error: 'a pool has at most 256 members' })
export const membersReplaced = memberList.extend(saved)
export const memberSaved = memberView.extend(saved)

const place = z.strictObject({
  weight: z.number().int().min(1).max(1000).optional().meta({ description: 'Absent: as it is, or 1' }),
  position: z
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .meta({ description: '1 is the first in order; absent: as it is, or the last' }),
})
type NewMember = z.output<typeof place> & { gateway: string }
/** A bare name is a member of weight 1, as in a list. */
export const newMember = z.union(
  [name.transform((gateway): NewMember => ({ gateway })), place.extend({ gateway: name })],
  {
    error: 'expected the name of a gateway, or { gateway: NAME, weight: 2, position: 1 }',
  },
)

export const poolRow = z.object({
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

/** A failover or failback by hand. */
export const wish = z
  .object({
    kind: z.enum(['over', 'back']).meta({ description: 'over: it outranks those before it; back: without cooldown' }),
    to: z.string(),
    by: z.string().meta({ description: 'Who asked for it' }),
    since: moment,
    until: moment.optional().meta({ description: 'back: when its cooldown would be over, ms since 1970' }),
  })
  .nullable()
  .meta({ description: 'What somebody asked for by hand' })

export const poolList = listOf(poolRow)
export const poolDetail = poolRow.extend({
  failing: z
    .object({ since: moment, upstream: z.string() })
    .nullable()
    .meta({ description: 'Its last member keeps failing' }),
  failover: wish,
  members: z.array(memberView),
  routes: z.array(z.string()),
  definition: pool,
})

export const poolSaved = poolDetail.extend(saved)

const refuses = [...CHANGE, 'unknown_reference', 'duplicate_member', 'fallback_cycle'] as const
const members = [...CHANGE, 'not_found', 'unknown_reference'] as const

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
    .object({
      kind: z.enum(['cluster', 'replica', 'operator', 'instance', 'window', 'definitions']),
      name: z.string(),
    })
    .meta({ description: 'Who says that it is in this state' }),
  failover: wish,
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
        hint: z
          .object({ replica: z.string(), until: moment })
          .nullable()
          .meta({ description: 'Another replica has ejected it lately, so that one failure is enough here' }),
        ejections: z.number().meta({ description: 'In a row' }),
        until: momentOrNull.meta({ description: 'When this state ends or is tried, ms since 1970' }),
      }),
    )
    .meta({ description: 'What the traffic of this replica says about it' }),
  checks: z
    .array(
      z.object({
        check: z.string().meta({ description: 'Such as "GET /"' }),
        address: z.string(),
        at_port: z.number(),
        verdict: z.enum(['passes', 'fails', 'unknown']),
        last: z
          .object({ at: moment, passed: z.boolean(), in_a_row: z.number(), said: z.string() })
          .nullable()
          .meta({ description: 'The last result; null: none yet' }),
      }),
    )
    .meta({ description: 'What the active checks of this replica find' }),
  slow_start: z
    .object({ percent: z.number(), until: moment })
    .nullable()
    .meta({ description: 'The share of its weight that it gets while it starts slowly; null: all of it' }),
  limit: z
    .object({ most: z.number(), in_flight: z.number(), full: z.boolean() })
    .nullable()
    .meta({ description: 'What may run on it at once from this replica; null: as much as comes' }),
  instances: z
    .array(
      z.object({
        instance: z.string(),
        takes: z.boolean().meta({ description: 'Takes new traffic' }),
        because: z.string().nullable().meta({ description: 'Why it does not' }),
      }),
    )
    .meta({ description: 'The agents of the gateway that beat' }),
  takes_over: z
    .string()
    .nullable()
    .meta({ description: 'The pool that gets the traffic because nobody serves this one (`fallback`)' }),
  next_transition: z
    .object({
      at: moment,
      to: z.string(),
      unless: z.string().optional().meta({ description: 'What would keep it from happening' }),
    })
    .nullable(),
  answer: z.string().meta({ description: 'Why it is as it is, and when that ends, in a sentence' }),
})

export const poolEndpoints = {
  list_pools: {
    method: 'GET',
    path: '/api/v1/gateway-pools',
    role: 'viewer',
    scope: 'within',
    summary: 'Pools, by name',
    query: page,
    answer: poolList,
  },
  get_pool: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name',
    role: 'viewer',
    scope: 'pool',
    summary: 'A pool with its members and who serves',
    answer: poolDetail,
    refuses: ['not_found'],
  },
  create_pool: {
    method: 'POST',
    path: '/api/v1/gateway-pools',
    role: 'admin',
    scope: 'within',
    summary: 'Define a pool',
    body: pool,
    answer: poolSaved,
    creates: true,
    refuses: [...refuses, 'duplicate_name'],
    example: { name: 'office', failback_cooldown: 'nas', members: ['nas', { gateway: 'spare', weight: 2 }] },
  },
  replace_pool: {
    method: 'PUT',
    path: '/api/v1/gateway-pools/:name',
    role: 'admin',
    scope: 'pool',
    summary: 'Define a pool anew; what is not said has its default',
    body: pool.partial({ name: true }),
    answer: poolSaved,
    refuses: [...refuses, 'not_found', 'last_member_in_use'],
    example: { title: 'Main', failback_cooldown: '5m', members: ['home', 'nas'] },
  },
  patch_pool: {
    method: 'PATCH',
    path: '/api/v1/gateway-pools/:name',
    role: 'admin',
    scope: 'pool',
    summary: 'Change a part of a pool',
    body: mergePatch,
    answer: poolSaved,
    refuses: [...refuses, 'not_found', 'last_member_in_use'],
    example: { failback_cooldown: 'nas', title: null },
  },
  delete_pool: {
    method: 'DELETE',
    path: '/api/v1/gateway-pools/:name',
    role: 'admin',
    scope: 'pool',
    summary: 'Delete a pool that nothing goes to',
    refuses: [...CHANGE, 'not_found', 'pool_in_use'],
    sample: { name: 'all' },
  },
  list_members: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'viewer',
    scope: 'pool',
    summary: 'The members of a pool in order of priority',
    answer: memberList,
    refuses: ['not_found'],
  },
  get_member: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/members/:gateway',
    role: 'viewer',
    scope: 'pool',
    summary: 'One member of a pool',
    answer: memberView,
    refuses: ['not_found'],
  },
  add_member: {
    method: 'POST',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'admin',
    scope: 'pool',
    summary: 'Make a gateway a member of a pool, the last in order unless a position is said',
    body: newMember,
    answer: memberSaved,
    creates: true,
    refuses: [...members, 'duplicate_member'],
    example: { gateway: 'spare', weight: 2, position: 1 },
  },
  put_member: {
    method: 'PUT',
    path: '/api/v1/gateway-pools/:name/members/:gateway',
    role: 'admin',
    scope: 'pool',
    summary: 'Weight and position of a member; makes the gateway one if it is none',
    body: place,
    answer: memberSaved,
    refuses: members,
    example: { weight: 3, position: 1 },
  },
  remove_member: {
    method: 'DELETE',
    path: '/api/v1/gateway-pools/:name/members/:gateway',
    role: 'admin',
    scope: 'pool',
    summary: 'Take a gateway out of a pool',
    refuses: [...CHANGE, 'not_found', 'last_member_in_use'],
  },
  replace_members: {
    method: 'PUT',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'admin',
    scope: 'pool',
    summary: 'Replace all members of a pool at once; order is priority',
    body: newMembers,
    answer: membersReplaced,
    refuses: [...members, 'duplicate_member', 'last_member_in_use'],
    example: ['nas', { gateway: 'home', weight: 2 }],
  },
  why: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/members/:gateway/why',
    role: 'viewer',
    scope: 'pool',
    summary: 'Why is this member in this state, and when does that end?',
    answer: why,
  },
} as const satisfies Record<string, Endpoint>
