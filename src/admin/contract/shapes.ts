/**
 * What the parts of the admin API's contract have in common. The OpenAPI document, validation and the types of both sides follow from
 * these shapes. Definitions are written as in the file (`15m`, `50%`); moments are ms since 1970.
 */
import { z } from 'zod'

export const moment = z.number().meta({ description: 'ms since 1970' })
export const momentOrNull = z.number().nullable().meta({ description: 'ms since 1970; null: not known, or never' })
export const printable = (most: number) =>
  z.string().regex(new RegExp(`^[\\P{C}\\u200d]{1,${most}}$`, 'u'), {
    error: `expected 1 to ${most} printable characters`,
  })

/** A part of a list; `next` goes into `after` for the part that follows. */
export const listOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().meta({ description: 'Put it into `after` for what follows; null: that was all' }),
  })

export const count = z.codec(
  z.string().regex(/^\d{1,6}$/, { error: 'expected a whole number' }),
  z.number().int().min(1).max(1000),
  { decode: Number, encode: String },
)
export const limit = count.prefault('100').meta({ description: 'At most so many items, 1 to 1000' })

export const page = z.strictObject({
  limit,
  after: z.string().max(200).optional().meta({ description: 'Only what follows the item of this name' }),
})

/** Who takes the traffic, and instead of whom. */
export const served = {
  serving: z.array(z.string()).meta({ description: 'The gateways that take the traffic now; empty: nobody' }),
  serving_as: z.enum(['first', 'balanced', 'failover', 'emergency', 'nobody', 'here']).meta({
    description: 'first in order; all that are ready; a stand-in; the least bad; nobody; the route by itself',
  }),
  original: z.string().nullable().meta({ description: 'Whose place the stand-in takes' }),
  since: momentOrNull.meta({ description: 'Since when the original is away, ms since 1970' }),
  by: z.string().nullable().meta({ description: 'Who asked for the stand-in by hand' }),
  back_at: momentOrNull.meta({ description: 'When the original, or anybody, is back at the earliest, ms since 1970' }),
  takes_over: z
    .string()
    .nullable()
    .meta({ description: 'The pool that gets the traffic because nobody serves here (`fallback`)' }),
}

export const health = z.enum(['green', 'yellow', 'red'])
export const memberState = z.enum(['up', 'returning', 'ejected', 'unknown', 'down', 'held', 'disabled'])
export const holdReason = z.enum(['drain', 'maintenance', 'shutdown'])

/** What the name of an instance looks like. */
export const INSTANCE_FORM = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/

/** Which agent of a gateway it is. */
export const instanceName = z.string().regex(INSTANCE_FORM, { error: 'expected 1 to 128 letters, digits and . _ : -' })

export const holdView = z.object({
  reason: holdReason,
  holder: z.string().meta({ description: 'A token, an instance that announced it, or `window:NAME`' }),
  instance: z.string().optional(),
  since: moment,
  until: moment.optional(),
  note: z.string().optional(),
})

export const memberView = z.object({
  gateway: z.string(),
  priority: z.number().meta({ description: '1 is the first in order' }),
  weight: z.number(),
  state: memberState,
  ready: z.boolean().meta({ description: 'Takes new traffic' }),
  cause: z.string(),
  since: momentOrNull,
  back_at: momentOrNull,
  upstreams: z.array(z.string()).meta({ description: 'Addresses that may be dialled' }),
})

/** What goes with the answer to every change of definitions. */
export const saved = {
  revision: z.number().meta({ description: 'Of the definitions, with this change' }),
  warnings: z.array(z.string()).meta({ description: 'What is taken, but does not work at the moment' }),
}

/** RFC 7396. */
export const mergePatch = z.record(z.string(), z.unknown()).meta({
  description: 'JSON merge patch: what is not said stays, null takes a field back to its default',
})

/** RFC 9457, with members of our own. */
export const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string(),
  code: z.string().meta({ description: 'Stable, for programs' }),
  retry: z.boolean().meta({ description: 'The same request may succeed later' }),
  request_id: z.string(),
})
