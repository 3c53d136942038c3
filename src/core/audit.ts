/**
 * The audit chain: who asked for what, each record bound to the one before it. A record's hash is the SHA-256 of the previous hash
 * followed by the record's exact stored text, both as hex and JSON text in UTF-8; so a record cannot be changed, taken out or put in without
 * every later hash telling. Trimming keeps the hash of the last record that went (the *anchor*), which the oldest kept one is bound to.
 *
 * What this does not find is a whole chain written anew, or its newest end cut off, by somebody who can write the store: for that, an end
 * that was noted elsewhere is compared.
 */
import type { AuditDraft } from './store.ts'

/** One record as it is stored. */
export interface AuditLink extends AuditEnd {
  /** The hash of the record before it. */
  readonly previous: string
  /** JSON: `seq` and what was drafted. Kept as text, since the text is what was hashed. */
  readonly text: string
}

/** A place in the chain: records are numbered from 1 without gaps. */
export interface AuditEnd {
  readonly seq: number
  /** SHA-256, hex. */
  readonly hash: string
}

/** SHA-256 of a text's UTF-8, hex. Comes in, since `core` has no cryptography of its own. */
export type Sha256 = (text: string) => string

/** What the first record of all is bound to. */
export const ORIGIN: AuditEnd = { seq: 0, hash: '0'.repeat(64) }

/** The record of `draft` as it follows `last`. */
export function link(last: AuditEnd, draft: AuditDraft, sha256: Sha256): AuditLink {
  const seq = last.seq + 1
  const { at, by, action, subject, request_id, before, after } = draft
  const text = JSON.stringify({ seq, at, by, action, subject, request_id, before, after })
  return { seq, previous: last.hash, hash: sha256(last.hash + text), text }
}

/** Why `next` does not follow `last` as it should; null: it does. */
export function broken(last: AuditEnd, next: AuditLink, sha256: Sha256): string | null {
  if (next.seq !== last.seq + 1) return `record ${last.seq + 1} is missing`
  if (next.previous !== last.hash) return `it is not bound to record ${last.seq}`
  if (sha256(next.previous + next.text) !== next.hash) return 'it is not what was written: its hash is another'
  return null
}
