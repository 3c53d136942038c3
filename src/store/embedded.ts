/**
 * The embedded store: one SQLite file for one process. SQLite is called synchronously, so a write is over when `write` returns its
 * promise: nothing can come between the comparison and the change.
 *
 * Durability: a kill of the process loses no acknowledged write. A power cut loses none of the wishes (definitions, holds, access and who asked
 * for it are synced to the disk before they are acknowledged), but may lose the newest of what is found out again: liveness, facts, beats.
 */
import type { Clock } from '../clock.ts'
import type { Documents, Fact } from '../core/events.ts'
import type { Beats, Uses, Versioned } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { type Cursors, EMPTY, type Store, type Values, type Write, type WriteResult } from '../core/store.ts'
import { refuse } from '../errors.ts'
import { openAuditLog } from './embedded-audit.ts'
import { openEventLog } from './embedded-events.ts'
import { isSqliteError, openDatabase } from './embedded-schema.ts'

const FLUSH_EVERY = 3000
/** Revisions of the definitions kept. */
const MOST_HISTORY = 100

export interface EmbeddedStoreOptions {
  /** The database file, or `:memory:`, which ends with the process. */
  readonly path: string
  /** Named in the facts that it commits. */
  readonly cluster: string
  readonly clock: Clock
  /** How often what need not be durable at once is written, ms. */
  readonly flushEvery?: number
  /** Told of a flush that failed. What it held is kept and tried again with the next one. */
  readonly onError?: (error: unknown) => void
}

/** Opens the store for this process alone. Throws a StoreError, whose message is for the operator, when it cannot be used. */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { path, cluster, clock, flushEvery = FLUSH_EVERY, onError } = options
  const db = openDatabase(path)
  const log = openEventLog(db)
  const audit = openAuditLog(db)

  const begin = db.prepare('BEGIN')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  const nextRevision = db.prepare('UPDATE counter SET revision = revision + 1 RETURNING revision')
  const selectDocument = db.prepare('SELECT revision, value FROM document WHERE name = ?')
  const selectRevision = db.prepare('SELECT revision FROM document WHERE name = ?')
  const putDocument = db.prepare('REPLACE INTO document (name, revision, at, by, value) VALUES (?, ?, ?, ?, ?)')
  const addHistory = db.prepare('INSERT INTO history (revision, at, by, value) VALUES (?, ?, ?, ?)')
  const trimHistory = db.prepare(
    `DELETE FROM history WHERE revision <= (SELECT revision FROM history ORDER BY revision DESC LIMIT 1 OFFSET ${MOST_HISTORY})`,
  )
  const selectHistory = db.prepare(
    'SELECT revision, at, by FROM history WHERE revision < ? ORDER BY revision DESC LIMIT ?',
  )
  const selectPast = db.prepare('SELECT value FROM history WHERE revision = ?')
  const selectBeats = db.prepare('SELECT value FROM beats')
  const putBeats = db.prepare('REPLACE INTO beats (only, value) VALUES (1, ?)')
  const selectUses = db.prepare('SELECT value FROM uses')
  const putUses = db.prepare('REPLACE INTO uses (only, value) VALUES (1, ?)')
  const selectCursors = db.prepare('SELECT value FROM cursors')
  const putCursors = db.prepare('REPLACE INTO cursors (only, value) VALUES (1, ?)')

  let waitingBeats: Beats | null = null
  let waitingUses: Uses | null = null
  let waitingCursors: Cursors | null = null
  let closed = false

  /**
   * Runs `step` whole or not at all. FULL syncs the commit to the disk before it is acknowledged (about 0.5 ms), NORMAL leaves that to
   * the next checkpoint. The level is set first, since SQLite does not change it inside a transaction.
   */
  const transaction = <T>(synchronous: 'FULL' | 'NORMAL', step: () => T): T => {
    db.exec(`PRAGMA synchronous = ${synchronous}`)
    begin.run()
    try {
      const result = step()
      commit.run()
      return result
    } catch (error) {
      // After some errors SQLite has rolled back by itself.
      if (db.isTransaction) rollback.run()
      throw error
    }
  }

  const readDocument = <K extends keyof Values>(name: K): Versioned<Values[K]> => {
    const row = selectDocument.get(name)
    if (row === undefined) return { revision: 0, value: EMPTY[name] }
    // A part that this version added is not there yet.
    return { revision: Number(row.revision), value: { ...EMPTY[name], ...JSON.parse(String(row.value)) } }
  }

  const readDocuments = (): Documents => ({
    definitions: readDocument('definitions'),
    holds: readDocument('holds'),
    liveness: readDocument('liveness'),
    access: readDocument('access'),
  })

  /** Of tokens that there are, the later of what is stored and what waits. */
  const readUses = (): Uses => {
    const stored: Uses = JSON.parse(String(selectUses.get()?.value ?? '{}'))
    const uses = readDocument('access').value.tokens.map(
      ({ id }) => [id, later(stored, waitingUses ?? {}, id)] as const,
    )
    return Object.fromEntries(uses.filter(([, at]) => at > 0))
  }

  const isStale = ([name, revision]: [string, number]) => Number(selectRevision.get(name)?.revision ?? 0) !== revision

  const step = ({ expect, documents, facts, at, by, audit: asked }: Write): WriteResult => {
    if (Object.entries(expect).some(isStale))
      return { kind: 'conflict', documents: readDocuments(), heard: [], facts: [], beats: new Map() }
    const revision = Number(nextRevision.get()?.revision)
    for (const [name, value] of Object.entries(documents)) {
      const text = JSON.stringify(value)
      putDocument.run(name, revision, at, by, text)
      if (name !== 'definitions') continue
      addHistory.run(revision, at, by, text)
      trimHistory.run()
    }
    const told = facts.map((draft, i): Fact => ({ ...draft, id: `${revision}-${i + 1}`, cluster }))
    log.put(told)
    if (asked) audit.put(asked)
    return { kind: 'written', revision, documents: versioned(documents, revision), facts: told }
  }

  const flush = () => {
    if (!log.waits && (waitingBeats ?? waitingUses ?? waitingCursors) === null) return
    try {
      transaction('NORMAL', () => {
        log.put([])
        if (waitingBeats) putBeats.run(JSON.stringify(Object.fromEntries(waitingBeats)))
        if (waitingUses) putUses.run(JSON.stringify(readUses()))
        if (waitingCursors) putCursors.run(JSON.stringify(waitingCursors))
      })
      log.settled()
      waitingBeats = null
      waitingUses = null
      waitingCursors = null
    } catch (error) {
      onError?.(error)
    }
  }
  const flushing = clock.every(flushEvery, flush)

  return {
    now: () => clock.now(),

    async read() {
      return readDocuments()
    },

    async write(write) {
      if (closed) return refuse('store_unavailable', 'the store is closed')
      const { definitions, holds, access } = write.documents
      const isWish = (definitions ?? holds ?? access ?? write.audit) !== undefined
      try {
        const result = transaction(isWish ? 'FULL' : 'NORMAL', () => step(write))
        if (result.kind === 'written') log.settled()
        return result
      } catch (error) {
        if (!isSqliteError(error)) throw error
        return refuse('store_unavailable', `the store cannot be written: ${error.message}`)
      }
    },

    async readBeats() {
      return waitingBeats ?? new Map(Object.entries(JSON.parse(String(selectBeats.get()?.value ?? '{}'))))
    },

    saveBeats(beats) {
      waitingBeats = beats
    },

    async readUses() {
      return readUses()
    },

    saveUses(uses) {
      const before = waitingUses ?? {}
      const ids = Object.keys({ ...before, ...uses })
      waitingUses = Object.fromEntries(ids.map(id => [id, later(before, uses, id)]))
    },

    async readCursors() {
      return waitingCursors ?? JSON.parse(String(selectCursors.get()?.value ?? '{}'))
    },

    saveCursors(cursors) {
      waitingCursors = cursors
    },

    append(facts) {
      log.append(facts)
    },

    async events(query) {
      return log.query(query)
    },

    async keeps(event) {
      return log.keeps(event)
    },

    async audit(query) {
      return audit.query(query)
    },

    async history({ before = Number.MAX_SAFE_INTEGER, limit }) {
      return selectHistory
        .all(before, limit)
        .map(({ revision, at, by }) => ({ revision: Number(revision), at: Number(at), by: String(by) }))
    },

    async definitionsAt(revision) {
      const row = selectPast.get(revision)
      return row === undefined ? undefined : JSON.parse(String(row.value))
    },

    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      flushing[Symbol.dispose]()
      flush()
      db.close()
    },
  }
}

function later(some: Uses, others: Uses, id: string): number {
  return Math.max(own(some, id) ?? 0, own(others, id) ?? 0)
}

function versioned(documents: Partial<Values>, revision: number): Partial<Documents> {
  const { definitions, holds, liveness, access } = documents
  return {
    ...(definitions && { definitions: { revision, value: definitions } }),
    ...(holds && { holds: { revision, value: holds } }),
    ...(liveness && { liveness: { revision, value: liveness } }),
    ...(access && { access: { revision, value: access } }),
  }
}
