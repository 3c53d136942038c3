/**
 * Reads field lines (RFC 9112 5) from bytes, strictly and resumably: a section that arrives in pieces is checked byte by byte exactly
 * like one that arrives whole, and no byte is looked at twice. The reader stops only at fields that mean something to a proxy;
 * what it finds are offsets, nothing is copied.
 *
 * All offsets count from the first byte of the message (`base`), so the bytes may move between two calls.
 */
import type { Refusal } from '../../errors.ts'
import { COLON, CR, DASH, LF, SPACE, TAB, TOKEN, UNDERSCORE, VALUE } from './chars.ts'
import { NOTHING_REFUSED, refusals } from './refusals.ts'
import { KNOWN_FIELDS, type KnownField } from './rules.ts'

/**
 * What `nextField` found: a known field, `collision`: a name that is a known one but for underscores, `other`: any other field (only
 * when `every` was asked for), `end`: the empty line; `more`: bytes are missing; `refused`: see `refusal`.
 */
export type Found = KnownField | 'collision' | 'other' | 'end' | 'more' | 'refused'

export interface FieldCursor {
  /** The section must end within so many bytes of `base`. */
  readonly maxBytes: number
  readonly maxFields: number
  /** Stop at every field, not only at known ones. */
  readonly every: boolean
  /** Where reading goes on; after `end` and after a field the byte behind its line. */
  at: number
  count: number
  /** The line that is being read, and its colon; 0 until that was seen. */
  start: number
  colon: number
  /** The field found last: its line is [lineStart, at), its name [lineStart, nameEnd), its value, trimmed, [valueStart, valueEnd). */
  lineStart: number
  nameEnd: number
  valueStart: number
  valueEnd: number
  refusal: Refusal
}

export function createFieldCursor(maxBytes: number, maxFields: number, every: boolean): FieldCursor {
  return {
    maxBytes,
    maxFields,
    every,
    at: 0,
    count: 0,
    start: 0,
    colon: 0,
    lineStart: 0,
    nameEnd: 0,
    valueStart: 0,
    valueEnd: 0,
    refusal: NOTHING_REFUSED,
  }
}

/** Makes the cursor ready for a section whose first line starts `at` bytes behind `base`. */
export function resetFieldCursor(cursor: FieldCursor, at: number): void {
  cursor.at = at
  cursor.count = 0
  cursor.start = at
  cursor.colon = 0
}

/** Reads on to the next field that matters, in `bytes[base, end)`. */
export function nextField(cursor: FieldCursor, bytes: Buffer, base: number, end: number): Found {
  const limit = base + cursor.maxBytes
  const stop = end < limit ? end : limit
  let i = base + cursor.at
  let start = base + cursor.start
  let colon = cursor.colon === 0 ? 0 : base + cursor.colon
  for (;;) {
    if (colon === 0) {
      for (; i < stop; i++) if (TOKEN[bytes[i] as number] === 0) break
      if (i === stop) break
      if (bytes[i] !== COLON || i === start) {
        if (bytes[i] !== CR || i !== start) return refuseField(cursor, wrongName(bytes[i] as number, i === start))
        if (i + 1 === stop) break
        if (bytes[i + 1] !== LF) return refuseField(cursor, refusals.lineEnd)
        cursor.at = i + 2 - base
        return 'end'
      }
      if (cursor.count === cursor.maxFields) return refuseField(cursor, refusals.tooManyFields)
      cursor.count++
      colon = i++
    }
    for (; i < stop; i++) if (VALUE[bytes[i] as number] === 0) break
    if (i === stop) break
    if (bytes[i] !== CR) return refuseField(cursor, bytes[i] === LF ? refusals.lineEnd : refusals.fieldValue)
    // A last CR is looked at again with what follows it: the only byte that ever is.
    if (i + 1 === stop) break
    if (bytes[i + 1] !== LF) return refuseField(cursor, refusals.lineEnd)
    const field = knownName(bytes, start, colon) ?? (cursor.every ? 'other' : null)
    if (field !== null) {
      keepField(cursor, bytes, base, start, colon, i)
      return field
    }
    i += 2
    start = i
    colon = 0
  }
  cursor.at = i - base
  cursor.start = start - base
  cursor.colon = colon === 0 ? 0 : colon - base
  return stop === limit ? refuseField(cursor, refusals.tooLarge) : 'more'
}

function refuseField(cursor: FieldCursor, refusal: Refusal): 'refused' {
  cursor.refusal = refusal
  return 'refused'
}

/** Why that byte cannot follow in a field name. */
function wrongName(byte: number, first: boolean): Refusal {
  if (byte === SPACE || byte === TAB) return first ? refusals.folded : refusals.spaceBeforeColon
  return byte === LF ? refusals.lineEnd : refusals.fieldName
}

/** Notes the field whose line begins at `start`, has its colon at `colon` and ends with the CR at `end`. */
function keepField(cursor: FieldCursor, bytes: Buffer, base: number, start: number, colon: number, end: number): void {
  let from = colon + 1
  let to = end
  while (from < to && (bytes[from] === SPACE || bytes[from] === TAB)) from++
  while (to > from && (bytes[to - 1] === SPACE || bytes[to - 1] === TAB)) to--
  cursor.lineStart = start - base
  cursor.nameEnd = colon - base
  cursor.valueStart = from - base
  cursor.valueEnd = to - base
  cursor.at = end + 2 - base
  cursor.start = cursor.at
  cursor.colon = 0
}

/** One name or prefix to compare with, and the next one of the same length and first letter. */
interface Candidate {
  readonly field: KnownField
  readonly text: Uint8Array
  readonly next: Candidate | null
}

/**
 * Candidates by length and first letter, so that nearly every field is told to be of no interest by one load. Names of
 * `LONG` bytes and more, which only a family can have, share the slots of length 0.
 */
const LONG = 32
const candidates: (Candidate | null)[] = buildCandidates()

function slotOf(length: number, firstByte: number): number {
  return (length < LONG ? length << 5 : 0) | (firstByte & 31)
}

function buildCandidates(): (Candidate | null)[] {
  const slots = new Array<Candidate | null>(LONG << 5).fill(null)
  // From the last to the first: a chain begins with what the list names first.
  for (const field of KNOWN_FIELDS.toReversed()) {
    const family = field.endsWith('*')
    const text = Buffer.from(family ? field.slice(0, -1) : field, 'latin1')
    const lengths = family
      ? [0, ...Array.from({ length: LONG }, (_, length) => length).slice(text.length)]
      : [text.length]
    for (const length of lengths) {
      const slot = slotOf(length, text[0] as number)
      slots[slot] = { field, text, next: slots[slot] ?? null }
    }
  }
  return slots
}

function knownName(bytes: Buffer, from: number, to: number): KnownField | 'collision' | null {
  let candidate = candidates[slotOf(to - from, bytes[from] as number)] as Candidate | null
  while (candidate !== null) {
    const likeness = compare(bytes, from, candidate.text)
    if (likeness !== DIFFERENT) return likeness === SAME ? candidate.field : 'collision'
    candidate = candidate.next
  }
  return null
}

const DIFFERENT = 0
const SAME = 1
const BUT_FOR_UNDERSCORES = 2

function compare(bytes: Buffer, from: number, text: Uint8Array): number {
  let likeness = SAME
  for (let i = 0; i < text.length; i++) {
    const byte = bytes[from + i] as number
    if ((byte | 0x20) === text[i]) continue
    if (byte !== UNDERSCORE || text[i] !== DASH) return DIFFERENT
    likeness = BUT_FOR_UNDERSCORES
  }
  return likeness
}

/**
 * Whether a tab stands beside the value of the field found last. It is white space as good as a blank (RFC 9110 5.6.3), but not to all who
 * read framing: what they would take for another value must not go on, and is not believed.
 */
export function hasTabAround(cursor: FieldCursor, bytes: Buffer, base: number): boolean {
  const { nameEnd, valueStart, valueEnd, at } = cursor
  for (let i = nameEnd + 1; i < valueStart; i++) if (bytes[base + i] === TAB) return true
  for (let i = valueEnd; i < at - 2; i++) if (bytes[base + i] === TAB) return true
  return false
}

/** The name of the field found last, in lower case. */
export function fieldName(cursor: FieldCursor, bytes: Buffer, base: number): string {
  return bytes.toString('latin1', base + cursor.lineStart, base + cursor.nameEnd).toLowerCase()
}

/** The value of the field found last. */
export function fieldValue(cursor: FieldCursor, bytes: Buffer, base: number): string {
  return bytes.toString('latin1', base + cursor.valueStart, base + cursor.valueEnd)
}
