/** The Connection field (RFC 9110 7.6.1), and the cuts that it and the other hop-by-hop fields leave in a head. */
import { COMMA, isText, SPACE, TAB, TOKEN } from './chars.ts'
import { mayBeNominated } from './rules.ts'

/** What the Connection fields of one head said. */
export interface ConnectionOptions {
  close: boolean
  keepAlive: boolean
  upgrade: boolean
  /** Other fields that are declared hop by hop, in lower case; null: none, as nearly always. */
  nominated: Set<string> | null
}

export function createConnectionOptions(): ConnectionOptions {
  return { close: false, keepAlive: false, upgrade: false, nominated: null }
}

export function resetConnectionOptions(options: ConnectionOptions): void {
  options.close = false
  options.keepAlive = false
  options.upgrade = false
  options.nominated = null
}

const KEEP_ALIVE = Buffer.from('keep-alive')
const CLOSE = Buffer.from('close')
const UPGRADE = Buffer.from('upgrade')

/** Adds what `bytes[from, to)`, the value of a Connection field, says. False when it is not a list of tokens. */
export function readConnection(options: ConnectionOptions, bytes: Buffer, from: number, to: number): boolean {
  if (isText(bytes, from, to, KEEP_ALIVE)) {
    options.keepAlive = true
    return true
  }
  let i = from
  while (i < to) {
    while (i < to && (bytes[i] === SPACE || bytes[i] === TAB || bytes[i] === COMMA)) i++
    const start = i
    while (i < to && TOKEN[bytes[i] as number] !== 0) i++
    if (i > start) addOption(options, bytes, start, i)
    while (i < to && (bytes[i] === SPACE || bytes[i] === TAB)) i++
    if (i < to && bytes[i] !== COMMA) return false
  }
  return true
}

function addOption(options: ConnectionOptions, bytes: Buffer, from: number, to: number): void {
  if (isText(bytes, from, to, KEEP_ALIVE)) options.keepAlive = true
  else if (isText(bytes, from, to, CLOSE)) options.close = true
  else if (isText(bytes, from, to, UPGRADE)) options.upgrade = true
  else {
    const name = bytes.toString('latin1', from, to).toLowerCase()
    if (!mayBeNominated(name)) return
    options.nominated ??= new Set()
    options.nominated.add(name)
  }
}

/** Ranges of a head that do not go on: pairs of offsets in `ranges[0, length)`, ascending, not overlapping. */
export interface Cuts {
  readonly ranges: number[]
  length: number
}

export function createCuts(): Cuts {
  return { ranges: [], length: 0 }
}

/** Adds a range behind all others. */
export function cut(cuts: Cuts, from: number, to: number): void {
  const { ranges, length } = cuts
  if (length > 0 && ranges[length - 1] === from) {
    ranges[length - 1] = to
    return
  }
  ranges[length] = from
  ranges[length + 1] = to
  cuts.length = length + 2
}

/** Adds a range anywhere; one that is cut already stays cut once. */
export function cutBetween(cuts: Cuts, from: number, to: number): void {
  cutAll(cuts, [[from, to]])
}

/** Adds ranges anywhere, all at once: a head of many lines is sorted a single time. */
function cutAll(cuts: Cuts, pairs: [from: number, to: number][]): void {
  const { ranges } = cuts
  for (let k = 0; k < cuts.length; k += 2) pairs.push([ranges[k] as number, ranges[k + 1] as number])
  pairs.sort(([a], [b]) => a - b)
  cuts.length = 0
  for (const [from, to] of pairs) {
    const last = cuts.length - 1
    if (last > 0 && from < (ranges[last] as number)) ranges[last] = Math.max(ranges[last] as number, to)
    else cut(cuts, from, to)
  }
}

/** `text[from, to)` without the cuts. */
export function kept(text: string, from: number, to: number, cuts: Cuts): string {
  const { ranges, length } = cuts
  if (length === 0) return text.slice(from, to)
  let out = text.slice(from, ranges[0])
  for (let k = 1; k + 1 < length; k += 2) out += text.slice(ranges[k], ranges[k + 1])
  return out + text.slice(ranges[length - 1], to)
}

/** Visits the checked field lines `text[from, to)`: the name in lower case, where its line starts, its colon, and the line after it. */
function eachLine(
  text: string,
  from: number,
  to: number,
  visit: (name: string, line: number, colon: number, next: number) => void,
): void {
  let line = from
  while (line < to) {
    const next = text.indexOf('\r\n', line) + 2
    const colon = text.indexOf(':', line)
    visit(text.slice(line, colon).toLowerCase(), line, colon, next)
    line = next
  }
}

/** Cuts every one of the checked field lines `text[from, to)` whose name (lower case) `goes`. */
export function cutLines(cuts: Cuts, text: string, from: number, to: number, goes: (name: string) => boolean): void {
  const found: [from: number, to: number][] = []
  eachLine(text, from, to, (name, line, _, next) => {
    if (goes(name)) found.push([line, next])
  })
  if (found.length > 0) cutAll(cuts, found)
}

/** The values of all fields of that name (lower case) in the checked field lines `text[from, to)`. */
export function fieldValues(text: string, from: number, to: number, name: string): readonly string[] {
  const values: string[] = []
  eachLine(text, from, to, (found, _, colon, next) => {
    if (found === name) values.push(trimmed(text, colon + 1, next - 2))
  })
  return values
}

/** The value of the first of them; undefined: no such field. */
export function findField(text: string, from: number, to: number, name: string): string | undefined {
  return fieldValues(text, from, to, name)[0]
}

/** Without the blanks and tabs around it. A regular expression for the end would look at every run of blanks inside again and again. */
function trimmed(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB
}
