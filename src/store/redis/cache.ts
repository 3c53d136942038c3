/**
 * The replica's own copy of what it last saw in Redis, so that it starts and serves while Redis is away. The file is made, locked and
 * checked as that of the embedded store is; it holds the documents and what is needed to know the store again. Losing it loses nothing but
 * that: Redis has the truth.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Clock } from '../../clock.ts'
import { type AuditEnd, ORIGIN } from '../../core/audit.ts'
import type { Documents } from '../../core/events.ts'
import { EMPTY, type Values } from '../../core/store.ts'
import { openDatabase } from '../embedded-schema.ts'
import { DOCUMENTS } from './documents.ts'

/** Ms that pass at most between a change and its being in the file. */
const SETTLE = 200

export interface Remembered {
  /** Of the store that the documents are from. */
  readonly generation: string
  readonly documents: Partial<Documents>
  /** Which version of each of them it is. */
  readonly tags: Readonly<Record<string, string>>
  /** The highest revision that was seen. */
  readonly seen: number
  /** Where the audit chain ended. */
  readonly audit: AuditEnd
  /** Redis's clock less this machine's, ms; null: not known. */
  readonly offset: number | null
}

export interface Cache extends Disposable {
  read(): Remembered
  /** Puts what changed into the file, soon. */
  keep(what: Remembered): void
}

/** The row beside the documents. */
const ABOUT = 'redis'

/** Throws a StoreError when the file cannot be used. `onError` is told of a change that could not be put into it. */
export function openCache(path: string, clock: Clock, onError: (error: unknown) => void): Cache {
  const db = openDatabase(path)
  const select = db.prepare('SELECT revision, value FROM document WHERE name = ?')
  const put = db.prepare('REPLACE INTO document (name, revision, at, by, value) VALUES (?, ?, ?, ?, ?)')
  /** What is in the file. */
  let kept: Partial<Documents> = {}
  let waiting: Remembered | null = null
  let timer: Disposable | null = null

  const write = () => {
    timer = null
    const what = waiting
    waiting = null
    if (what === null) return
    try {
      inTransaction(db, () => {
        for (const name of DOCUMENTS) {
          const document = what.documents[name]
          if (document === undefined || kept[name] === document) continue
          put.run(name, document.revision, clock.now(), ABOUT, JSON.stringify(document.value))
        }
        const { documents: _, ...about } = what
        put.run(ABOUT, 0, clock.now(), ABOUT, JSON.stringify(about))
      })
      kept = what.documents
    } catch (error) {
      onError(error)
    }
  }

  const readDocument = (name: keyof Values): Partial<Documents> => {
    const row = select.get(name)
    if (row === undefined) return {}
    return { [name]: { revision: Number(row.revision), value: { ...EMPTY[name], ...JSON.parse(String(row.value)) } } }
  }

  return {
    read() {
      const about: Partial<Remembered> = JSON.parse(String(select.get(ABOUT)?.value ?? '{}'))
      const { generation = '', tags = {}, seen = 0, audit = ORIGIN, offset = null } = about
      kept = Object.assign({}, ...DOCUMENTS.map(readDocument))
      return { generation, tags, seen, audit, offset, documents: kept }
    },
    keep(what) {
      waiting = what
      timer ??= clock.after(SETTLE, write)
    },
    [Symbol.dispose]() {
      timer?.[Symbol.dispose]()
      write()
      db.close()
    },
  }
}

function inTransaction(db: DatabaseSync, step: () => void): void {
  db.exec('BEGIN')
  try {
    step()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
