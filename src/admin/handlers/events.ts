import { ownsSubject } from '../../core/scope.ts'
import { type Refusal, refuse } from '../../errors.ts'
import type { Principal } from '../auth.ts'
import type { eventEndpoints } from '../contract/events.ts'
import { told } from '../stream.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { given } from './lists.ts'

export function eventHandlers(options: HandlerOptions): HandlersOf<typeof eventEndpoints> {
  const { state, store, streams } = options

  /** What happens to one pool or gateway of its own is told to a token that is limited; what happens anywhere is not. */
  const foreign = ({ pools }: Principal, subject = ''): Refusal | null =>
    ownsSubject(pools, state.snapshot.world.definitions.value, subject)
      ? null
      : refuse('forbidden', 'this token is limited to pools: name a pool or gateway of theirs as the subject')

  return {
    async list_events({ query: { limit, after, kind: kinds, ...filter }, by }) {
      const refusal = foreign(by, filter.subject)
      if (refusal !== null) return refusal
      // One more than asked for tells whether there is more; without `after` these are the newest, and nothing follows them.
      const most = after === undefined ? limit : limit + 1
      const facts = await store.events({ limit: most, ...given({ after, kinds, ...filter }) })
      const items = facts.slice(0, limit).map(told)
      return { items, next: facts.length > limit ? (items.at(-1)?.id ?? null) : null }
    },
    stream_events({ query, by }, reply) {
      const refusal = foreign(by, query.subject)
      if (refusal !== null) return refusal
      if (streams.full) return refuse('too_many_requests', 'there are as many streams as there may be')
      const { request } = reply
      // A browser that comes back asks for the same address as before: where it was is in the field.
      const after = request.headers['last-event-id']?.toString() || query.after
      const { authorization } = request.headers
      const allowed = () => options.authenticate(authorization) !== null && foreign(by, query.subject) === null
      reply.hijack()
      streams
        .open(reply.raw, {
          after,
          last: query.limit ?? 0,
          filter: given({ kinds: query.kind, subject: query.subject }),
          allowed,
          expiresIn: by.expires_at === undefined ? undefined : by.expires_at - store.now(),
        })
        .catch(error => options.log.error({ err: error, request_id: request.id }, 'a live stream broke'))
      return reply
    },
  }
}
