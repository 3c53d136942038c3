/** The contract about webhooks: who is told what happens. */
import { z } from 'zod'
import { name } from '../../config/definitions.ts'
import type { FactKind } from '../../core/events.ts'
import type { Endpoint } from './endpoint.ts'
import { listOf, moment, page } from './shapes.ts'

/** Every kind of event, total by the type. */
const KINDS: Readonly<Record<FactKind, true>> = {
  first_alive: true,
  gateway_down: true,
  down_to_cooldown: true,
  gateway_alive: true,
  cooldown_reset: true,
  member_held: true,
  member_released: true,
  instance_joined: true,
  instance_left: true,
  instance_refused: true,
  definitions_changed: true,
  pool_failover_activated: true,
  pool_failover_restored: true,
  pool_outage_started: true,
  pool_outage_resolved: true,
  member_ejected: true,
  member_returned: true,
  config_rejected: true,
  store_lost: true,
  store_recovered: true,
  store_refilled: true,
  store_restored: true,
  store_adopted: true,
  definitions_orphaned: true,
  listener_failed: true,
  replica_joined: true,
  replica_left: true,
}

const kind = z.enum(Object.keys(KINDS) as [FactKind, ...FactKind[]])

const url = z
  .string()
  .max(2000)
  .refine(text => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), { error: 'expected an http or https address' })
  .refine(text => `${URL.parse(text)?.username ?? ''}${URL.parse(text)?.password ?? ''}` === '', {
    error: 'an address has no user and no password',
  })
  .meta({ description: 'Where events are posted to', examples: ['https://hooks.example.com/gatepool'] })

const secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, { error: 'expected whsec_ and the base64 of 24 to 64 bytes' })
  .refine(text => isBase64Of(text.slice('whsec_'.length), 24, 64), {
    error: 'expected whsec_ and the base64 of 24 to 64 bytes',
  })

const webhookRow = z.object({
  name: z.string(),
  url: z.string(),
  kinds: z.array(z.string()).meta({ description: 'The events that it is told' }),
  allow_private: z.boolean(),
  created_at: moment,
  last: z
    .object({ at: moment, event: z.string() })
    .nullable()
    .meta({ description: 'What it took last; null: nothing since this replica started' }),
  failing: z
    .object({ since: moment, attempts: z.number(), next_at: moment, said: z.string() })
    .nullable()
    .meta({ description: 'What is in the way; events wait for it, in order' }),
})

export const newWebhook = z.strictObject({
  name,
  url,
  kinds: z
    .array(kind)
    .min(1, { error: 'name a kind, or leave kinds out' })
    .max(64)
    .optional()
    .meta({ description: 'Only these; absent: what is about gateways, failovers and outages' }),
  secret: secret.optional().meta({ description: 'What to sign with (Standard Webhooks); absent: made' }),
  allow_private: z
    .boolean()
    .default(false)
    .meta({ description: 'May it be at an address of a private network, or of this host?' }),
})

export const webhookEndpoints = {
  list_webhooks: {
    method: 'GET',
    path: '/api/v1/webhooks',
    role: 'admin',
    summary: 'Webhooks, by name, and how telling them goes',
    query: page,
    answer: listOf(webhookRow),
  },
  get_webhook: {
    method: 'GET',
    path: '/api/v1/webhooks/:name',
    role: 'admin',
    summary: 'A webhook, and how telling it goes',
    answer: webhookRow,
    refuses: ['not_found'],
  },
  create_webhook: {
    method: 'POST',
    path: '/api/v1/webhooks',
    role: 'admin',
    summary: 'Tell another program what happens from now on; its secret is answered once',
    body: newWebhook,
    answer: webhookRow.extend({ secret: z.string().meta({ description: 'Told now and never again' }) }),
    creates: true,
    refuses: ['duplicate_name', 'limit_reached', 'revision_conflict', 'store_unavailable'],
    example: { name: 'chat', url: 'https://hooks.example.com/gatepool', kinds: ['gateway_down', 'gateway_alive'] },
  },
  delete_webhook: {
    method: 'DELETE',
    path: '/api/v1/webhooks/:name',
    role: 'admin',
    summary: 'Tell it nothing more; what waited for it is dropped',
    refuses: ['not_found', 'revision_conflict', 'store_unavailable'],
  },
  test_webhook: {
    method: 'POST',
    path: '/api/v1/webhooks/:name/test',
    role: 'admin',
    summary: 'Send an event of the kind webhook_test, now and once',
    answer: z.object({ delivered: z.boolean(), said: z.string().meta({ description: 'What the receiver answered' }) }),
    refuses: ['not_found'],
  },
} as const satisfies Record<string, Endpoint>

function isBase64Of(text: string, least: number, most: number): boolean {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length >= least && bytes.length <= most && bytes.toString('base64') === text
}
