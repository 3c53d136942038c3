/** The contract about holds: drain and resume, and maintenance windows. */
import { z } from 'zod'
import { name } from '../../config/definitions.ts'
import { duration } from '../../config/units.ts'
import type { Endpoint } from './endpoint.ts'
import { holdReason, holdView, instanceName, listOf, moment, page, printable } from './shapes.ts'

/** Ms that a request may wait for a gateway to have nothing in flight. */
const LONGEST_WAIT = 600_000
/** Ms since 1970 of the year 9999. */
const LAST_MOMENT = 253_402_300_799_999

/** A moment as programs write it, ms since 1970, or as people do. */
const someMoment = z
  .union([z.number().int().min(0).max(LAST_MOMENT), z.iso.datetime({ offset: true })], {
    error: 'expected ms since 1970, or a moment such as 2026-03-29T02:00:00Z',
  })
  .meta({ description: 'ms since 1970, or such as 2026-03-29T02:00:00+01:00' })

const NOTE = printable(200).optional().meta({ description: 'For people' })

export const drainWish = z.strictObject({
  reason: z.enum(['drain', 'maintenance']).default('drain'),
  instance: instanceName.optional().meta({ description: 'Only this instance; its siblings serve' }),
  note: NOTE,
  until: someMoment.optional().meta({ description: 'Absent: until somebody lifts it' }),
  wait: duration({ max: LONGEST_WAIT }).optional().meta({
    description: 'Answer when nothing is in flight there any more, at the latest after this time, at most 10m',
  }),
})

export const drained = z.object({
  gateway: z.string(),
  holds: z.array(holdView),
  in_flight: z
    .number()
    .meta({ description: 'Requests and connections that this replica still has with it, or with the instance' }),
  warnings: z.array(z.string()).meta({ description: 'What it leaves without anybody to serve' }),
})

export const liftQuery = z.strictObject({
  all: z.enum(['true', 'false']).optional().meta({ description: 'true: those of others too; needs the role admin' }),
  reason: holdReason.optional().meta({ description: 'Only holds for this reason' }),
  instance: instanceName.optional().meta({ description: 'Only holds on this instance' }),
})

export const day = z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: 'expected a time of day such as 02:00' })

const timeZone = z
  .string()
  .max(64)
  .refine(isZone, { error: 'expected the name of a time zone such as Europe/Berlin, or UTC' })
  .meta({ description: 'Whose clocks count (IANA)' })

const weekly = z
  .strictObject({
    name: name.meta({ description: 'Identity among the windows of its gateway' }),
    days: z.array(day).min(1).max(7).meta({ description: 'The days on which it begins' }),
    from: timeOfDay,
    to: timeOfDay.meta({ description: 'Not after `from`: on the next day' }),
    time_zone: timeZone,
    note: NOTE,
  })
  .refine(({ from, to }) => from !== to, { error: 'it has to end at another time than it begins', path: ['to'] })

const once = z.strictObject({
  name: name.meta({ description: 'Identity among the windows of its gateway' }),
  from: someMoment,
  to: someMoment,
  note: NOTE,
})

export const newWindow = z.union([weekly, once], {
  error: 'expected { name, from, to } with moments, or { name, days, from: "02:00", to: "04:00", time_zone }',
})

export const windowView = z.object({
  name: z.string(),
  kind: z.enum(['once', 'weekly']),
  from: z.union([moment, timeOfDay]),
  to: z.union([moment, timeOfDay]),
  days: z.array(day).optional(),
  time_zone: z.string().optional(),
  note: z.string().optional(),
  by: z.string(),
  since: moment,
  open: z.boolean().meta({ description: 'The gateway is held by it now' }),
  next: z
    .object({ from: moment, to: moment })
    .nullable()
    .meta({ description: 'When it opens next, ms since 1970; null: not any more' }),
})

const mayConflict = ['not_found', 'revision_conflict', 'store_unavailable'] as const

export const holdEndpoints = {
  drain: {
    method: 'POST',
    path: '/api/v1/gateways/:name/drain',
    role: 'operator',
    scope: 'gateway',
    summary: 'Hold a gateway, or one instance of it: nothing new goes there, what runs may finish; again renews it',
    body: drainWish,
    answer: drained,
    refuses: [...mayConflict, 'unknown_reference', 'limit_reached'],
    example: { reason: 'maintenance', note: 'new disks', wait: '0s' },
  },
  resume: {
    method: 'DELETE',
    path: '/api/v1/gateways/:name/drain',
    role: 'operator',
    scope: 'gateway',
    summary: 'Lift what this token holds; a gateway that nothing else holds takes traffic again at once',
    query: liftQuery,
    refuses: [...mayConflict, 'forbidden'],
  },
  list_windows: {
    method: 'GET',
    path: '/api/v1/gateways/:name/windows',
    role: 'viewer',
    scope: 'gateway',
    summary: 'The maintenance windows of a gateway, by name',
    query: page,
    answer: listOf(windowView),
    refuses: ['not_found'],
  },
  create_window: {
    method: 'POST',
    path: '/api/v1/gateways/:name/windows',
    role: 'operator',
    scope: 'gateway',
    summary: 'Add a maintenance window: once, or every week',
    body: newWindow,
    answer: windowView,
    creates: true,
    refuses: [...mayConflict, 'duplicate_name', 'limit_reached'],
    example: { name: 'updates', days: ['sun'], from: '02:00', to: '04:00', time_zone: 'Europe/Berlin' },
  },
  get_window: {
    method: 'GET',
    path: '/api/v1/gateways/:name/windows/:window',
    role: 'viewer',
    scope: 'gateway',
    summary: 'One maintenance window',
    answer: windowView,
    refuses: ['not_found'],
  },
  delete_window: {
    method: 'DELETE',
    path: '/api/v1/gateways/:name/windows/:window',
    role: 'operator',
    scope: 'gateway',
    summary: 'Remove a maintenance window; one that is open ends',
    refuses: mayConflict,
  },
} as const satisfies Record<string, Endpoint>

function isZone(zone: string): boolean {
  // An offset such as +01:00 would be taken too, and follows no change of the clocks.
  if (!/^[A-Za-z]/.test(zone)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}
