/**
 * The file of the embedded store: how it is made, locked and checked, and what is in it.
 *
 * One process at a time has it open. The lock is SQLite's own exclusive lock on the file, held from the start to the end: the kernel
 * lets go of it when the process ends, however it ends, so nothing has to be cleaned up after a kill. A lock row or a pid file would
 * outlive its writer.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { StoreError } from './store-error.ts'

export const MEMORY = ':memory:'

/** Tells a store of ours from any other SQLite file: "gpol". */
const APPLICATION_ID = 0x67706f6c
/**
 * How long a process that is about to let go of the file is waited for, ms. By chance, since of several that start at once each may
 * hold a shared lock and wait for the others to give up: the most patient gets the file.
 */
const busyTimeout = () => Math.round(100 + Math.random() * 200)

/**
 * Step n leads from schema version n to n + 1; a new file takes them all. A step that was released is never changed again.
 * Texts are JSON, and `quick_check` holds them to it: what it lets through can be parsed.
 */
const STEPS = [
  `
  CREATE TABLE counter (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    revision INTEGER NOT NULL
  ) STRICT;
  INSERT INTO counter VALUES (1, 0);

  -- by: who asked for the last write of it.
  CREATE TABLE document (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;

  -- The newest revisions of the definitions.
  CREATE TABLE history (
    revision INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;

  -- The newest facts in the order in which they were told.
  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    fact TEXT NOT NULL CHECK (json_valid(fact))
  ) STRICT;

  CREATE TABLE beats (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;
`,
  `
  -- The newest records of the audit chain. Whether a text is what was written, its hash says: one that is damaged must not keep the store
  -- from being opened, so it is not held to be JSON.
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    text TEXT NOT NULL
  ) STRICT;

  -- The last record that was trimmed.
  CREATE TABLE audit_anchor (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;

  -- When tokens were last used.
  CREATE TABLE uses (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;

  -- Which event each webhook was told last.
  CREATE TABLE cursors (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;
`,
]

/** Kept in the file as `user_version`. */
const SCHEMA_VERSION = STEPS.length

/**
 * Opens the database in `path` for this process alone; makes it (0600) and its folder (0700) if they are not there.
 * Throws a StoreError when it is in use, damaged, of another program or of a newer version; then it is left as it was.
 */
export function openDatabase(path: string): DatabaseSync {
  // Absolute, so that no name is taken for a `file:` URI.
  const file = path === MEMORY ? path : resolve(path)
  try {
    if (file !== MEMORY) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      makeFile(file)
      look(file)
    }
    return take(file)
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw new StoreError('store_unavailable', `${path}: ${explain(error)}`, { cause: error })
  }
}

/**
 * Makes an empty file that only its owner may use; SQLite gives the -wal file the same mode. A file that is there is not opened: to
 * close it again would give up every lock that this process has on it (POSIX, `fcntl`).
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}

/**
 * Checks the file before it is opened for writing. Closing a writing connection moves the -wal file into the database, and that would
 * spoil a file which somebody still wants to save, such as an old copy put beside a newer -wal.
 */
function look(file: string): void {
  using db = new DatabaseSync(file, { readOnly: true, timeout: busyTimeout() })
  try {
    examine(db, file)
  } catch (error) {
    // A rollback journal is left only by a kill during the very first start, before there was anything to lose: `take` undoes it.
    if (primaryCode(error) !== SQLITE_READONLY) throw error
  }
}

function take(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: busyTimeout() })
  try {
    // Before the first access to a WAL database: then the lock comes with that access and no -shm file is needed.
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    const version = examine(db, file)
    db.exec('PRAGMA journal_mode = WAL')
    const missing = STEPS.slice(version)
    if (missing.length > 0) {
      db.exec(`BEGIN EXCLUSIVE; ${missing.join('')}
        PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`)
    }
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** The schema version of the file; 0: there is nothing in it yet. */
function examine(db: DatabaseSync, file: string): number {
  const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  const problem = pragma('quick_check(1)')
  if (problem !== 'ok') throw new StoreError('store_unavailable', `${file}: the database is damaged: ${problem}`)
  if (db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined) return 0
  if (pragma('application_id') !== APPLICATION_ID) {
    throw new StoreError('store_unavailable', `${file}: a database of another program`)
  }
  const version = Number(pragma('user_version'))
  if (version > SCHEMA_VERSION) {
    const versions = `schema version ${version}, this program knows ${SCHEMA_VERSION}`
    throw new StoreError('store_newer', `${file}: written by a newer version of gatepool (${versions})`)
  }
  return version
}

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  switch (primaryCode(error)) {
    case SQLITE_BUSY:
      return 'in use by another process'
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return `the database is damaged: ${message}`
    default:
      return message
  }
}

/** True for what SQLite itself says no to: a full disk, an I/O error, a damaged page. */
export function isSqliteError(error: unknown): error is Error & { readonly errcode: number } {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
}

/** An extended result code carries the primary one in its lowest byte. */
const primaryCode = (error: unknown): number | undefined => (isSqliteError(error) ? error.errcode & 0xff : undefined)
