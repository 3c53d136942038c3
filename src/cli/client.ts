/**
 * The admin API as commands see it: an answer, or a failure with the words and the exit status for it. What may be asked is the contract's
 * table: a call is written `GET /api/v1/gateway-pools/:name`, as the documents write it, and the compiler knows the rest.
 */
import { readFileSync } from 'node:fs'
import type { Dispatcher } from 'undici'
import type { z } from 'zod'
import type { Answer, EndpointId, Endpoints } from '../admin/contract/endpoints.ts'
import type { Params } from '../admin/handlers/handler.ts'
import { type Environment, EXIT } from './io.ts'
import { type Failure, failure, refused } from './refused.ts'

const DEFAULT_URL = 'http://127.0.0.1:9900'
/** Ms. */
const CONNECT_TIMEOUT = 3_000
const ANSWER_TIMEOUT = 10_000
/** Ms without a byte on a stream, which sends a sign of life every 15 s. */
const STREAM_TIMEOUT = 45_000
/** Bytes of one answer. */
const MOST_ANSWER = 64 * 2 ** 20

export interface Got<T> {
  readonly kind: 'got'
  readonly status: number
  readonly body: T
  /** The server's time of the answer, ms since 1970. */
  readonly at: number
  /** The revision that last changed it, for `if_match`. */
  readonly etag: string | undefined
}

type CallOf<Id extends EndpointId> = `${Endpoints[Id]['method']} ${Endpoints[Id]['path']}`

/** Method and path of an endpoint. */
export type Call = { [Id in EndpointId]: CallOf<Id> }[EndpointId]
type IdOf<C extends Call> = { [Id in EndpointId]: CallOf<Id> extends C ? Id : never }[EndpointId]
type PathOf<C extends Call> = C extends `${string} ${infer Path}` ? Path : never
type BodyOf<Id extends EndpointId> = Endpoints[Id] extends { readonly body: infer Body extends z.ZodType }
  ? z.input<Body>
  : undefined

/** What the answer to a call holds. */
export type AnswerTo<C extends Call> = Answer<IdOf<C>>
/** One of a list. */
export type ItemOf<C extends Call> = AnswerTo<C> extends { readonly items: readonly (infer Item)[] } ? Item : never
/** What goes with a call. */
export type BodyFor<C extends Call> = BodyOf<IdOf<C>>

type Query = Readonly<Record<string, string | number | undefined>>

type Parts<C extends Call> = {
  readonly query?: Query
  /** Only if this is still what was last changed. */
  readonly if_match?: string | undefined
  /** Ms until the answer must have begun, when the endpoint may take its time. */
  readonly patience?: number
} & (keyof Params<PathOf<C>> extends never ? object : { readonly params: Params<PathOf<C>> }) &
  (BodyFor<C> extends undefined ? object : { readonly body: BodyFor<C> })

type Rest<C extends Call> = object extends Parts<C> ? [parts?: Parts<C>] : [parts: Parts<C>]

export interface Client {
  call<C extends Call>(call: C, ...rest: Rest<C>): Promise<Got<AnswerTo<C>> | Failure>
  /** Every item of a list, page by page. */
  list<C extends Call>(call: C, query?: Query): Promise<Got<ItemOf<C>[]> | Failure>
  /** Opens a stream of server-sent events, after the event `last` if one is given. */
  stream(path: string, last: string | undefined, signal: AbortSignal): Promise<Got<AsyncIterable<Buffer>> | Failure>
}

/** A client for what `GATEPOOL_URL` and `GATEPOOL_TOKEN` (or `GATEPOOL_TOKEN_FILE`) name. */
export async function createClient(env: Environment): Promise<Client | Failure> {
  const url = env.GATEPOOL_URL || DEFAULT_URL
  const base = URL.parse(url.endsWith('/') ? url : `${url}/`)
  if (base === null || !/^https?:$/.test(base.protocol)) {
    return failure(EXIT.usage, 'GATEPOOL_URL must be an address such as http://127.0.0.1:9900')
  }
  const token = readToken(env)
  if (typeof token !== 'string') return token
  // Loaded when it is needed: `gatepool --help` should not wait for it.
  const { Agent, request } = await import('undici')
  const connect = { timeout: CONNECT_TIMEOUT }
  // One request to a connection: what was asked for is printed and the process ends, with nothing left open.
  const dispatcher = new Agent({ connect, pipelining: 0, maxResponseSize: MOST_ANSWER })
  const streams = new Agent({ connect, pipelining: 0 })

  const unreachable = (error: unknown): Failure =>
    failure(EXIT.unreachable, `cannot reach ${base.origin} (${reason(error)}); is gatepool running there?`)

  const ask = async (
    path: string,
    {
      headers,
      ...options
    }: Omit<Dispatcher.RequestOptions, 'path' | 'origin' | 'method'> & {
      readonly method?: string
      readonly dispatcher: Dispatcher
      readonly headers?: Record<string, string>
    },
  ): Promise<Dispatcher.ResponseData | Failure> => {
    const all = { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...headers }
    try {
      return await request(new URL(path.slice(1), base), { headersTimeout: ANSWER_TIMEOUT, ...options, headers: all })
    } catch (error) {
      return unreachable(error)
    }
  }

  const send = async <T>(
    method: string,
    path: string,
    { body, if_match, patience = ANSWER_TIMEOUT }: { body?: unknown; if_match?: string | undefined; patience?: number },
  ): Promise<Got<T> | Failure> => {
    const response = await ask(path, {
      method,
      dispatcher,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(if_match === undefined ? {} : { 'if-match': if_match }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      headersTimeout: patience,
      bodyTimeout: ANSWER_TIMEOUT,
    })
    if ('kind' in response) return response
    const text = await response.body.text().catch(unreachable)
    if (typeof text !== 'string') return text
    const { statusCode: status } = response
    const answer = status === 204 ? null : object(text)
    if (answer === undefined) return failure(EXIT.failure, `what answers at ${base.origin} is not gatepool`)
    // `/readyz` says no with an answer of its own, which is no problem document.
    if (answer !== null && status >= 400 && 'code' in answer) return refused(status, answer)
    const { etag } = response.headers
    return { kind: 'got', status, body: answer as T, at: dateOf(response), etag: etag?.toString() }
  }

  return {
    // The table of the contract types every call from outside; in here a call is a method, a path and what goes with them.
    async call<C extends Call>(call: C, ...[parts]: Rest<C>) {
      const { params, query, ...rest } = (parts ?? {}) as {
        params?: Record<string, string>
        query?: Query
        body?: unknown
      }
      const [method = '', path = ''] = call.split(' ')
      const filled = path.replace(/:(\w+)/g, (_, name) => encodeURIComponent(params?.[name] ?? ''))
      return send<AnswerTo<C>>(method, withQuery(filled, query), rest)
    },
    async list<C extends Call>(call: C, query?: Query) {
      const all: ItemOf<C>[] = []
      for (let after: string | undefined; ; ) {
        const path = withQuery(call.slice('GET '.length), { ...query, limit: 1000, after })
        const part = await send<Page<ItemOf<C>>>('GET', path, {})
        if (part.kind === 'failure') return part
        all.push(...part.body.items)
        if (part.body.next === null) return { ...part, body: all }
        after = part.body.next
      }
    },
    async stream(path, last, signal) {
      const headers = { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) }
      const response = await ask(path, { dispatcher: streams, headers, bodyTimeout: STREAM_TIMEOUT, signal })
      if ('kind' in response) return response
      const { statusCode: status, body } = response
      if (status === 200) return { kind: 'got', status, body, at: dateOf(response), etag: undefined }
      const text = await body.text().catch(() => '')
      return refused(status, object(text) ?? {})
    },
  }
}

interface Page<T> {
  readonly items: T[]
  readonly next: string | null
}

/** `path` with the fields of `query` that are there. */
export function withQuery(path: string, query: Query = {}): string {
  const said = Object.entries(query).flatMap(([key, value]) =>
    value === undefined ? [] : ([[key, String(value)]] as const),
  )
  return said.length === 0 ? path : `${path}?${new URLSearchParams(Object.fromEntries(said))}`
}

function readToken(env: Environment): string | Failure {
  let token = env.GATEPOOL_TOKEN ?? ''
  const file = env.GATEPOOL_TOKEN_FILE ?? ''
  if (token === '' && file !== '') {
    try {
      token = readFileSync(file, 'utf8').trim()
    } catch (error) {
      return failure(EXIT.usage, `cannot read GATEPOOL_TOKEN_FILE (${reason(error)})`)
    }
  }
  return /^[\x21-\x7e]*$/.test(token) ? token : failure(EXIT.usage, 'the token holds characters that no token has')
}

function object(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Our own time, as far as it lies within the second that the server says it is there. */
function dateOf({ headers }: Dispatcher.ResponseData): number {
  const second = Date.parse(String(headers.date))
  return Number.isNaN(second) ? Date.now() : Math.min(Math.max(Date.now(), second), second + 999)
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
