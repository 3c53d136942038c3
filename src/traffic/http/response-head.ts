/**
 * Reads the head of an HTTP/1.1 response (RFC 9112 4, 5, 6) as strictly as that of a request: one pass, resumable at every byte. Any
 * refusal means the same to the engine: a malformed answer, 502, and an upstream connection that is destroyed.
 * One head per upstream connection, used again for every answer on it, the interim ones too.
 */
import type { Refusal } from '../../errors.ts'
import { CR, DIGIT_0, decimal, isText, LF, SPACE, VALUE } from './chars.ts'
import {
  type ConnectionOptions,
  type Cuts,
  createConnectionOptions,
  createCuts,
  cut,
  cutLines,
  readConnection,
  resetConnectionOptions,
} from './connection.ts'
import { createFieldCursor, type FieldCursor, fieldValue, hasTabAround, nextField, resetFieldCursor } from './fields.ts'
import { NOTHING_REFUSED, refusals } from './refusals.ts'
import type { Progress } from './request-line.ts'
import { type KnownField, RESPONSE_FATE } from './rules.ts'

/** Offsets count from the head's first byte and so index `text`. */
export interface ResponseHead {
  readonly fields: FieldCursor
  /** How far the status line has been read. */
  at: number
  refusal: Refusal

  /** The head as it came, once it is done. */
  text: string
  /** The byte behind the empty line: where the body begins. */
  end: number
  readonly cuts: Cuts

  /** 100–999; 0 until the status line is complete. */
  status: number
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  minor: number
  reasonStart: number
  fieldsStart: number

  /** `close`: until the upstream closes. */
  body: 'none' | 'length' | 'chunked' | 'close'
  /** In bytes; -1 when the response does not say. Without a body (HEAD, 304) it is what the body would have had. */
  contentLength: number
  coding: 'none' | 'chunked' | 'other'
  readonly connection: ConnectionOptions
  /** The upstream will take another request on this connection. */
  persistent: boolean
  /** Seconds that the upstream keeps an idle connection, from `Keep-Alive: timeout=N`; -1 when it does not say. */
  keepAliveTimeout: number
  /** With status 101 the protocol that was switched to; '' otherwise. */
  upgrade: string
}

/** `maxBytes` for the whole head. */
export function createResponseHead(maxBytes: number, maxFields: number): ResponseHead {
  return {
    fields: createFieldCursor(maxBytes, maxFields, false),
    at: 0,
    refusal: NOTHING_REFUSED,
    text: '',
    end: 0,
    cuts: createCuts(),
    status: 0,
    minor: 1,
    reasonStart: 0,
    fieldsStart: 0,
    body: 'none',
    contentLength: -1,
    coding: 'none',
    connection: createConnectionOptions(),
    persistent: false,
    keepAliveTimeout: -1,
    upgrade: '',
  }
}

/** Makes the head ready for the next answer. */
export function resetResponseHead(head: ResponseHead): void {
  resetConnectionOptions(head.connection)
  head.at = 0
  head.text = ''
  head.cuts.length = 0
  head.status = 0
  head.body = 'none'
  head.contentLength = -1
  head.coding = 'none'
  head.keepAliveTimeout = -1
  head.upgrade = ''
}

/**
 * Reads on in `bytes[start, end)`, where `start` is the first byte of this answer; `toHead`: the request was a HEAD. After `more` the
 * same bytes must be there again, perhaps elsewhere, followed by further ones. Nothing of `bytes` is kept.
 */
export function readResponseHead(
  head: ResponseHead,
  bytes: Buffer,
  start: number,
  end: number,
  toHead: boolean,
): Progress {
  const { fields } = head
  if (head.status === 0) {
    const progress = readStatusLine(head, bytes, start, end)
    if (progress !== 'done') return progress
  }
  for (;;) {
    const found = nextField(fields, bytes, start, end)
    switch (found) {
      case 'more':
        return 'more'
      case 'refused':
        return refuse(head, fields.refusal)
      case 'end':
        return judge(head, bytes, start, toHead)
      case 'collision':
      case 'other':
        continue
      default: {
        const refusal = take(head, found, bytes, start)
        if (refusal !== null) return refuse(head, refusal)
      }
    }
  }
}

function refuse(head: ResponseHead, refusal: Refusal): 'refused' {
  head.refusal = refusal
  return 'refused'
}

const LINE_TEXT = Buffer.from('HTTP/1.1 sss ')
const MINOR = 7
const STATUS = 9
const REASON_BLANK = 12

function readStatusLine(head: ResponseHead, bytes: Buffer, base: number, end: number): Progress {
  const limit = base + head.fields.maxBytes
  const stop = end < limit ? end : limit
  let i = base + head.at
  for (; i < stop && i < base + REASON_BLANK; i++) {
    if (!belongs(bytes[i] as number, i - base)) return refuse(head, refusals.status)
  }
  if (i < stop && i === base + REASON_BLANK) {
    // Servers that have no reason to give often leave out the blank before it too; nothing is ambiguous about that.
    if (bytes[i] === SPACE) i++
    else if (bytes[i] !== CR) return refuse(head, refusals.status)
    head.reasonStart = i - base
  }
  while (i < stop && VALUE[bytes[i] as number] === 1) i++
  if (i < stop && bytes[i] !== CR) return refuse(head, bytes[i] === LF ? refusals.lineEnd : refusals.status)
  if (i + 1 >= stop) {
    head.at = i - base
    return stop === limit ? refuse(head, refusals.tooLarge) : 'more'
  }
  if (bytes[i + 1] !== LF) return refuse(head, refusals.lineEnd)
  head.minor = digit(bytes, base + MINOR)
  head.status =
    digit(bytes, base + STATUS) * 100 + digit(bytes, base + STATUS + 1) * 10 + digit(bytes, base + STATUS + 2)
  head.fieldsStart = i + 2 - base
  resetFieldCursor(head.fields, head.fieldsStart)
  return 'done'
}

function belongs(byte: number, place: number): boolean {
  if (byte === LINE_TEXT[place]) return true
  if (place === MINOR) return byte === DIGIT_0
  return place >= STATUS && byte >= (place === STATUS ? DIGIT_0 + 1 : DIGIT_0) && byte <= DIGIT_0 + 9
}

function digit(bytes: Buffer, at: number): number {
  return (bytes[at] as number) - DIGIT_0
}

const CHUNKED = Buffer.from('chunked')

/** Takes in one known field, and cuts its line unless it goes on. */
function take(head: ResponseHead, field: KnownField, bytes: Buffer, base: number): Refusal | null {
  const { fields } = head
  const from = base + fields.valueStart
  const to = base + fields.valueEnd
  switch (field) {
    case 'connection':
      if (!readConnection(head.connection, bytes, from, to)) return refusals.connection
      break
    case 'content-length':
      if (head.contentLength !== -1) return refusals.lengthRepeated
      head.contentLength = decimal(bytes, from, to)
      if (head.contentLength === -1) return refusals.length
      break
    case 'transfer-encoding':
      if (head.coding !== 'none' || hasTabAround(fields, bytes, base)) head.coding = 'other'
      else head.coding = isText(bytes, from, to, CHUNKED) ? 'chunked' : 'other'
      break
    case 'keep-alive': {
      const seconds = /(?:^|,)[ \t]*timeout[ \t]*=[ \t]*"?(\d{1,9})/i.exec(fieldValue(fields, bytes, base))?.[1]
      if (seconds !== undefined) head.keepAliveTimeout = Number(seconds)
      break
    }
    case 'upgrade':
      head.upgrade += head.upgrade === '' ? fieldValue(fields, bytes, base) : ','
      break
    default:
  }
  if (RESPONSE_FATE[field] === 'cut') cut(head.cuts, fields.lineStart, fields.at)
  return null
}

/** What the complete head says. */
function judge(head: ResponseHead, bytes: Buffer, base: number, toHead: boolean): Progress {
  const { status, connection, minor } = head
  head.end = head.fields.at
  head.text = bytes.toString('latin1', base, base + head.end)

  if (head.coding !== 'none') {
    if (minor === 0) return refuse(head, refusals.codingOn10)
    if (head.contentLength !== -1) return refuse(head, refusals.lengthAndCoding)
    if (head.coding === 'other') return refuse(head, refusals.coding)
  }
  if (status < 200 && minor === 0) return refuse(head, refusals.interimOn10)
  if (status === 101) {
    if (!connection.upgrade || head.upgrade === '') return refuse(head, refusals.switching)
  } else head.upgrade = ''

  if (toHead || status < 200 || status === 204 || status === 304) head.body = 'none'
  else if (head.coding === 'chunked') head.body = 'chunked'
  else head.body = head.contentLength === -1 ? 'close' : 'length'

  const kept = minor === 1 ? !connection.close : connection.keepAlive && !connection.close
  head.persistent = kept && head.body !== 'close'
  if (connection.nominated !== null) {
    const { nominated } = connection
    cutLines(head.cuts, head.text, head.fieldsStart, head.end - 2, name => nominated.has(name))
  }
  return 'done'
}

const NEXT_HOP_FAILED = /\r\nproxy-status:[^\r]*;[ \t]*error=(?!proxy_)/i

/** Proxy-Status (RFC 9209): does the gateway say that it is well, and that whoever it asked is not? Its own errors begin with `proxy_`. */
export function blamesNextHop({ text }: ResponseHead): boolean {
  return NEXT_HOP_FAILED.test(text)
}
