/**
 * Reads a request line (RFC 9112 3) from bytes, strictly and resumably: what arrives in pieces is judged like what arrives whole.
 * Offsets count from the first byte of the message, which may be a CR LF left over from the message before it (RFC 9112 2.2).
 */
import type { Refusal } from '../../errors.ts'
import { CR, DIGIT_0, LF, SLASH, SPACE, TARGET, TOKEN } from './chars.ts'
import { NOTHING_REFUSED, refusals } from './refusals.ts'

/** `more`: bytes are missing; `refused`: see `refusal`. */
export type Progress = 'more' | 'done' | 'refused'

export interface RequestLine {
  /** The longest line in bytes, without its CR LF. */
  readonly maxBytes: number
  /** Where reading goes on; when it is done the byte behind the line. */
  at: number
  /** 0, or 2 behind a leading CR LF. */
  start: number
  /** Each end is 0 until it was seen. */
  methodEnd: number
  targetStart: number
  /** The end of the path of a target in origin-form; 0 for any other form. */
  pathEnd: number
  targetEnd: number
  /** A segment of the path starts with a dot or a percent sign: it may be a dot segment. */
  dotted: boolean
  /** '' until the line is complete. */
  method: string
  /** 1 for HTTP/1.1, 0 for HTTP/1.0. */
  minor: number
  refusal: Refusal
}

export function createRequestLine(maxBytes: number): RequestLine {
  return {
    maxBytes,
    at: 0,
    start: 0,
    methodEnd: 0,
    targetStart: 0,
    pathEnd: 0,
    targetEnd: 0,
    dotted: false,
    method: '',
    minor: 1,
    refusal: NOTHING_REFUSED,
  }
}

export function resetRequestLine(line: RequestLine): void {
  line.at = 0
  line.start = 0
  line.methodEnd = 0
  line.pathEnd = 0
  line.targetEnd = 0
  line.dotted = false
  line.method = ''
}

/** Reads on in `bytes[base, end)`. */
export function readRequestLine(line: RequestLine, bytes: Buffer, base: number, end: number): Progress {
  if (line.at === 0 && base < end && bytes[base] === CR) {
    if (base + 1 === end) return 'more'
    if (bytes[base + 1] !== LF) return refuseLine(line, refusals.lineEnd)
    line.start = 2
    line.at = 2
  }
  const limit = base + line.start + line.maxBytes + 2
  const stop = end < limit ? end : limit
  let i = base + line.at
  if (line.methodEnd === 0) {
    for (; i < stop; i++) if (TOKEN[bytes[i] as number] === 0) break
    if (i === stop) return pause(line, i - base, stop === limit)
    if (bytes[i] !== SPACE || i - base === line.start) return refuseLine(line, refusals.method)
    line.methodEnd = i - base
    i++
    line.targetStart = i - base
  }
  if (line.targetEnd === 0) {
    if (line.pathEnd === 0 && i < stop && bytes[base + line.targetStart] === SLASH) {
      i = goOverPath(line, bytes, i, stop)
      if (i === stop) return pause(line, i - base, stop === limit)
      line.pathEnd = i - base
    }
    for (; i < stop; i++) if (TARGET[bytes[i] as number] === 0) break
    if (i === stop) return pause(line, i - base, stop === limit)
    if (bytes[i] !== SPACE || i - base === line.targetStart) return refuseLine(line, refusals.target)
    line.targetEnd = i - base
    i++
  }
  const version = base + line.targetEnd + 1
  for (; i < stop; i++) {
    const place = i - version
    const byte = bytes[i] as number
    if (byte === VERSION_TEXT[place]) {
      if (place !== LAST) continue
      line.at = i + 1 - base
      return judge(line, bytes, base, version)
    }
    const digit = byte >= DIGIT_0 && byte <= DIGIT_0 + 9
    if (!digit || (place !== MAJOR && place !== MINOR)) {
      return refuseLine(line, place < CR_PLACE ? refusals.version : refusals.lineEnd)
    }
  }
  return pause(line, i - base, stop === limit)
}

/** Where the path in `bytes[from, to)` ends; notes whether it needs a closer look. */
function goOverPath(line: RequestLine, bytes: Buffer, from: number, to: number): number {
  for (let i = from; i < to; i++) {
    const kind = TARGET[bytes[i] as number] as number
    if (kind === 1) continue
    if (kind !== 2) return i
    if (bytes[i - 1] === SLASH) line.dotted = true
  }
  return to
}

/** Leaves off where the bytes end. */
function pause(line: RequestLine, at: number, full: boolean): 'more' | 'refused' {
  line.at = at
  return full ? refuseLine(line, refusals.lineTooLong) : 'more'
}

function refuseLine(line: RequestLine, refusal: Refusal): 'refused' {
  line.refusal = refusal
  return 'refused'
}

/** What nearly every line ends with; in place of its digits there may be others. */
const VERSION_TEXT = Buffer.from('HTTP/1.1\r\n')
const MAJOR = 5
const MINOR = 7
const CR_PLACE = 8
const LAST = 9

/** CONNECT asks for a tunnel, TRACE shows what is not for the client; PRI is the name by which HTTP/2 is told (RFC 9113 3.4). */
const REFUSED: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'PRI'])

/** What the complete line says, in order of what a client should hear first. */
function judge(line: RequestLine, bytes: Buffer, base: number, version: number): Progress {
  line.method = methodName(bytes, base + line.start, base + line.methodEnd)
  line.minor = (bytes[version + MINOR] as number) - DIGIT_0
  if (bytes[version + MAJOR] !== DIGIT_0 + 1) return refuseLine(line, refusals.versionMajor)
  if (line.minor > 1) return refuseLine(line, refusals.version)
  if (REFUSED.has(line.method)) return refuseLine(line, refusals.methodRefused)
  return 'done'
}

/** By length and first letter, of which no two have the same. */
const methods = new Map<number, { readonly name: string; readonly text: Buffer }>()
for (const name of ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE']) {
  methods.set((name.length << 8) | name.charCodeAt(0), { name, text: Buffer.from(name) })
}

/** The method, without allocating for the usual ones. Methods are case-sensitive. */
function methodName(bytes: Buffer, from: number, to: number): string {
  const usual = methods.get(((to - from) << 8) | (bytes[from] as number))
  if (usual !== undefined) {
    let k = 1
    while (k < usual.text.length && bytes[from + k] === usual.text[k]) k++
    if (k === usual.text.length) return usual.name
  }
  return bytes.toString('latin1', from, to)
}
