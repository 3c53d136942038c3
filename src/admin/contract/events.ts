/** The contract about events. */
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { count, limit, listOf, moment } from './shapes.ts'

const eventFilter = {
  after: z.string().max(200).optional().meta({ description: 'Only what follows the event with this id' }),
  kind: z
    .codec(z.string().max(1024), z.array(z.string()), {
      decode: text => text.split(','),
      encode: kinds => kinds.join(),
    })
    .optional()
    .meta({ description: 'Only events of this kind, or of these: `gateway_down,gateway_alive`' }),
  subject: z.string().max(64).optional().meta({ description: 'Only events about this gateway, pool or listener' }),
}

/** In an address: ms since 1970, or a moment with its offset. */
const pointInTime = z
  .union([z.string().regex(/^\d{1,15}$/), z.iso.datetime({ offset: true })], {
    error: 'expected ms since 1970, or a moment such as 2026-03-29T02:00:00Z',
  })
  .transform(text => (/^\d+$/.test(text) ? Number(text) : Date.parse(text)))
  .optional()

export const eventQuery = z.strictObject({
  limit,
  ...eventFilter,
  since: pointInTime.meta({ description: 'Only from this moment on: ms since 1970, or such as 2026-03-29T02:00:00Z' }),
  until: pointInTime.meta({ description: 'Only before this moment' }),
})

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

export const eventEndpoints = {
  list_events: {
    method: 'GET',
    path: '/api/v1/events',
    role: 'viewer',
    scope: 'within',
    summary: 'What happened, oldest first; without `after` the newest',
    query: eventQuery,
    answer: listOf(event),
  },
  stream_events: {
    method: 'GET',
    path: '/api/v1/events/stream',
    role: 'viewer',
    scope: 'within',
    summary:
      'What happens, as it happens; Last-Event-ID resumes, and `reset` says that events since then may be missing',
    query: streamQuery,
    refuses: ['too_many_requests'],
    raw: 'text/event-stream',
  },
} as const satisfies Record<string, Endpoint>
