import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { handClock } from '../support/hand-clock.ts'
import { asked, beats, CLUSTER, definitions, draft, holds, values } from './samples.ts'

/** As version 1 of the schema made it, word for word. */
const VERSION_1 = `
  CREATE TABLE counter (only INTEGER PRIMARY KEY CHECK (only = 1), revision INTEGER NOT NULL) STRICT;
  CREATE TABLE document (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;
  CREATE TABLE history (
    revision INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    value TEXT NOT NULL CHECK (json_valid(value))
  ) STRICT;
  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    fact TEXT NOT NULL CHECK (json_valid(fact))
  ) STRICT;
  CREATE TABLE beats (only INTEGER PRIMARY KEY CHECK (only = 1), value TEXT NOT NULL CHECK (json_valid(value))) STRICT;
  PRAGMA application_id = 0x67706f6c;
  PRAGMA user_version = 1;
`

test('a store of schema version 1 keeps everything and becomes one of today', async t => {
  const path = join(t.testdir(), 'gatepool.db')
  const fact = { ...draft('home'), id: '1-1', cluster: CLUSTER }
  {
    using db = new DatabaseSync(path)
    db.exec(`PRAGMA journal_mode = WAL; ${VERSION_1} INSERT INTO counter VALUES (1, 2)`)
    const put = db.prepare('INSERT INTO document VALUES (?, ?, 1, ?, ?)')
    put.run('definitions', 1, 'file', JSON.stringify(definitions(1)))
    put.run('holds', 2, 'ops', JSON.stringify(holds(2)))
    db.prepare('INSERT INTO history VALUES (1, 1, ?, ?)').run('file', JSON.stringify(definitions(1)))
    db.prepare('INSERT INTO event VALUES (1, ?, ?, ?, ?)').run(fact.id, fact.kind, fact.subject, JSON.stringify(fact))
    db.prepare('INSERT INTO beats VALUES (1, ?)').run(JSON.stringify(Object.fromEntries(beats(1))))
  }
  const open = () => openEmbeddedStore({ path, cluster: CLUSTER, clock: handClock() })
  {
    await using store = await open()
    const documents = await store.read()
    t.strictSame(documents.definitions, { revision: 1, value: definitions(1) })
    t.strictSame(documents.holds, { revision: 2, value: holds(2) })
    t.equal(documents.access.revision, 0)
    t.strictSame(await store.events({ limit: 10 }), [fact])
    t.strictSame(await store.history({ limit: 10 }), [{ revision: 1, at: 1, by: 'file' }])
    t.strictSame(await store.readBeats(), beats(1))
    t.strictSame((await store.audit({ limit: 10 })).links, [])
    const write = { expect: { definitions: 1, access: 0 }, documents: { access: values(3).access }, facts: [], at: 3 }
    t.match(await store.write({ ...write, by: 'ops', audit: asked(3) }), { kind: 'written', revision: 3 })
    store.saveUses({ abc: 3 })
  }
  await using again = await open()
  t.equal((await again.audit({ limit: 10 })).links.length, 1)
  t.strictSame(await again.readUses(), { abc: 3 })
  await again[Symbol.asyncDispose]()
  using db = new DatabaseSync(path, { readOnly: true })
  t.equal(db.prepare('PRAGMA user_version').get()?.user_version, 2)
})

test('a step to a new schema that cannot be finished leaves the file as it was', async t => {
  const path = join(t.testdir(), 'gatepool.db')
  {
    using db = new DatabaseSync(path)
    db.exec(`${VERSION_1} CREATE TABLE uses (in_the_way TEXT)`)
  }
  const open = openEmbeddedStore({ path, cluster: CLUSTER, clock: handClock() })
  await t.rejects(open, { name: 'StoreError', message: /table uses already exists/ })
  using db = new DatabaseSync(path, { readOnly: true })
  t.equal(db.prepare('PRAGMA user_version').get()?.user_version, 1)
  t.equal(db.prepare(`SELECT count(*) AS n FROM sqlite_schema WHERE name LIKE 'audit%'`).get()?.n, 0)
})
