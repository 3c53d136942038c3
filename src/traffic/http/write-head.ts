/**
 * Writes the two heads that a proxy sends: the request's to the upstream, the response's to the client. Each is the original between
 * its cuts, as slices, and a tail of our own. Framing is always written anew from what was understood.
 */
import { cutBetween, kept } from './connection.ts'
import { cutDropped, type FieldChanges } from './field-changes.ts'
import { forwardedLine } from './forwarded.ts'
import { type RequestHead, requestTarget } from './request-head.ts'
import type { ResponseHead } from './response-head.ts'
import type { RouteRules } from './route-rules.ts'

/** The protocol by which the message was received (RFC 9110 7.6.3). */
const VIA = ['Via: 1.0 gatepool\r\n', 'Via: 1.1 gatepool\r\n']
const CHUNKED = 'Transfer-Encoding: chunked\r\n'

/**
 * The head of the upstream request, in latin1, up to and including the empty line.
 *
 * @param requestId for X-Request-Id; only used when no trusted peer brought one
 * @param host for Host, when it is another than the client's; '' otherwise
 * @param rules of the route; they have been applied to `head`
 */
export function upstreamRequestHead(
  head: RequestHead,
  requestId: string,
  host: string,
  rules: RouteRules | null = null,
): string {
  const { line, text } = head
  const asItCame = head.target === '' && line.minor === 1
  let out = asItCame ? '' : `${line.method} ${requestTarget(head)} HTTP/1.1\r\n`
  if (host !== '' && head.hostLineEnd !== 0) cutBetween(head.cuts, head.hostLineStart, head.hostLineEnd)
  out += kept(text, asItCame ? line.start : line.at, head.end - 2, head.cuts)
  if (host !== '' || head.hostLineEnd === 0) out += `Host: ${host === '' ? head.authority : host}\r\n`
  if (rules === null) out += forwardedLines(head)
  else out += rules.request.lines + (rules.forwarded ? forwardedLine(head) : forwardedLines(head))
  out += VIA[line.minor]
  if (head.requestId === '') out += `X-Request-Id: ${requestId}\r\n`
  if (head.body === 'chunked') out += CHUNKED
  else if (head.body === 'length') out += `Content-Length: ${head.contentLength}\r\n`
  if (head.upgrade !== '') out += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  else if (head.trailers) out += 'Connection: TE\r\nTE: trailers\r\n'
  return `${out}\r\n`
}

/** What the upstream is told about the client. */
function forwardedLines(head: RequestHead): string {
  const { peer, authority } = head
  if (peer.trusted) return trustedLines(head)
  if (peer.authority !== authority) {
    peer.authority = authority
    peer.tail = authority === '' ? peer.fixed : `${peer.fixed}X-Forwarded-Host: ${authority}\r\n`
  }
  return peer.tail
}

/** Behind a trusted proxy: it is appended to the list, what it said goes on, what it left out is said by us. */
function trustedLines(head: RequestHead): string {
  const { peer, authority } = head
  let out = `X-Forwarded-For: ${head.forwardedFor === '' ? '' : `${head.forwardedFor}, `}${peer.address}\r\n`
  if (!head.forwardedProto) out += `X-Forwarded-Proto: ${peer.proto}\r\n`
  if (!head.forwardedPort) out += `X-Forwarded-Port: ${peer.port}\r\n`
  if (!head.forwardedHost && authority !== '') out += `X-Forwarded-Host: ${authority}\r\n`
  if (!head.realIp) out += `X-Real-IP: ${head.client}\r\n`
  return out
}

/** How the body of a response is framed towards a client: what it can read, whatever the upstream used. */
export function framingFor(head: ResponseHead, clientMinor: number): ResponseHead['body'] {
  if (head.body === 'none' || head.body === 'length') return head.body
  return clientMinor === 1 ? 'chunked' : 'close'
}

/**
 * The head of the response to the client, in latin1, up to and including the empty line. Also for interim answers (framing `none`).
 *
 * @param connection what to say about the connection: '' says nothing, which means that an HTTP/1.1 connection stays
 * @param changes of the route; an interim answer only loses fields
 * @param line a field line of ours; '' for none
 */
export function downstreamResponseHead(
  head: ResponseHead,
  framing: ResponseHead['body'],
  connection: '' | 'close' | 'keep-alive' | 'upgrade',
  changes: FieldChanges | null = null,
  line = '',
): string {
  const { text, status, fieldsStart, reasonStart } = head
  if (changes !== null) cutDropped(head.cuts, text, fieldsStart, head.end - 2, changes)
  const asItCame = head.minor === 1 && reasonStart > NO_REASON
  let out = asItCame ? '' : `HTTP/1.1 ${status} ${text.slice(reasonStart, fieldsStart)}`
  out += kept(text, asItCame ? 0 : fieldsStart, head.end - 2, head.cuts)
  if (changes !== null && (status >= 200 || status === 101)) out += changes.lines
  if (line !== '') out += line
  if (framing === 'chunked') out += CHUNKED
  else if (head.contentLength !== -1 && status >= 200 && status !== 204)
    out += `Content-Length: ${head.contentLength}\r\n`
  if (connection === 'upgrade') out += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  else if (connection !== '') out += `Connection: ${connection}\r\n`
  return `${out}\r\n`
}

/** Where the reason would begin in a status line that ends with its status, `HTTP/1.1 200`. */
const NO_REASON = 12
