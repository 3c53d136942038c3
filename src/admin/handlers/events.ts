import { refuse } from '../../errors.ts'
import type { eventEndpoints } from '../contract/events.ts'
import { told } from '../stream.ts'
import type { HandlerOptions, HandlersOf } from './handlers.ts'
import { given } from './lists.ts'

export function eventHandlers(options: HandlerOptions): HandlersOf<typeof eventEndpoints> {
  const { store, streams } = options

  return {
    async list_events({ query: { limit, after, ...filter } }) {
      // One more than asked for tells whether there is more; without `after` these are the newest, and nothing follows them.
      const most = after === undefined ? limit : limit + 1
      const facts = await store.events({ limit: most, ...given({ after, ...filter }) })
      const items = facts.slice(0, limit).map(told)
      return { items, next: facts.length > limit ? (items.at(-1)?.id ?? null) : null }
    },
    stream_events({ query }, reply) {
      if (streams.full) return refuse('too_many_requests', 'there are as many streams as there may be')
      const { request } = reply
      // A browser that comes back asks for the same address as before: where it was is in the field.
      const after = request.headers['last-event-id']?.toString() || query.after
      reply.hijack()
      streams
        .open(reply.raw, { after, last: query.limit ?? 0, kind: query.kind, subject: query.subject })
        .catch(error => options.log.error({ err: error, request_id: request.id }, 'a live stream broke'))
      return reply
    },
  }
}
