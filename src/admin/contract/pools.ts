/** The contract about pools and their members. */
import { z } from 'zod'
import { member, pool } from '../../config/definitions.ts'
import type { Endpoint } from './endpoint.ts'
import { health, listOf, memberState, memberView, moment, momentOrNull, page, served } from './shapes.ts'

export const memberList = listOf(memberView)
export const newMembers = z.array(member).max(256, { error: 'a pool has at most 256 members' })
export const membersReplaced = memberList.extend({
  revision: z.number(),
  warnings: z.array(z.string()).meta({ description: 'What is taken but does not look healthy' }),
})

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
  },
  list_members: {
    method: 'GET',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'viewer',
    scope: 'pool',
    summary: 'The members of a pool in order of priority',
    answer: memberList,
  },
  replace_members: {
    method: 'PUT',
    path: '/api/v1/gateway-pools/:name/members',
    role: 'admin',
    scope: 'pool',
    summary: 'Replace all members of a pool at once; order is priority',
    body: newMembers,
    answer: membersReplaced,
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
