/**
 * What the proxy answers by itself: a problem document (RFC 9457), a page or a line of text, as the client likes it, with the reason in
 * Proxy-Status (RFC 9209). None of this is on the path of a request that is passed on.
 */
import { type ErrorCode, errors } from '../../errors.ts'

/** Why we answer instead of an upstream: the error type of Proxy-Status for every code that the proxy answers with. */
const PROXY_ERRORS = {
  no_route: 'destination_not_found',
  address_denied: 'http_request_denied',
  bad_request: 'http_request_error',
  method_not_allowed: 'http_request_error',
  request_timeout: 'http_request_error',
  body_too_large: 'http_request_error',
  target_too_long: 'http_request_error',
  expectation_failed: 'http_request_error',
  head_too_large: 'http_request_error',
  coding_not_supported: 'http_request_error',
  version_not_supported: 'http_request_error',
  upstream_refused: 'connection_refused',
  upstream_tls_failed: 'tls_protocol_error',
  upstream_closed: 'connection_terminated',
  upstream_malformed: 'http_protocol_error',
  upstream_body_cut: 'http_response_incomplete',
  upstream_connect_timeout: 'connection_timeout',
  upstream_timeout: 'http_response_timeout',
  pool_outage: 'destination_unavailable',
  pool_full: 'connection_limit_reached',
  dial_failed: 'proxy_internal_error',
  too_many_connections: 'connection_limit_reached',
  shutting_down: 'proxy_internal_response',
  internal: 'proxy_internal_error',
} as const satisfies Partial<Record<ErrorCode, string>>

export type AnswerCode = keyof typeof PROXY_ERRORS
export const answerCodes = Object.keys(PROXY_ERRORS) as readonly AnswerCode[]

export interface Answer {
  readonly code: AnswerCode
  /** For people: what exactly was wrong, or the pool's outage message. May be any text; '' says no more than the code. */
  readonly detail: string
  /** Whole seconds, at least 1; 0 leaves Retry-After out. */
  readonly retryAfter: number
  /** '' before there is one. */
  readonly requestId: string
}

/** The request that is answered, as far as it is known. */
export interface Asked {
  /** The value of its Accept field. */
  readonly accept: string | undefined
  /** A HEAD request gets the head of the answer alone. */
  readonly head: boolean
}

/**
 * The whole answer. Write it as UTF-8.
 *
 * @param now ms since 1970, for Date
 */
export function renderAnswer(answer: Answer, asked: Asked, close: boolean, now: number): string {
  const { title, status } = errors[answer.code]
  const type = preferredType(asked.accept)
  const body = bodies[type](answer, title, status)
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}`,
    `Date: ${new Date(now).toUTCString()}`,
    `Content-Type: ${type === 'application/problem+json' ? type : `${type}; charset=utf-8`}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `Proxy-Status: gatepool; error=${PROXY_ERRORS[answer.code]}; details=${quoted(answer.detail === '' ? title : answer.detail)}`,
  ]
  if (answer.retryAfter > 0) lines.push(`Retry-After: ${answer.retryAfter}`)
  if (answer.requestId !== '') lines.push(`X-Request-Id: ${answer.requestId}`)
  if (status === 405) lines.push('Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  if (close) lines.push('Connection: close')
  return `${lines.join('\r\n')}\r\n\r\n${asked.head ? '' : body}`
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
}

/** In order of our own preference. */
const TYPES = ['application/problem+json', 'text/html', 'text/plain'] as const
type MediaType = (typeof TYPES)[number]

const bodies: Readonly<Record<MediaType, (answer: Answer, title: string, status: number) => string>> = {
  'application/problem+json': ({ code, detail, requestId }, title, status) =>
    `${JSON.stringify({
      type: 'about:blank',
      title,
      status,
      code,
      ...(detail === '' ? {} : { detail }),
      ...(requestId === '' ? {} : { request_id: requestId }),
    })}\n`,
  'text/html': ({ code, detail, requestId }, title, status) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${status} ${escapeHtml(title)}</title>
<style>body { font: 1.1em system-ui, sans-serif; max-width: 36em; margin: 15vh auto; padding: 0 1em } small { color: gray }</style>
<h1>${escapeHtml(detail === '' ? title : detail)}</h1>
<p><small>${status} ${code}${requestId === '' ? '' : ` · ${escapeHtml(requestId)}`}</small></p>
</html>
`,
  'text/plain': ({ code, detail }, title, status) => `${status} ${code}: ${detail === '' ? title : detail}\n`,
}

/** The type that the client likes best (RFC 9110 12.5.1); a problem document when it does not care or likes none of ours. */
export function preferredType(accept: string | undefined): MediaType {
  if (accept === undefined) return TYPES[0]
  const ranges = accept.split(',').map(readRange)
  let best: MediaType = TYPES[0]
  let bestQuality = 0
  for (const type of TYPES) {
    const quality = qualityOf(type, ranges)
    if (quality > bestQuality) {
      best = type
      bestQuality = quality
    }
  }
  return best
}

interface MediaRange {
  readonly range: string
  readonly quality: number
}

function readRange(text: string): MediaRange {
  const [range = '', ...parameters] = text.split(';').map(part => part.trim().toLowerCase())
  const weight = parameters.find(parameter => parameter.startsWith('q='))
  const quality = weight === undefined ? 1 : Number(weight.slice(2))
  return { range, quality: quality >= 0 && quality <= 1 ? quality : 0 }
}

/** The most specific range that covers a type decides. A client that takes any JSON takes a problem document. */
function qualityOf(type: MediaType, ranges: readonly MediaRange[]): number {
  const names = [
    type,
    ...(type === 'application/problem+json' ? ['application/json'] : []),
    `${type.split('/')[0]}/*`,
    '*/*',
  ]
  for (const name of names) {
    const match = ranges.find(({ range }) => range === name)
    if (match !== undefined) return match.quality
  }
  return 0
}

/** A string of a structured field (RFC 9651 3.3.3): printable ASCII only. */
function quoted(text: string): string {
  return `"${text.replace(/[^ -~]/g, '?').replace(/["\\]/g, '\\$&')}"`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character] ?? character)
}
