/**
 * The admin API as commands see it: an answer, or a failure with the words and the exit status for it.
 */
import { readFileSync } from 'node:fs'
import type { Dispatcher } from 'undici'
import { type Environment, EXIT, type Exit } from './io.ts'

const DEFAULT_URL = 'http://127.0.0.1:9900'
/** Ms. */
const CONNECT_TIMEOUT = 3_000
const ANSWER_TIMEOUT = 10_000
/** Ms without a byte on a stream, which sends a sign of life every 15 s. */
const STREAM_TIMEOUT = 45_000
/** Bytes of one answer. */
const MOST_ANSWER = 64 * 2 ** 20

export interface Failure {
  readonly kind: 'failure'
  readonly exit: Exit
  readonly message: string
}

export interface Got<T> {
  readonly kind: 'got'
  readonly status: number
  readonly body: T
  /** The server's time of the answer, ms since 1970. */
  readonly at: number
}

export interface Client {
  /** GET `path`, from the root of the service. */
  get<T>(path: string): Promise<Got<T> | Failure>
  /** Every item of a list, page by page. */
  list<T>(path: string): Promise<Got<T[]> | Failure>
  /** Opens a stream of server-sent events, after the event `last` if one is given. */
  stream(path: string, last: string | undefined, signal: AbortSignal): Promise<Got<AsyncIterable<Buffer>> | Failure>
}

export function failure(exit: Exit, message: string): Failure {
  return { kind: 'failure', exit, message }
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
    options: { dispatcher: Dispatcher; headers?: Record<string, string>; bodyTimeout: number; signal?: AbortSignal },
  ): Promise<Dispatcher.ResponseData | Failure> => {
    const headers = { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...options.headers }
    try {
      return await request(new URL(path, base), { ...options, headers, headersTimeout: ANSWER_TIMEOUT })
    } catch (error) {
      return unreachable(error)
    }
  }

  const get = async <T>(path: string): Promise<Got<T> | Failure> => {
    const response = await ask(path, { dispatcher, bodyTimeout: ANSWER_TIMEOUT })
    if ('kind' in response) return response
    const text = await response.body.text().catch(unreachable)
    if (typeof text !== 'string') return text
    const body = object(text)
    if (body === undefined) return failure(EXIT.failure, `what answers at ${base.origin} is not gatepool`)
    const { statusCode: status } = response
    // `/readyz` says no with an answer of its own, which is no problem document.
    if (status >= 400 && 'code' in body) return refused(status, body)
    return { kind: 'got', status, body: body as T, at: dateOf(response) }
  }

  return {
    get,
    async list<T>(path: string) {
      const all: T[] = []
      for (let after = ''; ; ) {
        const part = await get<{ items: T[]; next: string | null }>(
          `${path}?limit=1000${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
        )
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
      if (response.statusCode === 200) return { kind: 'got', status: 200, body: response.body, at: dateOf(response) }
      const text = await response.body.text().catch(() => '')
      return refused(response.statusCode, object(text) ?? {})
    },
  }
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

function refused(status: number, body: object): Failure {
  const title = 'title' in body ? String(body.title) : `HTTP status ${status}`
  const detail = 'detail' in body ? `: ${String(body.detail)}` : ''
  if (status === 401) return failure(EXIT.notAllowed, `${title}: set GATEPOOL_TOKEN or GATEPOOL_TOKEN_FILE`)
  if (status === 403) return failure(EXIT.notAllowed, `${title}${detail}`)
  return failure(status === 404 ? EXIT.notFound : EXIT.failure, `${title}${detail}`)
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
