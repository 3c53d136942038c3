/**
 * What is answered here instead of by an upstream: an error, or what a route answers by itself, a redirect or an answer that is always the
 * same. The latter are prepared once for each route.
 */
import { STATUS_CODES } from 'node:http'
import type { Route } from '../../core/nouns.ts'
import { type ErrorCode, errors } from '../../errors.ts'
import { type AnswerCode, renderAnswer } from './answers.ts'
import { findField } from './connection.ts'
import { type FieldChanges, withoutDropped } from './field-changes.ts'
import { type RequestHead, requestPath, requestTarget } from './request-head.ts'

export interface FixedAnswer {
  readonly status: number
  /** Where a redirect leads, with its placeholders; '': it is none. */
  readonly to: string
  /** Field lines about the body. */
  readonly lines: string
  readonly body: Buffer
  readonly changes: FieldChanges
}

/** The answer that a route with this target gives by itself; null when it goes to a pool or a gateway. */
export function compileAnswer(target: Route['target'], changes: FieldChanges): FixedAnswer | null {
  if ('redirect' in target) {
    const { to, status } = target.redirect
    return { status, to, lines: 'Content-Length: 0\r\n', body: Buffer.alloc(0), changes }
  }
  if ('respond' in target) {
    const { status, body, content_type } = target.respond
    const bytes = Buffer.from(body)
    // RFC 9110 8.6: none with 204, and with 304 it would speak of another answer.
    const length = status === 204 || status === 304 ? '' : `Content-Length: ${bytes.length}\r\n`
    const type = body === '' ? '' : `Content-Type: ${content_type}\r\n`
    return { status, to: '', lines: type + length, body: bytes, changes }
  }
  return null
}

/** Whether the answer takes a host and the request (HTTP/1.0) names none. */
export function lacksHost({ to }: FixedAnswer, { host }: RequestHead): boolean {
  return host === '' && to.includes('{host}')
}

/** Where the redirect `to` leads this request. */
function locationFor(to: string, head: RequestHead): string {
  const path = requestPath(head)
  const query = requestTarget(head).slice(path.length)
  return to.replace(/\{(host|path|query)\}/g, (_, name) =>
    name === 'host' ? head.host : name === 'path' ? path : query,
  )
}

/** What an answer says beside what was asked for. */
export interface OwnCircumstances {
  /** Of an error, see `Answer`. */
  readonly detail: string
  readonly retryAfter: number
  readonly requestId: string
  /** What to say about the connection; '' says nothing. */
  readonly connection: '' | 'keep-alive' | 'close'
  /** A HEAD request gets the head of the answer alone. */
  readonly toHead: boolean
  /** Ms since 1970, for Date. */
  readonly now: number
}

export function statusOf(how: ErrorCode | FixedAnswer): number {
  return typeof how === 'string' ? errors[how].status : how.status
}

/** The whole answer to the request whose head is `head`, as far as it was read. */
export function ownAnswer(how: ErrorCode | FixedAnswer, head: RequestHead, circumstances: OwnCircumstances): Buffer {
  if (typeof how === 'object') return fixedAnswer(how, head, circumstances)
  const { detail, retryAfter, requestId, connection, toHead, now } = circumstances
  const { text, line, end } = head
  const accept = text === '' ? undefined : findField(text, line.at, end - 2, 'accept')
  const answer = { code: how as AnswerCode, detail, retryAfter, requestId }
  return Buffer.from(renderAnswer(answer, { accept, head: toHead }, connection === 'close', now))
}

function fixedAnswer(answer: FixedAnswer, head: RequestHead, circumstances: OwnCircumstances): Buffer {
  const { status, to, lines, body, changes } = answer
  const { requestId, connection, toHead, now } = circumstances
  const where = to === '' ? '' : `Location: ${locationFor(to, head)}\r\n`
  const ours = `Date: ${new Date(now).toUTCString()}\r\n${where}${lines}X-Request-Id: ${requestId}\r\n`
  const last = connection === '' ? '' : `Connection: ${connection}\r\n`
  const fields = withoutDropped(ours, changes) + changes.lines + last
  const whole = Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields}\r\n`, 'latin1')
  return toHead ? whole : Buffer.concat([whole, body])
}
