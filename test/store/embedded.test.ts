import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { type Test, test } from 'tap'
import { EMPTY, type Store, type Write } from '../../src/core/store.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { handClock } from '../support/hand-clock.ts'
import { testContract } from './contract.ts'
import { beats, CLUSTER, definitions, draft, liveness, local, values } from './samples.ts'

const clock = handClock()
const open = (path: string): Promise<Store> => openEmbeddedStore({ path, cluster: CLUSTER, clock })
const write = (store: Store, rest: Partial<Write>) =>
  store.write({ expect: {}, documents: {}, facts: [], at: 1, by: 'system', ...rest })

/** A path in an empty folder that goes with the test. */
const place = (t: Test): string => join(t.testdir(), 'gatepool.db')

/** What is on the disk at this moment, as a process that comes after a kill would find it. */
async function afterKill<T>(path: string, look: (store: Store) => Promise<T>): Promise<T> {
  const copy = join(path, '../copy')
  for (const end of ['', '-wal']) if (existsSync(path + end)) cpSync(path + end, copy + end)
  await using store = await open(copy)
  return await look(store)
}

test('the embedded store keeps the contract', t => {
  testContract(t, t => {
    const path = place(t)
    return () => open(path)
  })
  t.end()
})

test('a write is over in the turn in which it was asked for', async t => {
  await using store = await open(':memory:')
  let over = false
  void write(store, { documents: values(1) }).then(() => {
    over = true
  })
  await Promise.resolve()
  t.equal(over, true)
})

test('a write that a bug breaks off leaves nothing behind', async t => {
  await using store = await open(':memory:')
  await write(store, { documents: values(1) })
  const before = await store.read()
  const unfit = { ...draft('home'), at: 1n as unknown as number }
  await t.rejects(write(store, { documents: values(2), facts: [draft('home'), unfit] }), TypeError)
  t.strictSame(await store.read(), before)
  t.strictSame(await store.events({ limit: 10 }), [])
  t.match(await write(store, { documents: values(2) }), { kind: 'written', revision: 2 })
})

test('the clock of the store is the one it was given', async t => {
  const clock = handClock(1_000)
  await using store = await openEmbeddedStore({ path: ':memory:', cluster: CLUSTER, clock })
  clock.advance(234)
  t.equal(store.now(), 1_234)
})

test('only the owner may read the files', async t => {
  const folder = join(t.testdir(), 'a/b')
  const path = join(folder, 'gatepool.db')
  await using store = await open(path)
  await write(store, { documents: values(1) })
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
  t.equal(mode(folder), '700')
  t.equal(mode(path), '600')
  t.equal(mode(`${path}-wal`), '600')
})

test('what need not be durable at once is written every flushEvery ms, or with the next write', async t => {
  const path = place(t)
  const clock = handClock()
  await using store = await openEmbeddedStore({ path, cluster: CLUSTER, clock, flushEvery: 500 })
  const onDisk = () =>
    afterKill(path, async store => [(await store.events({ limit: 10 })).length, (await store.readBeats()).size])
  store.append([local(1)])
  store.saveBeats(beats(1))
  clock.advance(499)
  t.strictSame(await onDisk(), [0, 0])
  clock.advance(1)
  t.strictSame(await onDisk(), [1, 1])
  store.append([local(2)])
  await write(store, { facts: [draft('home')] })
  t.strictSame(await onDisk(), [3, 1])
  await store[Symbol.asyncDispose]()
  t.equal(clock.waiting, 0, 'no timer is left')
})

test('a fact that was taken before does not keep the others out', async t => {
  await using store = await open(':memory:')
  store.append([local(1)])
  await write(store, { facts: [draft('home')] })
  store.append([local(1), local(2)])
  t.equal((await write(store, {})).kind, 'written')
  const ids = (await store.events({ limit: 10 })).map(({ id }) => id)
  t.strictSame(ids, ['a-boot-1', '1-1', 'a-boot-2'])
})

test('the last 100 revisions of the definitions are kept, with who asked', async t => {
  const path = place(t)
  const store = await open(path)
  await write(store, { documents: { liveness: liveness(1) } })
  for (let n = 2; n <= 106; n++) {
    await write(store, { documents: { definitions: definitions(n) }, at: n * 10, by: `admin-${n}` })
  }
  await store[Symbol.asyncDispose]()
  using db = new DatabaseSync(path, { readOnly: true })
  const rows = db.prepare('SELECT * FROM history ORDER BY revision').all()
  t.equal(rows.length, 100)
  t.match(rows[0], { revision: 7, at: 70, by: 'admin-7', value: JSON.stringify(definitions(7)) })
  t.match(rows[99], { revision: 106, at: 1060, by: 'admin-106' })
  const documents = db.prepare('SELECT name, revision, at, by FROM document ORDER BY name').all()
  t.match(documents, [
    { name: 'definitions', revision: 106, at: 1060, by: 'admin-106' },
    { name: 'liveness', revision: 1, at: 1, by: 'system' },
  ])
})

test('the newest 10,000 events are kept, and no more wait in memory', async t => {
  await using store = await open(':memory:')
  const kept = async () => {
    const facts = await store.events({ limit: 30_000 })
    return [facts.length, facts[0]?.id, facts.at(-1)?.id]
  }
  store.append(Array.from({ length: 12_000 }, (_, n) => local(n)))
  t.strictSame(await kept(), [10_000, 'a-boot-2000', 'a-boot-11999'])
  await write(store, { facts: [draft('x'), draft('y')] })
  t.strictSame(await kept(), [10_000, 'a-boot-2002', '1-2'])
  t.strictSame((await store.events({ after: 'a-boot-1', limit: 1 }))[0]?.id, 'a-boot-2002', 'the cursor is gone')
})

test('a file that cannot be used is a clear error and stays as it is', async t => {
  const folder = t.testdir()
  const path = (name: string) => join(folder, `${name}.db`)
  /** A store with something in it, cleanly closed, and then changed. */
  const changed = async (name: string, change: string) => {
    const store = await open(path(name))
    await write(store, { documents: values(1), facts: [draft('home')] })
    await store[Symbol.asyncDispose]()
    using db = new DatabaseSync(path(name))
    db.exec(change)
  }
  const overwrite = (name: string, find: string, put: Buffer) => {
    const bytes = readFileSync(path(name))
    const at = bytes.indexOf(find)
    if (at < 0) t.fail(`no ${find} in it`)
    put.copy(bytes, at)
    writeFileSync(path(name), bytes)
  }
  const refused = async (name: string, code: string, message: RegExp) => {
    const before = readFileSync(path(name))
    await t.rejects(open(path(name)), { name: 'StoreError', code, message }, name)
    t.ok(readFileSync(path(name)).equals(before), `${name}: not touched`)
  }

  await changed('newer', 'PRAGMA user_version = 3')
  await refused('newer', 'store_newer', /newer\.db: written by a newer version .*schema version 3, .*knows 2/)

  writeFileSync(path('text'), 'this is not a database at all, whatever its name says'.repeat(100))
  await refused('text', 'store_unavailable', /text\.db: the database is damaged: .*not a database/)

  using other = new DatabaseSync(path('foreign'))
  other.exec('CREATE TABLE recipe (name TEXT)')
  other.close()
  await refused('foreign', 'store_unavailable', /foreign\.db: a database of another program/)

  await changed('page', 'PRAGMA user_version = 2')
  const bytes = readFileSync(path('page'))
  writeFileSync(path('page'), bytes.fill(0xa5, 4096, 3 * 4096))
  await refused('page', 'store_unavailable', /page\.db: the database is damaged/)

  await changed('json', 'VACUUM')
  overwrite('json', '{"gateways":{"home":{"state"', Buffer.from('{"gateways":{"home"{{'))
  await refused('json', 'store_unavailable', /json\.db: the database is damaged: CHECK constraint/)

  writeFileSync(join(folder, 'file'), '')
  await t.rejects(open(join(folder, 'file/gatepool.db')), { name: 'StoreError', message: /gatepool\.db: / })
})

test('a damaged file and the -wal file beside it stay as they are', async t => {
  const path = place(t)
  const store = await open(path)
  await write(store, { documents: values(1) })
  await store[Symbol.asyncDispose]()
  const older = readFileSync(path)
  const again = await open(path)
  await write(again, { documents: values(2), facts: [draft('home')] })
  const wal = readFileSync(`${path}-wal`)
  await again[Symbol.asyncDispose]()

  const folder = join(path, '../damaged')
  mkdirSync(folder)
  const copy = join(folder, 'gatepool.db')
  // The last page, the beats, which the -wal file does not replace.
  older.fill(0xa5, older.length - 4096)
  writeFileSync(copy, older)
  writeFileSync(`${copy}-wal`, wal)
  await t.rejects(open(copy), { name: 'StoreError', message: /damaged/ })
  t.ok(readFileSync(copy).equals(older))
  t.ok(readFileSync(`${copy}-wal`).equals(wal))
})

test('a second opening is refused, in this process and in another, until the first is closed or killed', async t => {
  const path = place(t)
  const inUse = { name: 'StoreError', code: 'store_unavailable', message: /gatepool\.db: in use by another process/ }
  const store = await open(path)
  await t.rejects(open(path), inUse)
  t.match(await child(t, 'hold', path).next(), /StoreError: .*in use by another process/)
  await write(store, { documents: values(1) })
  await store[Symbol.asyncDispose]()

  const other = child(t, 'hold', path)
  t.equal(await other.next(), 'open')
  await t.rejects(open(path), inUse)
  await other.kill()
  await using again = await open(path)
  t.equal((await again.read()).definitions.revision, 1)
})

test('a first start that was killed half-way is made anew', async t => {
  const path = place(t)
  const half = child(t, 'half', path)
  t.equal(await half.next(), 'half')
  await half.kill()
  t.ok(existsSync(`${path}-journal`))
  await using store = await open(path)
  t.equal((await write(store, { documents: values(1) })).kind, 'written')
})

test('of several processes that start at once on a new file, one gets it', async t => {
  const path = place(t)
  const answers = await Promise.all([1, 2, 3].map(() => child(t, 'hold', path).next()))
  t.equal(answers.filter(answer => answer === 'open').length, 1, JSON.stringify(answers))
})

test('kill -9 in a storm of writes loses nothing that was acknowledged and leaves nothing half written', async t => {
  const path = place(t)
  for (const acknowledged of [1, 20, 70, 150, 250]) {
    const storm = child(t, 'storm', path)
    let last = 0
    for (let n = 0; n < acknowledged; n++) last = Number(await storm.next())
    for (const line of await storm.kill()) last = Number(line)

    await using store = await open(path)
    const { definitions, holds, liveness } = await store.read()
    const { revision } = liveness
    t.ok(revision === last || revision === last + 1, `acknowledged ${last}, found ${revision}`)
    t.strictSame(liveness, { revision, value: values(revision).liveness })
    const wished = revision - (revision % 4)
    const wishes = wished > 0 ? values(wished) : EMPTY
    t.strictSame(definitions, { revision: wished, value: wishes.definitions })
    t.strictSame(holds, { revision: wished, value: wishes.holds })
    const told = (await store.events({ limit: 10_000, kinds: ['gateway_down'] })).map(({ id, subject }) => [
      id,
      subject,
    ])
    const expected = Array.from({ length: revision * 20 }, (_, i) => {
      const n = Math.floor(i / 20) + 1
      return [`${n}-${(i % 20) + 1}`, `${n}`]
    })
    // All of them, unless the child came so far that the oldest had to go.
    t.ok(told.length === expected.length || told.length > 6_000)
    t.strictSame(told, expected.slice(-told.length))
  }
})

const prlimit = spawnSync('prlimit', ['--version'])

test('a full disk is a refusal; what waits is kept and written once there is room', {
  skip: prlimit.status === 0 ? false : 'needs prlimit (util-linux)',
}, async t => {
  const path = place(t)
  // No file may grow beyond so many blocks of 512 bytes: to write more fails as it does on a full disk. The signal that comes with
  // it is ignored by Node, but not by what the test runner loads into every process.
  const limited = child(t, 'full', path, ['sh', '-c', 'ulimit -S -f 800 && unset NODE_OPTIONS && exec "$@"', 'sh'])
  const full = await limited.next()
  const { taken, revision } = full as { taken: number; revision: number }
  t.ok(taken > 3)
  t.match(full, {
    refused: { kind: 'refusal', code: 'store_unavailable', detail: /the store cannot be written: ./ },
    stands: taken,
    failed: 2,
    last: local(1),
  })
  t.equal(spawnSync('prlimit', ['--pid', `${limited.pid}`, '--fsize=unlimited']).status, 0)
  limited.wake()
  t.strictSame(await limited.next(), { taken: 'written', failed: 2 })
  await limited.end

  await using store = await open(path)
  t.match((await store.read()).definitions, { revision: revision + 1, value: definitions(taken + 1) })
  const ids = (await store.events({ limit: 3 })).map(({ id }) => id)
  t.strictSame(ids, [`${taken}-1`, 'a-boot-1', `${revision + 1}-1`])
  t.strictSame(await store.readBeats(), beats(1))
})

/** Starts `child.ts`, which goes with the test. */
function child(t: Test, what: string, path: string, prefix: readonly string[] = []) {
  const [command = '', ...args] = [...prefix, process.execPath, join(import.meta.dirname, 'child.ts'), what, path]
  const started = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => started.kill('SIGKILL'))
  const end = once(started, 'exit')
  const lines = createInterface(started.stdout)[Symbol.asyncIterator]()
  return {
    pid: started.pid,
    end,
    /** The next thing it says. */
    async next(): Promise<unknown> {
      const { value, done } = await lines.next()
      if (done) throw new Error(`child.ts ${what} ended`)
      return JSON.parse(value)
    },
    wake() {
      started.stdin.write('\n')
    },
    /** Kills it with SIGKILL and returns what it had said until then and was not asked for. */
    async kill(): Promise<unknown[]> {
      started.kill('SIGKILL')
      await end
      const rest: unknown[] = []
      for (let line = await lines.next(); !line.done; line = await lines.next()) rest.push(JSON.parse(line.value))
      return rest
    },
  }
}
