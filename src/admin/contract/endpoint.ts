/** What a row of the admin API's table says. */
import type { z } from 'zod'
import type { Role } from '../../core/nouns.ts'
import type { ErrorCode } from '../../errors.ts'

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly role: Role | 'anyone'
  /**
   * What of it a token that is limited to pools may ask for. `pool`, `gateway`, `route`: when the one named in the path belongs to its
   * pools. `within`: always, since it tells only what belongs to them (changes are held to the pools anyway). Absent: nothing.
   */
  readonly scope?: 'pool' | 'gateway' | 'route' | 'within'
  readonly summary: string
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  /** Bytes that a body may have, where that is not the usual number. */
  readonly most_body?: number
  /** Absent: 204, unless it is `raw`. */
  readonly answer?: z.ZodType
  /** Answers 201 with a Location when it made something. */
  readonly creates?: true
  /** What it may be refused with, beside what every endpoint may: a wrong shape, no token, not this role. */
  readonly refuses?: readonly ErrorCode[]
  /** A body that it takes, for the OpenAPI document. */
  readonly example?: unknown
  /** For the OpenAPI document: what the parts of the path are called in the sample, where that is not the usual name. */
  readonly sample?: Readonly<Record<string, string>>
  /** Further statuses with the same answer, and what they mean. */
  readonly also?: Readonly<Record<number, string>>
  /** Set when the handler writes its answer by itself: the media type of it. */
  readonly raw?: string
}

/** What every change of definitions may be refused with. */
export const CHANGE = [
  'defined_by_file',
  'precondition_failed',
  'revision_conflict',
  'store_unavailable',
  'not_available',
] as const satisfies readonly ErrorCode[]
