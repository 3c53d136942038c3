/** Audit records as the scripts take them. */
import { createHash } from 'node:crypto'
import { type AuditEnd, type AuditLink, link as bind } from '../../core/audit.ts'
import type { AuditDraft } from '../../core/store.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The record of `draft` as it follows `last`. */
export const link = (last: AuditEnd, draft: AuditDraft): AuditLink => bind(last, draft, sha256)

/** What `takeRecord` takes: the end that the record is bound to, and the record. */
export const recordArguments = ({ seq, previous, hash, text }: AuditLink): (string | number)[] => [
  ...[seq - 1, previous],
  ...[seq, hash, text],
]
