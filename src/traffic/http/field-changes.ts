/** What a route does to the fields of a message: names to leave out and lines to add, prepared once. */
import type { Route } from '../../core/nouns.ts'
import { type Cuts, createCuts, cutLines, kept } from './connection.ts'

export interface FieldChanges {
  /** Names in lower case of the fields that do not go on; null: all go on. */
  readonly drops: ReadonlySet<string> | null
  /** Field lines that are put behind those that go on. */
  readonly lines: string
}

export const UNCHANGED: FieldChanges = { drops: null, lines: '' }

/** `UNCHANGED` when there is nothing to do. */
export function compileFields({ set, add, remove }: Route['request_fields']): FieldChanges {
  const drops = new Set([...Object.keys(set), ...remove].map(name => name.toLowerCase()))
  const lines = [...Object.entries(set), ...Object.entries(add)].map(([name, value]) => `${name}: ${value}\r\n`)
  if (drops.size === 0 && lines.length === 0) return UNCHANGED
  return { drops: drops.size === 0 ? null : drops, lines: lines.join('') }
}

/**
 * Whether the field `name` (lower case) does not go on. Neither does one that becomes such a field when its underscores are taken for
 * dashes, as CGI and its heirs do.
 */
function isDropped(drops: ReadonlySet<string>, name: string): boolean {
  return drops.has(name) || (name.includes('_') && drops.has(name.replaceAll('_', '-')))
}

/** Cuts those of the checked field lines `text[from, to)` that do not go on. */
export function cutDropped(cuts: Cuts, text: string, from: number, to: number, { drops }: FieldChanges): void {
  if (drops !== null) cutLines(cuts, text, from, to, name => isDropped(drops, name))
}

/** Checked field lines, each with its CR LF, without those that do not go on; absent changes are none. */
export function withoutDropped(lines: string, changes?: FieldChanges | null): string {
  if (lines === '' || !changes) return lines
  const cuts = createCuts()
  cutDropped(cuts, lines, 0, lines.length, changes)
  return kept(lines, 0, lines.length, cuts)
}
