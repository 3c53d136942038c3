/** The contract about the audit chain: who asked for what. */
import { z } from 'zod'
import type { Endpoint } from './endpoint.ts'
import { limit, listOf, moment } from './shapes.ts'

const HASH = /^[0-9a-f]{64}$/

const seq = z.codec(
  z.string().regex(/^\d{1,15}$/, { error: 'expected the number of a record' }),
  z.number().int().min(0),
  {
    decode: Number,
    encode: String,
  },
)

export const auditQuery = z.strictObject({
  limit,
  after: seq.optional().meta({ description: 'Only what follows the record with this number; 0: from the oldest' }),
  by: z.string().max(64).optional().meta({ description: 'Only what this token asked for' }),
  action: z.string().max(64).optional().meta({ description: 'Only this operation, such as create_pool' }),
  subject: z.string().max(64).optional().meta({ description: 'Only what was done to this, such as pool:main' }),
})

/** What a record's text says. */
export const recorded = z.object({
  seq: z.number(),
  at: moment,
  by: z.string().meta({ description: 'The name of the token' }),
  action: z.string(),
  subject: z.string(),
  request_id: z.string(),
  before: z.unknown().meta({ description: 'null: it was not there' }),
  after: z.unknown().meta({ description: 'null: it is there no more' }),
})

export const auditRecord = recorded.extend({
  previous: z.string().meta({ description: 'The hash of the record before it' }),
  hash: z.string().meta({ description: 'SHA-256 of `previous` and the stored text of this record, hex' }),
  damaged: z.literal(true).optional().meta({ description: 'What is stored cannot be read any more' }),
})

const end = z.object({ seq: z.number(), hash: z.string() })

export const auditVerified = z.object({
  unbroken: z.boolean(),
  records: z.number().meta({ description: 'How many are kept' }),
  anchor: end.meta({ description: 'The last record that was trimmed; 0: none was' }),
  head: end.meta({ description: 'The newest record. Noted elsewhere, it shows later that nothing was rewritten' }),
  broken: z
    .object({ seq: z.number(), why: z.string() })
    .nullable()
    .meta({ description: 'The first record that is not as it was written' }),
  noted: z
    .enum(['found', 'trimmed'])
    .nullable()
    .meta({ description: 'Whether the end that was asked about is in the chain; trimmed: too old to tell' }),
})

export const auditEndpoints = {
  list_audit: {
    method: 'GET',
    path: '/api/v1/audit',
    role: 'admin',
    summary: 'Who asked for what, oldest first; without `after` the newest',
    query: auditQuery,
    answer: listOf(auditRecord),
    refuses: ['store_unavailable'],
  },
  verify_audit: {
    method: 'GET',
    path: '/api/v1/audit/verify',
    role: 'admin',
    summary: 'Compute the audit chain anew from what is stored, and compare',
    query: z
      .strictObject({
        seq: seq.optional().meta({ description: 'The number of an end that was told and noted earlier' }),
        hash: z.string().regex(HASH, { error: 'expected 64 hexadecimal digits' }).optional(),
      })
      .refine(({ seq, hash }) => (seq === undefined) === (hash === undefined), {
        error: 'seq and hash belong together',
      }),
    answer: auditVerified,
    refuses: ['store_unavailable'],
  },
} as const satisfies Record<string, Endpoint>
