/**
 * The file as text: YAML 1.2 to plain values, each with its place, so that whatever is wrong later can be pointed at. Nothing in a file
 * can make this throw, run long or grow large: nesting and aliases are bounded.
 */
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  Parser,
  type YAMLError,
} from 'yaml'
import type { Filled } from './environment.ts'
import type { Path } from './findings.ts'
import { quote } from './suggest.ts'

/** Deeper than any configuration, and shallow enough for everything that walks it by recursion. */
const MAX_DEPTH = 64

/** Values that aliases may repeat, all in all. A file of a few lines can multiply to billions. */
const MAX_REPEATED = 100_000

/** Pieces that the text falls into; each costs about a µs. Ten thousand gateways and as many routes are half of it. */
const MAX_LEXEMES = 2_000_000

/** After so many mistakes of one kind the rest is noise. */
const MAX_MISTAKES = 100

export interface Mistake {
  readonly line: number
  readonly column: number
  readonly message: string
}

export interface Place {
  readonly line: number
  readonly column: number
  /** False when the file says nothing at this path: then this is the place where it would belong. */
  readonly exact: boolean
  /** True when the environment filled it. */
  readonly filled: boolean
}

export interface ReadDocument {
  readonly value: unknown
  readonly mistakes: readonly Mistake[]
  /** True when the environment filled in anything at all. */
  readonly filled: boolean
  place(path: Path): Place
}

/** A value with its place, and how many values it is made of. */
interface Spot {
  readonly value: unknown
  readonly at: number
  readonly size: number
  readonly filled: boolean
  /** What is inside, by key or index; `at` is the place of the key, if there is one. */
  readonly parts: ReadonlyMap<string | number, { readonly spot: Spot; readonly at: number }>
}

const NO_PARTS: Spot['parts'] = new Map()

/** Reads `text`; `fill` puts the environment into each text value. */
export function readDocument(text: string, fill: (text: string) => Filled): ReadDocument {
  const position = positions(text)
  const mistakes: Mistake[] = []
  const mistake = (at: number, message: string): void => {
    if (mistakes.length >= MAX_MISTAKES) return
    mistakes.push({ ...position(at), message })
  }
  let anyFilled = false
  const filling = (written: string): Filled => {
    const result = fill(written)
    anyFilled ||= result.filled
    return result
  }
  const root = readRoot(text, position, filling, mistake)
  return {
    value: root.value,
    mistakes,
    filled: anyFilled,
    place(path) {
      let { at } = root
      let spot = root
      for (const key of path) {
        const part = spot.parts.get(key)
        if (part === undefined) return { ...position(at), exact: false, filled: false }
        spot = part.spot
        // The key is where people look for a section; a single value speaks for itself.
        at = spot.parts.size > 0 ? part.at : spot.at
      }
      return { ...position(at), exact: true, filled: spot.filled }
    },
  }
}

type Position = (at: number) => { readonly line: number; readonly column: number }

/** Line and column, both from 1, of an offset in `text`. (yaml's own counter misses the lines inside of what it cannot parse.) */
function positions(text: string): Position {
  const starts = [0]
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) starts.push(end + 1)
  return at => {
    let low = 0
    let high = starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((starts[middle] ?? 0) <= at) low = middle
      else high = middle
    }
    return { line: low + 1, column: at - (starts[low] ?? 0) + 1 }
  }
}

type Report = (at: number, message: string) => void

function readRoot(text: string, position: Position, fill: (text: string) => Filled, mistake: Report): Spot {
  const nothing: Spot = { value: undefined, at: 0, size: 0, filled: false, parts: NO_PARTS }
  const tokens = readTokens(text, mistake)
  if (tokens === undefined) return nothing
  // Keys are compared in `readMap`: the composer compares each with each, which takes forever for a file full of them.
  const composer = new Composer({ prettyErrors: false, uniqueKeys: false, logLevel: 'silent' })
  const [first, second] = composer.compose(tokens, true, text.length)
  const errors = [...(first?.errors ?? []), ...(first?.warnings ?? [])]
  for (const error of firstOfEachLine(errors, position)) mistake(error.pos[0], wordsFor(error, text))
  if (second !== undefined) mistake(second.range[0], 'a configuration is one document: what follows --- is another')
  if (errors.length > 0 || first === undefined) return nothing
  if (first.contents === null || (isScalar(first.contents) && first.contents.value === null)) {
    mistake(0, 'the file is empty: it needs at least version: 1')
    return nothing
  }
  return nodeReader(fill, mistake)(first.contents)
}

/** undefined: nested too deeply to go on with. */
function readTokens(text: string, mistake: Report): CST.Token[] | undefined {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  let lexemes = 0
  let wrong = 0
  for (const lexeme of new Lexer().lex(text)) {
    if (++lexemes > MAX_LEXEMES) {
      mistake(parser.offset, 'the file holds more than anybody can have meant')
      return undefined
    }
    for (const token of parser.next(lexeme)) {
      tokens.push(token)
      if (token.type === 'error') wrong++
    }
    if (wrong > MAX_MISTAKES) return tokens
    if (parser.stack.length > MAX_DEPTH) {
      mistake(Math.max(0, parser.offset - lexeme.length), `nested more than ${MAX_DEPTH} levels deep`)
      return undefined
    }
  }
  tokens.push(...parser.end())
  return tokens
}

/** What follows a syntax error on its line is mostly its consequence. */
function firstOfEachLine(errors: readonly YAMLError[], position: Position): YAMLError[] {
  const seen = new Set<number>()
  return errors.filter(({ pos: [at] }) => {
    const { line } = position(at)
    return !seen.has(line) && seen.add(line)
  })
}

/** Our words for what the parser found: its own repeat the text, and a secret may stand in it. */
function wordsFor({ code, pos: [at] }: YAMLError, text: string): string {
  if (text.startsWith('${', at - 1)) return 'malformed YAML: inside { } and [ ] text with ${ } needs quotes'
  switch (code) {
    case 'BAD_INDENT':
      return 'malformed YAML: the indentation does not fit, or a bracket is not closed'
    case 'TAB_AS_INDENT':
      return 'malformed YAML: tabs cannot indent, use spaces'
    case 'MISSING_CHAR':
      return 'malformed YAML: a closing quote, bracket, comma or colon is missing'
    case 'MULTILINE_IMPLICIT_KEY':
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'KEY_OVER_1024_CHARS':
      return 'malformed YAML: this is not a key; a colon or a line break stands where none belongs'
    case 'BAD_SCALAR_START':
      return 'malformed YAML: text that begins like this needs quotes'
    case 'BAD_DQ_ESCAPE':
      return 'malformed YAML: an unknown escape inside double quotes'
    case 'BAD_ALIAS':
    case 'ALIAS_PROPS':
    case 'MULTIPLE_ANCHORS':
      return 'malformed YAML: a bad anchor or alias; text that begins with & or * needs quotes'
    case 'TAG_RESOLVE_FAILED':
    case 'MULTIPLE_TAGS':
    case 'BAD_COLLECTION_TYPE':
      return 'unknown tag; text that begins with ! needs quotes'
    case 'BAD_DIRECTIVE':
      return 'malformed YAML: a bad directive; text that begins with % needs quotes'
    default:
      return 'malformed YAML: this does not belong here'
  }
}

/** Turns nodes into values with places. Holds the anchors, so one is made for each document. */
function nodeReader(fill: (text: string) => Filled, mistake: Report): (node: Node) => Spot {
  const anchors = new Map<string, Spot>()
  let repeated = 0

  const leaf = (at: number, value: unknown, filled = false): Spot => ({ value, at, size: 1, filled, parts: NO_PARTS })

  function read(node: unknown): Spot {
    if (isAlias(node)) return readAlias(node.source, node.range?.[0] ?? 0)
    const spot = readContent(node)
    const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined
    // Only now: inside of what it names an anchor is not known yet, so nothing can hold itself.
    if (anchor !== undefined) anchors.set(anchor, spot)
    return spot
  }

  function readContent(node: unknown): Spot {
    if (isMap(node)) return readMap(node.items, node.range?.[0] ?? 0)
    if (isSeq(node)) return readList(node.items, node.range?.[0] ?? 0)
    if (isScalar(node)) return readScalar(node.value, node.range?.[0] ?? 0)
    return leaf(0, null)
  }

  function readAlias(name: string, at: number): Spot {
    const target = anchors.get(name)
    if (target === undefined) {
      mistake(at, `there is no anchor ${quote(name)} before this`)
      return leaf(at, null)
    }
    repeated += target.size
    if (repeated <= MAX_REPEATED) return target
    // Told once: from here on every alias is one too many.
    if (repeated - target.size <= MAX_REPEATED) mistake(at, `aliases repeat more than ${MAX_REPEATED} values`)
    return leaf(at, null)
  }

  function readScalar(value: unknown, at: number): Spot {
    if (typeof value === 'string') {
      const { text, filled, problems } = fill(value)
      for (const problem of problems) mistake(at, problem)
      return leaf(at, text, filled)
    }
    if (value === null || typeof value === 'number' || typeof value === 'boolean') return leaf(at, value)
    mistake(at, 'expected text, a number, true or false; anything else needs quotes')
    return leaf(at, null)
  }

  function readList(items: readonly unknown[], at: number): Spot {
    const parts = new Map<number, { spot: Spot; at: number }>()
    const value: unknown[] = []
    let size = 1
    for (const [index, item] of items.entries()) {
      const spot = read(item)
      parts.set(index, { spot, at: spot.at })
      value.push(spot.value)
      size += spot.size
    }
    return { value, at, size, filled: false, parts }
  }

  function readMap(items: readonly { key: unknown; value: unknown }[], at: number): Spot {
    const parts = new Map<string, { spot: Spot; at: number }>()
    const value: Record<string, unknown> = {}
    let size = 1
    for (const item of items) {
      const keyAt = isNode(item.key) ? (item.key.range?.[0] ?? at) : at
      const key = isScalar(item.key) ? item.key.value : undefined
      const spot = item.value === null ? leaf(keyAt, null) : read(item.value)
      size += spot.size
      if (typeof key !== 'string' && typeof key !== 'number') mistake(keyAt, 'a key must be a plain word')
      else if (parts.has(String(key))) mistake(keyAt, `${quote(String(key))} is said twice here`)
      else if (key === '__proto__') mistake(keyAt, 'this key cannot be used')
      else {
        parts.set(String(key), { spot, at: keyAt })
        value[String(key)] = spot.value
      }
    }
    return { value, at, size, filled: false, parts }
  }

  return read
}
