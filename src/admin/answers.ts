/**
 * What HTTP tells of an answer beside its body (RFC 9110): where a new object is, its entity tag, and the preconditions of a request.
 */
import type { IfMatch } from '../core/edits.ts'
import { type Refusal, refuse } from '../errors.ts'

/** An answer with what is told beside it. Handlers that have nothing to add return the bare body. */
export interface Answered<T> {
  readonly kind: 'answered'
  readonly body: T
  /** The revision that last changed the object: its ETag. */
  readonly stamp?: number
  /** Where the object is that was made. */
  readonly location?: string
  /** The body is nothing but what the tag stands for, so that whoever has that tag needs no body (304). */
  readonly complete?: boolean
}

/** What an endpoint that `creates` answers. */
export type Created<T> = Answered<T> & { readonly location: string }

/** `body`, last changed by the revision `stamp`. */
export function answered<T>(body: T, stamp: number, { complete = false } = {}): Answered<T> {
  return { kind: 'answered', body, stamp, complete }
}

/** `body` is what was made and is found at the path `location` from now on. */
export function created<T>(body: T, location: string, stamp?: number): Created<T> {
  return { kind: 'answered', body, location, ...(stamp === undefined ? {} : { stamp }) }
}

export function isAnswered(outcome: unknown): outcome is Answered<unknown> {
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome && outcome.kind === 'answered'
}

export const entityTag = (stamp: number): string => `"${stamp}"`

/** RFC 9110 section 8.8.3: a tag, weak or not, and what follows it. Entries of a list may be empty (section 5.6.1). */
const ENTRY = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)/y

/** The tags of a list; null when it is none. */
function tagsOf(field: string): { readonly weak: boolean; readonly tag: string }[] | null {
  const tags: { weak: boolean; tag: string }[] = []
  for (let at = 0; at < field.length; at = ENTRY.lastIndex) {
    ENTRY.lastIndex = at
    const entry = ENTRY.exec(field)
    if (entry === null) return null
    const [, weak, tag] = entry
    if (tag !== undefined) tags.push({ weak: weak !== undefined, tag })
  }
  return tags.length === 0 ? null : tags
}

/**
 * `If-Match` (section 13.1.1): the revisions that it takes. Compared strongly, so a weak tag matches nothing; neither does one that we
 * cannot have given.
 */
export function readIfMatch(field: string | undefined): IfMatch | Refusal {
  if (field === undefined) return undefined
  if (field.trim() === '*') return '*'
  const tags = tagsOf(field)
  if (tags === null) return refuse('bad_request', 'If-Match is * or a list of entity tags such as "12"')
  return tags.flatMap(({ weak, tag }) => (weak || !/^\d{1,15}$/.test(tag) ? [] : [Number(tag)]))
}

/** Does `If-None-Match` (section 13.1.2) say that the client has it already? What cannot be read says nothing. */
export function isKnown(field: string | undefined, stamp: number): boolean {
  if (field === undefined) return false
  return field.trim() === '*' || (tagsOf(field)?.some(({ tag }) => tag === String(stamp)) ?? false)
}
