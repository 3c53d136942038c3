/**
 * Answers as people read them: tables and lines, coloured where the terminal takes it.
 */
import { styleText } from 'node:util'
import { relative } from '../admin/contract/span.ts'

type Style = 'green' | 'yellow' | 'red' | 'gray' | 'bold'

export interface Cell {
  readonly text: string
  readonly style: Style
}

/** Colours `text`, or leaves it. */
export type Paint = (text: string, style: Style) => string

export function painter(color: boolean): Paint {
  return color ? (text, style) => styleText(style, text, { validateStream: false }) : text => text
}

/** Some of it was chosen by gateways: nothing of it may steer the terminal. */
export function plain(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, '?')
}

/** Columns as wide as they have to be, two spaces apart. */
export function table(paint: Paint, head: readonly string[], rows: readonly (readonly (string | Cell)[])[]): string {
  const cells = [head.map((text): Cell => ({ text, style: 'bold' })), ...rows].map(row => row.map(asCell))
  const widths = head.map((_, column) => Math.max(...cells.map(row => width(row[column]))))
  return cells
    .map(
      row =>
        `${row
          .map((cell, column) => put(paint, cell, widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function put(paint: Paint, cell: Plain, room: number): string {
  const { text, style } = cell
  return (style === undefined ? text : paint(text, style)) + ' '.repeat(room - width(cell))
}

interface Plain {
  readonly text: string
  readonly style?: Style
}

function asCell(cell: string | Cell): Plain {
  return typeof cell === 'string' ? { text: plain(cell) } : { ...cell, text: plain(cell.text) }
}

/** What a terminal gives two columns to: East Asian wide characters (Unicode Annex 11), and pictures. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** Columns that `text` takes in a terminal: a letter with its accents is one, a wide character is two. */
export function columns(text: string): number {
  let all = 0
  for (const { segment } of graphemes.segment(text)) all += WIDE.test(segment) ? 2 : 1
  return all
}

const width = (cell: Plain | undefined): number => columns(cell?.text ?? '')

const STYLES: Readonly<Record<string, Style>> = {
  green: 'green',
  up: 'green',
  yellow: 'yellow',
  returning: 'yellow',
  held: 'yellow',
  red: 'red',
  down: 'red',
  ejected: 'red',
}

/** A state or a colour of health, in its colour. */
export function state(text: string): Cell {
  return { text, style: STYLES[text] ?? 'gray' }
}

/** Such as `1 route`, `2 routes`. */
export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`
}

/** A moment as seen from `now`, both ms since 1970. */
export function when(at: number | null, now: number): string {
  return at === null ? '-' : relative(at, now)
}

export interface Served {
  readonly serving: readonly string[]
  readonly serving_as: string
  readonly original: string | null
  /** Who asked for it by hand. */
  readonly by: string | null
  readonly back_at: number | null
  /** The pool that gets the traffic instead. */
  readonly takes_over: string | null
}

/** `home`, or `nas instead of home, back in 40 s`, or `nas instead of home, by anna`: when the original is back at the earliest, or anybody. `nobody, but the pool spare`: it falls back. `-`: none is needed. */
export function serves({ serving, serving_as, original, by, back_at, takes_over }: Served, now: number): string {
  if (serving_as === 'here') return '-'
  const back = back_at === null ? '' : `, back ${relative(back_at, now)}`
  if (serving.length === 0) return `nobody${takes_over === null ? '' : `, but the pool ${takes_over}`}${back}`
  const who = serving.join(', ') + (serving_as === 'emergency' ? ' (emergency)' : '')
  return original === null || original === serving[0]
    ? who
    : `${who} instead of ${original}${by === null ? '' : `, by ${by}`}${back}`
}
