import { randomBytes } from 'node:crypto'
import type { Webhook } from '../../core/nouns.ts'
import { addWebhook, DEFAULT_KINDS, deleteWebhook } from '../../core/webhooks.ts'
import { isRefusal } from '../../errors.ts'
import { SECRET_PREFIX } from '../../telemetry/webhook-call.ts'
import { created } from '../answers.ts'
import type { webhookEndpoints } from '../contract/webhooks.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { given, nothing, part } from './lists.ts'

export function webhookHandlers({
  state,
  store,
  ledger,
  webhooks,
}: HandlerOptions): HandlersOf<typeof webhookEndpoints> {
  const all = () => state.snapshot.world.access.value.webhooks
  const row = ({ name, url, kinds = DEFAULT_KINDS, allow_private, created_at }: Webhook) => {
    const telling = webhooks.stateOf(name)
    return { name, url, kinds: [...kinds], allow_private, created_at, ...telling }
  }
  return {
    list_webhooks: ({ query }) => part(all(), query, row),
    get_webhook({ params: { name } }) {
      const webhook = all().find(one => one.name === name)
      return webhook === undefined ? nothing('webhook', name) : row(webhook)
    },
    async create_webhook({ body: { name, url, kinds, secret, allow_private }, by, asked }) {
      const made = secret ?? SECRET_PREFIX + randomBytes(32).toString('base64')
      const webhook = { name, url, secret: made, allow_private, created_at: store.now(), ...given({ kinds }) }
      const outcome = await ledger.commit(addWebhook(webhook), by.name, asked)
      if (isRefusal(outcome)) return outcome
      return created({ ...row(webhook), secret: made }, `/api/v1/webhooks/${name}`)
    },
    async delete_webhook({ params: { name }, by, asked }) {
      const outcome = await ledger.commit(deleteWebhook(name), by.name, asked)
      return isRefusal(outcome) ? outcome : undefined
    },
    async test_webhook({ params: { name } }) {
      const outcome = await webhooks.test(name)
      return outcome === undefined ? nothing('webhook', name) : { delivered: outcome.delivered, said: outcome.said }
    },
  }
}
