/** What a row of the admin API's table says. */
import type { z } from 'zod'
import type { Role } from '../../core/nouns.ts'
import type { ErrorCode } from '../../errors.ts'

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly role: Role | 'anyone'
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
  /** Set when the handler writes its answer by itself: the media type of it. */
  readonly raw?: string
}
