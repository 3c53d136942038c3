/** The audit chain in the embedded store. Records are written in the transaction of the change that they tell of. */
import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { type AuditEnd, type AuditLink, link, ORIGIN } from '../core/audit.ts'
import type { AuditDraft, AuditPart, AuditQuery } from '../core/store.ts'

/** Records kept; the oldest go first. */
const MOST_RECORDS = 10_000

export interface AuditLog {
  /** Adds the record of `draft`. To be called inside a transaction. */
  put(draft: AuditDraft): void
  query(query: AuditQuery): AuditPart
}

export function openAuditLog(db: DatabaseSync): AuditLog {
  const selectAnchor = db.prepare('SELECT seq, hash FROM audit_anchor')
  const selectLast = db.prepare('SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1')
  const add = db.prepare('INSERT INTO audit (seq, previous, hash, text) VALUES (?, ?, ?, ?)')
  const putAnchor = db.prepare(
    'REPLACE INTO audit_anchor (only, seq, hash) SELECT 1, seq, hash FROM audit WHERE seq = ?',
  )
  const trim = db.prepare('DELETE FROM audit WHERE seq <= ?')
  // What is asked for is read from the very text that was hashed, so that there is no copy of it that could say something else.
  const field = (name: string) =>
    `(:${name} IS NULL OR CASE WHEN json_valid(text) THEN text ->> '$.${name}' END = :${name})`
  const filter = ['by', 'action', 'subject'].map(field).join(' AND ')
  const columns = 'SELECT seq, previous, hash, text FROM audit'
  const selectNewest = db.prepare(`${columns} WHERE ${filter} ORDER BY seq DESC LIMIT :limit`)
  const selectAfter = db.prepare(`${columns} WHERE seq > :after AND ${filter} ORDER BY seq LIMIT :limit`)

  const anchor = (): AuditEnd => end(selectAnchor.get()) ?? ORIGIN

  return {
    put(draft) {
      const { seq, previous, hash, text } = link(end(selectLast.get()) ?? anchor(), draft, sha256)
      add.run(seq, previous, hash, text)
      const last = seq - MOST_RECORDS
      if (last <= 0) return
      putAnchor.run(last)
      trim.run(last)
    },
    query({ after, limit, by = null, action = null, subject = null }) {
      const wanted = { by, action, subject, limit }
      const rows = after === undefined ? selectNewest.all(wanted).reverse() : selectAfter.all({ ...wanted, after })
      return { anchor: anchor(), links: rows.map(stored) }
    },
  }
}

type Row = Readonly<Record<string, unknown>>

const end = (row: Row | undefined): AuditEnd | undefined => row && { seq: Number(row.seq), hash: String(row.hash) }

const stored = ({ seq, previous, hash, text }: Row): AuditLink => ({
  seq: Number(seq),
  previous: String(previous),
  hash: String(hash),
  text: String(text),
})

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
