/**
 * Webhooks: who wants to be told what. Pure; telling is `telemetry/webhooks.ts`.
 */
import type { ErrorCode, Refusal } from '../errors.ts'
import type { Change } from './changes.ts'
import type { FactKind } from './events.ts'
import type { Webhook } from './nouns.ts'

const MOST_WEBHOOKS = 32

/** What is told where nobody said what to tell: gateways, failovers and outages. */
export const DEFAULT_KINDS: readonly FactKind[] = [
  'first_alive',
  'gateway_down',
  'down_to_cooldown',
  'gateway_alive',
  'cooldown_reset',
  'pool_failover_activated',
  'pool_failover_restored',
  'pool_outage_started',
  'pool_outage_resolved',
]

export function wants({ kinds = DEFAULT_KINDS }: Webhook, kind: FactKind): boolean {
  return kinds.includes(kind)
}

export function addWebhook(webhook: Webhook): Change {
  return ({ access }) => {
    const { webhooks } = access.value
    const { name } = webhook
    if (webhooks.some(one => one.name === name)) return refuse('duplicate_name', `there is a webhook ${name}`)
    if (webhooks.length >= MOST_WEBHOOKS)
      return refuse('limit_reached', `there are ${MOST_WEBHOOKS} webhooks: delete some`)
    return {
      documents: { access: { ...access.value, webhooks: [...webhooks, webhook] } },
      facts: [],
      audit: { subject: `webhook:${name}`, before: null, after: withoutSecret(webhook) },
    }
  }
}

export function deleteWebhook(name: string): Change {
  return ({ access }) => {
    const { webhooks } = access.value
    const gone = webhooks.find(one => one.name === name)
    if (gone === undefined) return refuse('not_found', `there is no webhook ${name}`)
    return {
      documents: { access: { ...access.value, webhooks: webhooks.filter(one => one !== gone) } },
      facts: [],
      audit: { subject: `webhook:${name}`, before: withoutSecret(gone), after: null },
    }
  }
}

/** A webhook as it may be shown. */
export function withoutSecret({ secret: _, ...shown }: Webhook): Omit<Webhook, 'secret'> {
  return shown
}

function refuse(code: ErrorCode, detail: string): Refusal {
  return { kind: 'refusal', code, detail }
}
