/** What our readers make of a message that comes in pieces, and the message as it would be sent on. */
import { CHUNK_END, chunkLine, createChunkReader, LAST_CHUNK, readChunks } from '../../src/traffic/http/chunks.ts'
import { createPeer } from '../../src/traffic/http/peer.ts'
import { createRequestHead, readRequestHead, requestTarget } from '../../src/traffic/http/request-head.ts'
import { createResponseHead, readResponseHead, resetResponseHead } from '../../src/traffic/http/response-head.ts'
import { downstreamResponseHead, framingFor, upstreamRequestHead } from '../../src/traffic/http/write-head.ts'

/** A message in one line of text, so that two readings of it are the same if their texts are. */
export interface Message {
  /** Method and target, or status. */
  readonly start: string
  /** Names and values in turn. */
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

export interface Accepted {
  readonly kind: 'accepted'
  /** What was read; interim answers first. */
  readonly messages: readonly Message[]
  /** Bytes of it: what follows is another message. */
  readonly end: number
  /** Another message may follow it. */
  readonly persistent: boolean
  /** What we send on, and what a reader of that must find. */
  readonly sent: string
  readonly sentMessages: readonly Message[]
  /** It offers to switch to another protocol, as it came or as it is sent on. */
  readonly offersSwitch: boolean
}

export type Reading =
  | Accepted
  | { readonly kind: 'refused'; readonly why: string }
  /** Bytes are missing. */
  | { readonly kind: 'more' }

const MORE: Reading = { kind: 'more' }

/** Reads a request of which `ends` says up to which byte each piece goes; the last one is the end of `bytes`. */
export function readRequest(bytes: Buffer, ends: readonly number[]): Reading {
  const pieces = new Pieces(bytes, ends)
  const peer = createPeer('192.0.2.7', 'http', 80, () => false)
  const head = createRequestHead({ requestLine: 8192, head: 32_768, fields: 100 }, peer)
  const progress = pieces.untilDone((from, base, end) => readRequestHead(head, from, base, end))
  if (progress === 'more') return MORE
  if (progress === 'refused') return refused(head.refusal)
  const { method } = head.line
  const body = readBody(pieces, head.body, head.end, head.contentLength)
  if (body.kind !== 'read') return body
  const sentHead = upstreamRequestHead(head, 'id', '')
  const target = head.text.slice(head.line.targetStart, head.line.targetEnd)
  const { text, trailers, end, sentTrailers } = body
  return {
    kind: 'accepted',
    messages: [{ start: `${method} ${target}`, fields: fieldsOf(head.text), body: text, trailers }],
    end,
    persistent: head.persistent,
    offersSwitch: head.connection.upgrade,
    sent: sentHead + body.sent,
    sentMessages: [
      { start: `${method} ${requestTarget(head)}`, fields: fieldsOf(sentHead), body: text, trailers: sentTrailers },
    ],
  }
}

/** Reads an answer, and the interim ones before it, as `readRequest` does. A switch of protocols (101) is the end. */
export function readResponse(bytes: Buffer, ends: readonly number[], toHead: boolean): Reading {
  const pieces = new Pieces(bytes, ends)
  const head = createResponseHead(32_768, 100)
  const messages: Message[] = []
  const sentMessages: Message[] = []
  let sent = ''
  let start = 0
  for (;;) {
    const at = start
    const progress = pieces.untilDone((from, base, end) => readResponseHead(head, from, base + at, end, toHead))
    if (progress === 'more') return MORE
    if (progress === 'refused') return refused(head.refusal)
    start = at + head.end
    const { status } = head
    const final = status >= 200
    const switched = status === 101
    const body = readBody(pieces, final ? head.body : 'none', start, head.contentLength)
    if (body.kind !== 'read') return body
    const framing = final ? framingFor(head, 1) : 'none'
    const sentHead = downstreamResponseHead(head, framing, switched ? 'upgrade' : '')
    const { text, trailers, sentTrailers } = body
    messages.push({ start: String(status), fields: fieldsOf(head.text), body: text, trailers })
    sentMessages.push({ start: String(status), fields: fieldsOf(sentHead), body: text, trailers: sentTrailers })
    sent += sentHead + body.sent
    if (final || switched)
      return {
        kind: 'accepted',
        messages,
        end: body.end,
        persistent: head.persistent,
        offersSwitch: switched,
        sent,
        sentMessages,
      }
    resetResponseHead(head)
  }
}

/** Bytes that come in pieces. Behind each piece they lie somewhere else, as they do where they are gathered. */
class Pieces {
  readonly bytes: Buffer
  readonly ends: readonly number[]
  /** The piece that came last. */
  #current = 0
  readonly #elsewhere: Buffer

  constructor(bytes: Buffer, ends: readonly number[]) {
    this.bytes = bytes
    this.ends = ends
    this.#elsewhere = ends.length > 1 ? Buffer.concat([Buffer.from('x:\r\n'), bytes]) : bytes
  }

  /** Bytes that are there by now. */
  get end(): number {
    return this.ends[this.#current] as number
  }

  /** The next piece comes; false: there is none. */
  next(): boolean {
    if (this.#current + 1 >= this.ends.length) return false
    this.#current++
    return true
  }

  untilDone<P extends string>(read: (from: Buffer, base: number, end: number) => P | 'more'): P | 'more' {
    for (;;) {
      const [from, base] =
        this.#current % 2 === 0 ? [this.bytes, 0] : [this.#elsewhere, this.#elsewhere.length - this.bytes.length]
      const progress = read(from, base, base + this.end)
      if (progress !== 'more' || !this.next()) return progress
    }
  }
}

interface Body {
  readonly kind: 'read'
  readonly text: string
  readonly trailers: readonly string[]
  readonly end: number
  /** With our framing. */
  readonly sent: string
  readonly sentTrailers: readonly string[]
}

function readBody(
  pieces: Pieces,
  kind: 'none' | 'length' | 'chunked' | 'close',
  start: number,
  length: number,
): Body | Reading {
  const { bytes } = pieces
  const plain = (end: number): Body => {
    const text = bytes.toString('latin1', start, end)
    return { kind: 'read', text, trailers: [], end, sent: text, sentTrailers: [] }
  }
  switch (kind) {
    case 'none':
      return plain(start)
    case 'length':
      return start + length > bytes.length ? MORE : plain(start + length)
    case 'close': {
      const body = plain(bytes.length)
      const chunk = body.text === '' ? '' : chunkLine(body.text.length) + body.text + CHUNK_END
      return { ...body, sent: `${chunk}${LAST_CHUNK}\r\n` }
    }
    case 'chunked':
      return readChunked(pieces, start)
  }
}

function readChunked(pieces: Pieces, start: number): Body | Reading {
  const { bytes } = pieces
  const chunks = createChunkReader()
  let text = ''
  let sent = ''
  let lastData = start
  for (let at = start; ; at = chunks.at) {
    switch (readChunks(chunks, bytes, at, pieces.end)) {
      case 'data': {
        const data = bytes.toString('latin1', chunks.dataStart, chunks.dataEnd)
        text += data
        sent += chunkLine(data.length) + data + CHUNK_END
        lastData = chunks.dataEnd
        continue
      }
      case 'more':
        if (chunks.at !== pieces.end) throw new Error('the chunk reader left bytes that it was given')
        if (!pieces.next()) return MORE
        continue
      case 'refused':
        return refused(chunks.refusal)
      case 'done': {
        // Between the last chunk's line and the empty line.
        const [, ...lines] = bytes
          .toString('latin1', lastData, chunks.at)
          .replace(/^\r\n/, '')
          .slice(0, -2)
          .split('\r\n')
        return {
          kind: 'read',
          text,
          trailers: lines.slice(0, -1).flatMap(nameAndValue),
          end: chunks.at,
          sent: `${sent}${LAST_CHUNK}${chunks.trailers}\r\n`,
          sentTrailers: chunks.trailers.split('\r\n').slice(0, -1).flatMap(nameAndValue),
        }
      }
    }
  }
}

function refused({ code, detail }: { readonly code: string; readonly detail: string }): Reading {
  return { kind: 'refused', why: `${code}: ${detail}` }
}

/** By a few lines of its own, not by the reader under test. */
function fieldsOf(head: string): string[] {
  const [, ...lines] = head.replace(/^\r\n/, '').slice(0, -4).split('\r\n')
  return lines.flatMap(nameAndValue)
}

function nameAndValue(line: string): [string, string] {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
}
