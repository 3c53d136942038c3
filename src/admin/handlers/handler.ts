/** What a handler is: it answers with the object, or with a refusal; HTTP is the server's business. */
import type { FastifyReply } from 'fastify'
import type { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { IfMatch } from '../../core/edits.ts'
import type { Refusal } from '../../errors.ts'
import type { Asked } from '../../ledger.ts'
import type { Answered, Created } from '../answers.ts'
import type { Authenticate, Principal } from '../auth.ts'
import type { EndpointId, Endpoints } from '../contract/endpoints.ts'
import type { AdminOptions } from '../server.ts'
import type { EventStreams } from '../stream.ts'
import type { TokenUses } from '../uses.ts'

export type Params<Path extends string> = Path extends `${string}/:${infer Name}/${infer Rest}`
  ? { readonly [Key in Name | keyof Params<`/${Rest}`>]: string }
  : Path extends `${string}/:${infer Name}`
    ? { readonly [Key in Name]: string }
    : object

type Part<Id extends EndpointId, Key extends 'query' | 'body' | 'answer'> = Endpoints[Id] extends {
  readonly [K in Key]: infer Schema extends z.ZodType
}
  ? z.output<Schema>
  : undefined

export interface Call<Id extends EndpointId> {
  readonly params: Params<Endpoints[Id]['path']>
  readonly query: Part<Id, 'query'>
  readonly body: Part<Id, 'body'>
  readonly by: Principal
  /** Goes to the ledger with every change, for the audit record. */
  readonly asked: Asked
  /** Goes to the change, which decides on it. */
  readonly ifMatch: IfMatch
}

/** What was made has a place, so it can only be answered by `created`. An endpoint without an answer answers 204. */
type Outcome<Id extends EndpointId> = Endpoints[Id] extends { readonly raw: string }
  ? FastifyReply | Refusal
  : Endpoints[Id] extends { readonly creates: true }
    ? Created<Part<Id, 'answer'>> | Refusal
    : Part<Id, 'answer'> | Answered<Part<Id, 'answer'>> | Refusal

export type Handlers = {
  readonly [Id in EndpointId]: (call: Call<Id>, reply: FastifyReply) => Outcome<Id> | Promise<Outcome<Id>>
}

/** The handlers of the endpoints of `Table`. */
export type HandlersOf<Table> = Pick<Handlers, keyof Table & EndpointId>

export interface HandlerOptions extends AdminOptions {
  readonly streams: EventStreams
  readonly uses: TokenUses
  readonly authenticate: Authenticate
  /** The OpenAPI document, as text. */
  readonly document: string
  /** The replica's own. */
  readonly clock: Clock
}
