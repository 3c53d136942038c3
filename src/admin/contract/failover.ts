/** The contract about failover and failback by hand. */
import { z } from 'zod'
import { name } from '../../config/definitions.ts'
import type { Endpoint } from './endpoint.ts'
import { poolRow, wish } from './pools.ts'

export const failedOver = poolRow.extend({
  failover: wish,
  warnings: z.array(z.string()).meta({ description: 'Why it does not serve yet, though it is taken' }),
})

export const failoverEndpoints = {
  fail_over: {
    method: 'POST',
    path: '/api/v1/gateway-pools/:name/failover',
    role: 'operator',
    scope: 'pool',
    summary: 'Fail over now: a member outranks those before it in order, as long as it is ready',
    body: z.strictObject({ to: name.meta({ description: 'A member of the pool' }) }),
    answer: failedOver,
    refuses: ['not_found', 'unknown_reference', 'pool_balances', 'revision_conflict', 'store_unavailable'],
    example: { to: 'nas' },
  },
  fail_back: {
    method: 'DELETE',
    path: '/api/v1/gateway-pools/:name/failover',
    role: 'operator',
    scope: 'pool',
    summary: 'Fail back now: the order counts again, and the first in it does not wait for its cooldown',
    refuses: ['not_found', 'pool_balances', 'member_not_ready', 'revision_conflict', 'store_unavailable'],
  },
} as const satisfies Record<string, Endpoint>
