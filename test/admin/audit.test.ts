import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Test, test } from 'tap'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { type TestAdmin, testAdmin } from '../support/admin.ts'
import { handClock } from '../support/hand-clock.ts'

const AUDIT = '/api/v1/audit'
const NOTHING_BEFORE = { seq: 0, hash: '0'.repeat(64) }

interface AuditRecord {
  readonly seq: number
  readonly previous: string
  readonly hash: string
  readonly damaged?: true
}

/** Makes so many tokens, each of which leaves a record. */
async function makeTokens(it: TestAdmin, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) {
    const { status } = await it.send('POST', '/api/v1/tokens', { name: `t-${n}`, role: 'viewer' })
    if (status !== 201) throw new Error(String(status))
  }
}

async function listed(it: TestAdmin, query = ''): Promise<{ items: AuditRecord[]; next: string | null }> {
  return (await (await it.ask(`${AUDIT}?${query}`)).json()) as { items: AuditRecord[]; next: string | null }
}

const verified = async (it: TestAdmin, query = '') => (await it.ask(`${AUDIT}/verify?${query}`)).json()

test('what was asked for is listed with who, what, before and after, and the id of the request', async t => {
  await using it = await testAdmin()
  const made = await it.send('POST', '/api/v1/tokens', { name: 'ops', role: 'operator' })
  const { id } = (await made.json()) as { id: string }
  const token = { name: 'ops', id, role: 'operator', created_at: it.clock.now() }
  await it.ask('/api/v1/tokens/ops', { method: 'DELETE' })
  const refused = await it.ask('/api/v1/tokens/ops', { method: 'DELETE' })
  t.equal(refused.status, 404)
  const { items } = await listed(it)
  const by = { by: 'bootstrap', at: it.clock.now(), subject: 'token:ops', request_id: /^[0-9a-f]{16}-[0-9a-z]+$/ }
  t.match(items, [
    { seq: 1, action: 'create_token', before: null, after: token, ...by },
    { seq: 2, action: 'delete_token', before: token, after: null, ...by },
  ])
  t.equal(items.length, 2)
  t.equal(items[1]?.previous, items[0]?.hash)
})

test('audit records are read in parts and chosen by who, what and whom', async t => {
  await using it = await testAdmin()
  await makeTokens(it, 5)
  await it.ask('/api/v1/tokens/t-2', { method: 'DELETE' })
  const seqs = async (query: string) => {
    const { items, next } = await listed(it, query)
    return [items.map(({ seq }) => seq), next]
  }
  t.strictSame(await seqs(''), [[1, 2, 3, 4, 5, 6], null])
  t.strictSame(await seqs('limit=2'), [[5, 6], null])
  t.strictSame(await seqs('limit=4&after=0'), [[1, 2, 3, 4], '4'])
  t.strictSame(await seqs('limit=4&after=4'), [[5, 6], null])
  t.strictSame(await seqs('subject=token:t-2'), [[2, 6], null])
  t.strictSame(await seqs('subject=token:t-2&after=0&limit=1'), [[2], '2'])
  t.strictSame(await seqs('action=delete_token&by=bootstrap'), [[6], null])
  t.strictSame(await seqs('by=nobody'), [[], null])
  for (const bad of ['after=x', 'after=-1', 'limit=0', 'who=me']) {
    t.equal((await it.ask(`${AUDIT}?${bad}`)).status, 400, bad)
  }
})

test('a chain that is whole is verified, with its ends', async t => {
  await using it = await testAdmin()
  const empty = { unbroken: true, records: 0, anchor: NOTHING_BEFORE, head: NOTHING_BEFORE, broken: null, noted: null }
  t.strictSame(await verified(it), empty)
  await makeTokens(it, 3)
  const { items } = await listed(it)
  const head = { seq: 3, hash: items[2]?.hash }
  t.strictSame(await verified(it), { ...empty, records: 3, head })
})

test('an end that was noted is looked for', async t => {
  await using it = await testAdmin()
  await makeTokens(it, 3)
  const { items } = await listed(it)
  const [first, second] = items
  const other = 'a'.repeat(64)
  t.match(await verified(it, `seq=2&hash=${second?.hash}`), { unbroken: true, noted: 'found' })
  t.match(await verified(it, `seq=0&hash=${NOTHING_BEFORE.hash}`), { unbroken: true, noted: 'found' })
  t.match(await verified(it, `seq=2&hash=${first?.hash}`), { unbroken: false, broken: { seq: 2, why: /noted/ } })
  t.match(await verified(it, `seq=4&hash=${other}`), {
    unbroken: false,
    noted: null,
    broken: { seq: 4, why: 'it was noted, and is missing' },
  })
  for (const bad of ['seq=2', `hash=${other}`, 'seq=2&hash=abc'])
    t.equal((await it.ask(`${AUDIT}/verify?${bad}`)).status, 400, bad)
})

test('ten thousand records and more are verified; an end older than the oldest kept is told to be trimmed', async t => {
  await using it = await testAdmin()
  for (let n = 0; n < 10_002; n++) {
    const audit = { at: n, by: 'test', action: 'x', subject: 'y', request_id: '', before: null, after: { n } }
    await it.store.write({ expect: {}, documents: {}, facts: [], at: n, by: 'test', audit })
  }
  const anchor = { seq: 2 }
  t.match(await verified(it), { unbroken: true, records: 10_000, anchor, head: { seq: 10_002 } })
  const trimmed = await verified(it, `seq=1&hash=${'a'.repeat(64)}`)
  t.match(trimmed, { unbroken: true, noted: 'trimmed', anchor })
  t.match(await verified(it, `seq=2&hash=${'a'.repeat(64)}`), { unbroken: false, broken: { seq: 2 }, noted: 'found' })
})

/** An admin API over a store file with `records` in its audit chain, which `spoil` has changed while it was closed. */
async function spoilt(t: Test, records: number, spoil: (path: string) => void): Promise<TestAdmin> {
  const path = join(t.testdir(), 'gatepool.db')
  const clock = handClock()
  {
    await using store = await openEmbeddedStore({ path, cluster: 'test', clock })
    for (let n = 1; n <= records; n++) {
      const audit = { at: n, by: 'ops', action: 'create_pool', subject: `pool:p-${n}`, request_id: `r-${n}` }
      const change = { before: null, after: { title: `Pool ${n}` } }
      const rest = { expect: {}, documents: {}, facts: [], at: n, by: 'ops' }
      await store.write({ ...rest, audit: { ...audit, ...change } })
    }
  }
  spoil(path)
  const store = await openEmbeddedStore({ path, cluster: 'test', clock })
  t.teardown(() => store[Symbol.asyncDispose]())
  return testAdmin({ store })
}

test('one flipped byte in the file is found and located, and the store still opens', async t => {
  // In the middle of a word, a quote, a brace: it stays JSON, or it does not.
  for (const [byte, put] of [
    ['Pool 7', 'Pool 8'],
    ['"r-7"', '"r-7}'],
    ['{"seq":7', '["seq":7'],
    ['{"seq":7', '{"seq":9'],
  ] as const) {
    await using it = await spoilt(t, 12, path => {
      const bytes = readFileSync(path)
      const at = bytes.indexOf(byte)
      if (at < 0) t.fail(`no ${byte} in the file`)
      writeFileSync(path, bytes.fill(put, at, at + put.length))
    })
    const broken = { seq: 7, why: 'it is not what was written: its hash is another' }
    t.match(await verified(it), { unbroken: false, records: 12, broken }, put)
    const { items } = await listed(it)
    t.equal(items.length, 12)
    if (put.startsWith('[') || put.endsWith('}')) t.match(items[6], { seq: 7, damaged: true, by: '', after: null })
  }
})

test('a chain that was made to fit again after a change is found by an end that was noted before', async t => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  let noted = ''
  await using it = await spoilt(t, 5, path => {
    using db = new DatabaseSync(path)
    noted = String(db.prepare('SELECT hash FROM audit WHERE seq = 5').get()?.hash)
    db.exec(`UPDATE audit SET text = replace(text, 'Pool 3', 'Pool x') WHERE seq = 3`)
    const put = db.prepare('UPDATE audit SET previous = ?, hash = ? WHERE seq = ?')
    let previous = '0'.repeat(64)
    for (const { seq, text } of db.prepare('SELECT seq, text FROM audit ORDER BY seq').all()) {
      const hash = sha256(previous + String(text))
      put.run(previous, hash, Number(seq))
      previous = hash
    }
  })
  t.match(await verified(it), { unbroken: true })
  t.match(await verified(it, `seq=5&hash=${noted}`), { unbroken: false, broken: { seq: 5 } })
})
