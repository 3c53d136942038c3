/**
 * Reads the head of an HTTP/1.1 request (RFC 9112 3, 5, 6): one pass over the bytes, strict, resumable at every byte. It says what the
 * engine must know and which lines do not go on; it never repairs. One head per connection, used again for every request on it.
 *
 * Syntax is refused at the first wrong byte; what the fields say together is judged at the end of the head.
 */
import type { Refusal } from '../../errors.ts'
import { decimal, isText } from './chars.ts'
import {
  type ConnectionOptions,
  type Cuts,
  createConnectionOptions,
  createCuts,
  cut,
  readConnection,
  resetConnectionOptions,
} from './connection.ts'
import { createFieldCursor, type FieldCursor, fieldValue, hasTabAround, nextField, resetFieldCursor } from './fields.ts'
import type { Peer } from './peer.ts'
import { NOTHING_REFUSED, refusals } from './refusals.ts'
import { judgeRequest } from './request-judge.ts'
import {
  createRequestLine,
  type Progress,
  type RequestLine,
  readRequestLine,
  resetRequestLine,
} from './request-line.ts'
import { type KnownField, REQUEST_FATE } from './rules.ts'

/** In bytes; the request line without its CR LF, the head with everything. */
export interface HeadLimits {
  readonly requestLine: number
  readonly head: number
  readonly fields: number
}

/** Everything but `peer` speaks of the request read last. Offsets count from its first byte and so index `text`. */
export interface RequestHead {
  peer: Peer
  readonly line: RequestLine
  readonly fields: FieldCursor
  /** Why it was refused. */
  refusal: Refusal

  /** The head as it came, once it is done. */
  text: string
  /** The byte behind the empty line: where the body begins. */
  end: number
  /** Lines that do not go on to the upstream. */
  readonly cuts: Cuts

  /** The path to route by; '' while it is simply the path in `text`. Ask `requestPath`. */
  path: string
  /** The target to send; '' while it is simply the target in `text`. Ask `requestTarget`. */
  target: string

  /** The authority as the client wrote it; '' when an HTTP/1.0 client named none. */
  authority: string
  /** The authority in the form that routes are matched by. */
  host: string
  /** The line of the Host field; both 0 when there is none. */
  hostLineStart: number
  hostLineEnd: number
  hostStart: number
  hostEnd: number

  body: 'none' | 'length' | 'chunked'
  /** In bytes; -1 when the request does not say. */
  contentLength: number
  coding: 'none' | 'chunked' | 'empty' | 'other'
  expect: 'none' | 'continue' | 'other'

  readonly connection: ConnectionOptions
  /** The client will send another request on this connection if we let it. */
  persistent: boolean
  /** TE: trailers was said. */
  trailers: boolean
  /** The one protocol that the client asks to switch to; '' for none. */
  upgrade: string

  /** The client itself: the peer, or whom a trusted peer speaks for. */
  client: string
  /** The X-Forwarded-For of a trusted peer; '' otherwise. */
  forwardedFor: string
  /** The Forwarded of a trusted peer, as far as it goes on; only on routes that speak it, '' otherwise. */
  forwarded: string
  /** Fields of a trusted peer that go on as they came. */
  forwardedHost: boolean
  forwardedPort: boolean
  forwardedProto: boolean
  realIp: boolean
  /** The X-Request-Id of a trusted peer; otherwise '', and the engine sets a new one. */
  requestId: string
}

export function createRequestHead(limits: HeadLimits, peer: Peer): RequestHead {
  return {
    peer,
    line: createRequestLine(limits.requestLine),
    fields: createFieldCursor(limits.head, limits.fields, false),
    refusal: NOTHING_REFUSED,
    text: '',
    end: 0,
    cuts: createCuts(),
    path: '',
    target: '',
    authority: '',
    host: '',
    hostLineStart: 0,
    hostLineEnd: 0,
    hostStart: 0,
    hostEnd: 0,
    body: 'none',
    contentLength: -1,
    coding: 'none',
    expect: 'none',
    connection: createConnectionOptions(),
    persistent: false,
    trailers: false,
    upgrade: '',
    client: peer.address,
    forwardedFor: '',
    forwarded: '',
    forwardedHost: false,
    forwardedPort: false,
    forwardedProto: false,
    realIp: false,
    requestId: '',
  }
}

/** Makes the head ready for the next request. Authority and host stay: the next request nearly always names the same. */
export function resetRequestHead(head: RequestHead): void {
  resetRequestLine(head.line)
  resetConnectionOptions(head.connection)
  head.text = ''
  head.cuts.length = 0
  head.path = ''
  head.target = ''
  head.hostLineStart = 0
  head.hostLineEnd = 0
  head.body = 'none'
  head.contentLength = -1
  head.coding = 'none'
  head.expect = 'none'
  head.trailers = false
  head.upgrade = ''
  head.requestId = ''
  if (head.peer.trusted) forgetForwarded(head)
}

/** Makes the head ready for the first request of another peer. */
export function openRequestHead(head: RequestHead, peer: Peer): void {
  head.peer = peer
  head.client = peer.address
  forgetForwarded(head)
  resetRequestHead(head)
}

function forgetForwarded(head: RequestHead): void {
  head.forwardedFor = ''
  head.forwarded = ''
  head.forwardedHost = false
  head.forwardedPort = false
  head.forwardedProto = false
  head.realIp = false
}

/**
 * Reads on in `bytes[start, end)`, where `start` is the first byte of this request. After `more` the same bytes must be there again,
 * perhaps elsewhere, followed by further ones. Nothing of `bytes` is kept.
 */
export function readRequestHead(head: RequestHead, bytes: Buffer, start: number, end: number): Progress {
  const { line, fields } = head
  if (line.method === '') {
    const progress = readRequestLine(line, bytes, start, end)
    if (progress === 'refused') return refuse(head, line.refusal)
    if (progress === 'more') return 'more'
    resetFieldCursor(fields, line.at)
  }
  for (;;) {
    const found = nextField(fields, bytes, start, end)
    switch (found) {
      case 'more':
        return 'more'
      case 'refused':
        return refuse(head, fields.refusal)
      case 'end': {
        head.end = fields.at
        head.text = bytes.toString('latin1', start, start + head.end)
        const refusal = judgeRequest(head, bytes, start)
        return refusal === null ? 'done' : refuse(head, refusal)
      }
      case 'collision':
        cut(head.cuts, fields.lineStart, fields.at)
        continue
      case 'other':
        continue
      default: {
        const refusal = take(head, found, bytes, start)
        if (refusal !== null) return refuse(head, refusal)
      }
    }
  }
}

function refuse(head: RequestHead, refusal: Refusal): 'refused' {
  head.refusal = refusal
  return 'refused'
}

const CHUNKED = Buffer.from('chunked')
const CONTINUE = Buffer.from('100-continue')
/** In bytes. A longer one is replaced: it goes into every log line. */
const LONGEST_REQUEST_ID = 128

/** Takes in one known field, and cuts its line unless it goes on. */
function take(head: RequestHead, field: KnownField, bytes: Buffer, base: number): Refusal | null {
  const { fields, peer } = head
  const from = base + fields.valueStart
  const to = base + fields.valueEnd
  const fate = REQUEST_FATE[field]
  let pass = fate === 'pass' || (fate === 'trusted' && peer.trusted)
  switch (field) {
    case 'host':
      if (head.hostLineEnd !== 0) return refusals.hostRepeated
      head.hostLineStart = fields.lineStart
      head.hostLineEnd = fields.at
      head.hostStart = fields.valueStart
      head.hostEnd = fields.valueEnd
      break
    case 'connection':
      if (!readConnection(head.connection, bytes, from, to)) return refusals.connection
      break
    case 'content-length':
      if (head.contentLength !== -1) return refusals.lengthRepeated
      head.contentLength = decimal(bytes, from, to)
      if (head.contentLength === -1) return refusals.length
      break
    case 'transfer-encoding':
      if (head.coding !== 'none') head.coding = 'other'
      else if (from === to) head.coding = 'empty'
      else if (isText(bytes, from, to, CHUNKED) && !hasTabAround(fields, bytes, base)) head.coding = 'chunked'
      else head.coding = 'other'
      break
    case 'expect':
      head.expect = head.expect === 'none' && isText(bytes, from, to, CONTINUE) ? 'continue' : 'other'
      // An HTTP/1.0 client knows nothing of interim answers (RFC 9110 10.1.1).
      pass = head.line.minor === 1
      break
    case 'te':
      head.trailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(fieldValue(fields, bytes, base))
      break
    case 'upgrade':
      // A second line makes it a list.
      head.upgrade += head.upgrade === '' ? fieldValue(fields, bytes, base) : ','
      break
    case 'x-request-id':
      pass = pass && head.requestId === '' && from < to && to - from <= LONGEST_REQUEST_ID
      if (pass) head.requestId = fieldValue(fields, bytes, base)
      break
    default:
      if (peer.trusted) takeForwarded(head, field, bytes, base)
  }
  if (!pass) cut(head.cuts, fields.lineStart, fields.at)
  return null
}

/** What a trusted peer says of its own client. */
function takeForwarded(head: RequestHead, field: KnownField, bytes: Buffer, base: number): void {
  switch (field) {
    case 'x-forwarded-for': {
      const value = fieldValue(head.fields, bytes, base)
      head.forwardedFor = head.forwardedFor === '' ? value : `${head.forwardedFor}, ${value}`
      return
    }
    case 'x-forwarded-host':
      head.forwardedHost = true
      return
    case 'x-forwarded-port':
      head.forwardedPort = true
      return
    case 'x-forwarded-proto':
      head.forwardedProto = true
      return
    case 'x-real-ip':
      head.realIp = true
      return
    default:
  }
}

/** The path that routes are matched by; `*` counts as the root. */
export function requestPath(head: RequestHead): string {
  return head.path !== '' ? head.path : head.text.slice(head.line.targetStart, head.line.pathEnd)
}

/** The target as it is sent: the path above, and the query as it came. */
export function requestTarget(head: RequestHead): string {
  return head.target !== '' ? head.target : head.text.slice(head.line.targetStart, head.line.targetEnd)
}
