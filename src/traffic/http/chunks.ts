/**
 * Reads a chunked body (RFC 9112 7.1) in place: it answers ranges of the bytes it was given and copies nothing but trailers. Strict and
 * resumable at every byte. Sizes and extensions do not go on; whoever writes the body makes chunks of its own.
 *
 *   for (let at = start; ; at = chunks.at) {
 *     switch (readChunks(chunks, bytes, at, end)) {
 *       case 'data':    … bytes[chunks.dataStart, chunks.dataEnd) …; continue
 *       case 'more':    return            everything was taken
 *       case 'done':    …                 what comes at `chunks.at` is another message
 *       case 'refused': …                 see `chunks.refusal`
 *     }
 *   }
 */
import type { Refusal } from '../../errors.ts'
import { BACKSLASH, CR, DOUBLE_QUOTE, EQUALS, HEX, LF, SEMICOLON, TOKEN, VALUE } from './chars.ts'
import { createFieldCursor, type FieldCursor, fieldName, nextField } from './fields.ts'
import { NOTHING_REFUSED, refusals } from './refusals.ts'
import { mayBeTrailer } from './rules.ts'

/** In bytes. Extensions mean nothing to anybody here; without a limit they are a body that no body limit sees. */
const LONGEST_EXTENSION = 256
const MOST_EXTENSION = 16 * 1024
const LONGEST_TRAILERS = 8 * 1024
const MOST_TRAILERS = 100
/** Enough for 2^53-1 with leading zeros. */
const LONGEST_SIZE = 16

export interface ChunkReader {
  phase: number
  /** The byte behind what was taken by the last call. */
  at: number
  /** The data found by the last call. */
  dataStart: number
  dataEnd: number
  /** Bytes of this chunk's data still to come. */
  remaining: number
  digits: number
  extension: number
  extensions: number
  /** Trailer lines that may go on, each with its CR LF. */
  trailers: string
  refusal: Refusal
  /** Made when the first trailer comes: most bodies have none. */
  trailerSection: TrailerSection | null
}

interface TrailerSection {
  readonly bytes: Buffer
  length: number
  readonly fields: FieldCursor
}

const SIZE = 0
const EXTENSION_NAME_FIRST = 1
const EXTENSION_NAME = 2
const EXTENSION_VALUE_FIRST = 3
const EXTENSION_VALUE = 4
const QUOTED = 5
const QUOTED_PAIR = 6
const QUOTED_END = 7
const SIZE_LF = 8
const DATA = 9
const DATA_CR = 10
const DATA_LF = 11
const AFTER_LAST = 12
const LAST_LF = 13
const TRAILERS = 14

export function createChunkReader(): ChunkReader {
  return {
    phase: SIZE,
    at: 0,
    dataStart: 0,
    dataEnd: 0,
    remaining: 0,
    digits: 0,
    extension: 0,
    extensions: 0,
    trailers: '',
    refusal: NOTHING_REFUSED,
    trailerSection: null,
  }
}

/** Makes the reader ready for another body. */
export function resetChunkReader(reader: ChunkReader): void {
  reader.phase = SIZE
  reader.remaining = 0
  reader.digits = 0
  reader.extension = 0
  reader.extensions = 0
  reader.trailers = ''
  reader.trailerSection = null
}

/** Reads on in `bytes[start, end)`. */
export function readChunks(
  reader: ChunkReader,
  bytes: Buffer,
  start: number,
  end: number,
): 'data' | 'more' | 'done' | 'refused' {
  let i = start
  while (i < end) {
    const byte = bytes[i] as number
    switch (reader.phase) {
      case DATA: {
        const left = end - i
        const size = reader.remaining < left ? reader.remaining : left
        reader.dataStart = i
        reader.dataEnd = i + size
        reader.at = i + size
        reader.remaining -= size
        if (reader.remaining === 0) reader.phase = DATA_CR
        return 'data'
      }
      case DATA_CR:
        if (byte !== CR) return refuse(reader, refusals.chunkEnd)
        reader.phase = DATA_LF
        break
      case DATA_LF:
        if (byte !== LF) return refuse(reader, refusals.chunkEnd)
        reader.phase = SIZE
        break
      case SIZE: {
        const digit = HEX[byte] as number
        if (digit < 16) {
          reader.remaining = reader.remaining * 16 + digit
          reader.digits++
          const tooLarge = reader.remaining > Number.MAX_SAFE_INTEGER || reader.digits > LONGEST_SIZE
          if (tooLarge) return refuse(reader, refusals.chunkTooLarge)
        } else if (reader.digits === 0) return refuse(reader, refusals.chunkSize)
        else if (byte === CR) reader.phase = SIZE_LF
        else if (byte === SEMICOLON) reader.phase = EXTENSION_NAME_FIRST
        else return refuse(reader, refusals.chunkSize)
        break
      }
      case SIZE_LF:
        if (byte !== LF) return refuse(reader, refusals.lineEnd)
        reader.phase = reader.remaining === 0 ? AFTER_LAST : DATA
        reader.digits = 0
        reader.extension = 0
        break
      case AFTER_LAST:
        if (byte !== CR) {
          reader.phase = TRAILERS
          continue
        }
        reader.phase = LAST_LF
        break
      case LAST_LF:
        if (byte !== LF) return refuse(reader, refusals.lineEnd)
        reader.at = i + 1
        return 'done'
      case TRAILERS:
        return readTrailers(reader, bytes, i, end)
      default: {
        const next = extensionPhase(reader.phase, byte)
        if (next === -1) return refuse(reader, refusals.chunkExtension)
        reader.phase = next
        reader.extension++
        reader.extensions++
        const tooLong = reader.extension > LONGEST_EXTENSION || reader.extensions > MOST_EXTENSION
        if (tooLong) return refuse(reader, refusals.chunkExtensionTooLong)
      }
    }
    i++
  }
  reader.at = i
  return 'more'
}

function refuse(reader: ChunkReader, refusal: Refusal): 'refused' {
  reader.refusal = refusal
  return 'refused'
}

/**
 * The phase behind one byte of `;name=value` or `;name="value"` (RFC 9112 7.1.1), -1 for a byte that does not belong. White space
 * around the parts, which the grammar calls bad, is refused.
 */
function extensionPhase(phase: number, byte: number): number {
  const token = TOKEN[byte] !== 0
  switch (phase) {
    case EXTENSION_NAME_FIRST:
      return token ? EXTENSION_NAME : -1
    case EXTENSION_NAME:
      if (byte === EQUALS) return EXTENSION_VALUE_FIRST
      return token ? EXTENSION_NAME : behindExtension(byte)
    case EXTENSION_VALUE_FIRST:
      if (byte === DOUBLE_QUOTE) return QUOTED
      return token ? EXTENSION_VALUE : -1
    case EXTENSION_VALUE:
      return token ? EXTENSION_VALUE : behindExtension(byte)
    case QUOTED:
      if (byte === DOUBLE_QUOTE) return QUOTED_END
      if (byte === BACKSLASH) return QUOTED_PAIR
      return VALUE[byte] === 1 ? QUOTED : -1
    case QUOTED_PAIR:
      return VALUE[byte] === 1 ? QUOTED : -1
    default:
      return behindExtension(byte)
  }
}

function behindExtension(byte: number): number {
  if (byte === SEMICOLON) return EXTENSION_NAME_FIRST
  return byte === CR ? SIZE_LF : -1
}

/** Trailers may come in pieces and are checked as a whole, so they are gathered: at most 8 KiB. */
function readTrailers(reader: ChunkReader, bytes: Buffer, start: number, end: number): 'more' | 'done' | 'refused' {
  reader.trailerSection ??= {
    bytes: Buffer.allocUnsafe(LONGEST_TRAILERS),
    length: 0,
    fields: createFieldCursor(LONGEST_TRAILERS, MOST_TRAILERS, true),
  }
  const section = reader.trailerSection
  const { fields } = section
  const before = section.length
  section.length += bytes.copy(section.bytes, before, start, end)
  for (;;) {
    const found = nextField(fields, section.bytes, 0, section.length)
    switch (found) {
      case 'more':
        // All of it was taken: the cursor may stand one byte further back.
        reader.at = end
        return 'more'
      case 'end':
        reader.at = start + fields.at - before
        return 'done'
      case 'refused':
        return refuse(reader, fields.refusal.code === 'head_too_large' ? refusals.trailersTooLarge : fields.refusal)
      case 'other':
        if (!mayBeTrailer(fieldName(fields, section.bytes, 0))) continue
        reader.trailers += section.bytes.toString('latin1', fields.lineStart, fields.at)
        continue
      default:
    }
  }
}

/** The line that begins a chunk of `size` bytes, which is not 0. Behind the data comes `CHUNK_END`, behind all chunks `LAST_CHUNK`. */
export function chunkLine(size: number): string {
  return `${size.toString(16)}\r\n`
}

export const CHUNK_END = '\r\n'
/** Trailers, if any, come between this and the final CR LF. */
export const LAST_CHUNK = '0\r\n'
