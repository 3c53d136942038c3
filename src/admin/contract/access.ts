/** The contract about tokens: who may ask for what. */
import { z } from 'zod'
import { name } from '../../config/definitions.ts'
import { duration } from '../../config/units.ts'
import type { Endpoint } from './endpoint.ts'
import { listOf, moment, momentOrNull, page } from './shapes.ts'

const role = z.enum(['viewer', 'operator', 'admin', 'gateway']).meta({
  description: 'viewer reads; operator also holds, fails over and tries out; admin does everything; gateway only beats',
})

const tokenRow = z.object({
  name: z.string(),
  id: z.string().meta({ description: 'The part of the token that is no secret: gp_ID_…' }),
  role,
  pools: z.array(z.string()).optional().meta({ description: 'Limited to these pools; absent: to none' }),
  gateway: z.string().optional().meta({ description: 'The gateway that it beats for' }),
  state: z.enum(['valid', 'expired', 'orphaned']).meta({
    description: 'orphaned: the gateway that it beats for is no more, so that it opens nothing',
  }),
  created_at: moment,
  expires_at: momentOrNull,
  last_used: momentOrNull,
})

export const newToken = z
  .strictObject({
    name,
    role,
    pools: z
      .array(name)
      .min(1, { error: 'name a pool, or leave pools out for all of them' })
      .max(256, { error: 'at most 256 pools' })
      .refine(pools => new Set(pools).size === pools.length, { error: 'a pool is in the list twice' })
      .optional()
      .meta({ description: 'Only these pools, the gateways that are in no other, and the routes that go to them' }),
    gateway: name.optional().meta({ description: 'For the role gateway: the one that it beats for' }),
    expires: duration({ min: 1_000 }).optional().meta({ description: 'After this time it is no good; absent: never' }),
  })
  .superRefine(({ role, pools, gateway }, context) => {
    const wrong = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (role === 'gateway' && gateway === undefined) wrong('gateway', 'a token of the role gateway is for one gateway')
    if (role !== 'gateway' && gateway !== undefined) wrong('gateway', 'only a token of the role gateway is for one')
    if (role === 'gateway' && pools !== undefined) wrong('pools', 'a token for one gateway is limited enough')
  })

export const tokenMade = tokenRow.extend({
  token: z.string().meta({ description: 'Told now and never again' }),
  warnings: z.array(z.string()),
})

export const accessEndpoints = {
  list_tokens: {
    method: 'GET',
    path: '/api/v1/tokens',
    role: 'admin',
    scope: 'within',
    summary: 'Tokens, by name; expired ones too, until they are deleted',
    query: page,
    answer: listOf(tokenRow),
  },
  create_token: {
    method: 'POST',
    path: '/api/v1/tokens',
    role: 'admin',
    scope: 'within',
    summary: 'Make a token; this answer is the only one that tells it',
    body: newToken,
    answer: tokenMade,
    creates: true,
    refuses: ['forbidden', 'duplicate_name', 'unknown_reference', 'limit_reached', 'store_unavailable'],
    example: { name: 'dashboard', role: 'viewer', pools: ['main'], expires: '90d' },
  },
  get_token: {
    method: 'GET',
    path: '/api/v1/tokens/:name',
    role: 'admin',
    scope: 'within',
    summary: 'A token: what it may, how long, when it was last used',
    answer: tokenRow,
    refuses: ['not_found'],
  },
  delete_token: {
    method: 'DELETE',
    path: '/api/v1/tokens/:name',
    role: 'admin',
    scope: 'within',
    summary: 'Delete a token; it is no good from now on',
    refuses: ['not_found', 'store_unavailable'],
  },
} as const satisfies Record<string, Endpoint>
