import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Test, test } from 'tap'
import { type AuditEnd, broken } from '../../src/core/audit.ts'
import type { Store } from '../../src/core/store.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { handClock } from '../support/hand-clock.ts'
import { asked, CLUSTER, values } from './samples.ts'

const open = (path: string): Promise<Store> => openEmbeddedStore({ path, cluster: CLUSTER, clock: handClock() })
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

/** What is wrong first in the chain, and where. */
async function fault(store: Store): Promise<readonly [seq: number, why: string] | null> {
  const { anchor, links } = await store.audit({ after: 0, limit: 20_000 })
  let last: AuditEnd = anchor
  for (const link of links) {
    const why = broken(last, link, sha256)
    if (why !== null) return [link.seq, why]
    last = link
  }
  return null
}

/** A closed store with so many audit records. */
async function chainOf(t: Test, records: number): Promise<string> {
  const path = join(t.testdir(), 'gatepool.db')
  await using store = await open(path)
  for (let n = 1; n <= records; n++) {
    await store.write({
      expect: {},
      documents: { access: values(n).access },
      facts: [],
      at: n,
      by: 'ops',
      audit: asked(n),
    })
  }
  return path
}

test('the newest 10,000 audit records are kept; the oldest is bound to the last that went', async t => {
  await using store = await open(':memory:')
  const put = (n: number) => store.write({ expect: {}, documents: {}, facts: [], at: n, by: 'ops', audit: asked(n) })
  for (let n = 1; n <= 10_000; n++) await put(n)
  const { anchor, links } = await store.audit({ after: 0, limit: 20_000 })
  t.match([anchor.seq, links.length, links[0]?.seq, links[2]?.seq], [0, 10_000, 1, 3])
  for (let n = 10_001; n <= 10_003; n++) await put(n)
  const after = await store.audit({ after: 0, limit: 20_000 })
  t.match([after.links.length, after.links[0]?.seq, after.links.at(-1)?.seq], [10_000, 4, 10_003])
  t.strictSame(after.anchor, { seq: 3, hash: links[2]?.hash })
  t.equal(await fault(store), null)
})

test('every byte of a record that is another keeps nothing from opening, and is found at its place', async t => {
  const path = await chainOf(t, 5)
  const whole = readFileSync(path)
  using db = new DatabaseSync(path, { readOnly: true })
  const rows = db.prepare('SELECT seq, previous, hash, text FROM audit').all()
  db.close()
  let flips = 0
  for (const { seq, previous, hash, text } of rows) {
    const row = Buffer.from(`${previous}${hash}${text}`)
    const at = whole.indexOf(row)
    t.ok(at > 0, `record ${seq} is in the file`)
    // One bit of each byte, and another one the next time: quotes, braces and the beginnings of UTF-8 sequences are among them.
    for (let i = 0; i < row.length; i += 3, flips++) {
      const spoiled = Buffer.from(whole)
      spoiled.writeUInt8(spoiled.readUInt8(at + i) ^ (1 << (i % 8)), at + i)
      writeFileSync(path, spoiled)
      await using store = await open(path)
      const [place] = (await fault(store)) ?? []
      if (place !== seq) t.fail(`byte ${i} of record ${seq} was found at ${place}`)
    }
  }
  t.ok(flips > 500, `${flips} flips`)
})

test('a record that is no JSON any more is in no filter’s answer, and the others are', async t => {
  const path = await chainOf(t, 3)
  {
    using db = new DatabaseSync(path)
    db.exec(`UPDATE audit SET text = '{' || text WHERE seq = 2`)
  }
  await using store = await open(path)
  const seqs = async (query: object) => (await store.audit({ limit: 10, ...query })).links.map(({ seq }) => seq)
  t.strictSame(await seqs({ by: 'ops' }), [1, 3])
  t.strictSame(await seqs({}), [1, 2, 3])
  t.strictSame(await fault(store), [2, 'it is not what was written: its hash is another'])
})

test('records that were taken out, put in or exchanged are found', async t => {
  const cases: readonly [change: string, found: readonly [number, string]][] = [
    ['DELETE FROM audit WHERE seq = 1', [2, 'record 1 is missing']],
    ['DELETE FROM audit WHERE seq BETWEEN 3 AND 4', [5, 'record 3 is missing']],
    [
      'DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3',
      [3, 'it is not bound to record 2'],
    ],
    [
      `UPDATE audit SET seq = seq + 10 WHERE seq > 2; UPDATE audit SET seq = seq - 9 WHERE seq > 10;
       INSERT INTO audit SELECT 3, hash, hash, text FROM audit WHERE seq = 2`,
      [3, 'it is not what was written: its hash is another'],
    ],
  ]
  for (const [change, found] of cases) {
    const path = await chainOf(t, 5)
    {
      using db = new DatabaseSync(path)
      db.exec(change)
    }
    await using store = await open(path)
    t.strictSame(await fault(store), found, change)
  }
})

test('a chain with a fault goes on, and the fault stays where it is', async t => {
  const path = await chainOf(t, 3)
  {
    using db = new DatabaseSync(path)
    db.exec(`UPDATE audit SET hash = 'x' || substr(hash, 2) WHERE seq = 3`)
  }
  await using store = await open(path)
  const next = { expect: {}, documents: {}, facts: [], at: 4, by: 'ops', audit: asked(4) }
  t.equal((await store.write(next)).kind, 'written')
  t.strictSame(await fault(store), [3, 'it is not what was written: its hash is another'])
})
