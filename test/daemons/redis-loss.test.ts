/** What becomes of a store that has lost something, or is another one. */
import { createHash } from 'node:crypto'
import { type Test, test } from 'tap'
import { broken } from '../../src/core/audit.ts'
import { EMPTY, type SharedStore, type Sync, type Write } from '../../src/core/store.ts'
import { isRefusal } from '../../src/errors.ts'
import { asked, CLUSTER, definitions, draft, local, values } from '../store/samples.ts'
import { type RedisServer, startRedis, withoutRedis } from '../support/redis.ts'
import { storeIn } from '../support/redis-store.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()
const NOTES = { version: '1', started_at: 1, definitions: '', failing: [] }
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const key = (name: string) => `gatepool:{${CLUSTER}}:${name}`

async function put(store: SharedStore, rest: Partial<Write>): Promise<number> {
  const written = await store.write({ expect: {}, documents: {}, facts: [], at: store.now(), by: 'ops', ...rest })
  if (written.kind !== 'written') throw new Error(JSON.stringify(written))
  return written.revision
}

/** What `store` hears from the others, which must not be a refusal. */
async function news(store: SharedStore): Promise<Sync> {
  const answer = await store.sync(NOTES)
  if (isRefusal(answer)) throw new Error(answer.detail)
  return answer
}

/** What it tells of the store itself. */
const kindsOf = ({ heard, facts }: Sync) =>
  [...heard, ...facts].map(({ kind }) => kind).filter(kind => /^store_[ar]|_orphaned$/.test(kind))

async function three(t: Test) {
  const redis = await startRedis(t)
  const open = async (name: string) => {
    const store = await storeIn(redis.url, name)
    t.teardown(() => store[Symbol.asyncDispose]())
    return store
  }
  return { redis, a: await open('a'), b: await open('b'), c: await open('c') }
}

/** Remembers all there is; called, it puts that back, as a failover to a server that lagged does. */
async function lag({ client }: RedisServer): Promise<() => Promise<void>> {
  const keys = await client.keys('*')
  const dumps = await Promise.all(keys.map(async name => [name, await client.dumpBuffer(name)] as const))
  return async () => {
    await client.flushall()
    for (const [name, dump] of dumps) if (dump !== null) await client.restore(name, 0, dump)
  }
}

test('what a store has lost of its newest end is put back by whoever knows it', { skip }, async t => {
  const { redis, a, b, c } = await three(t)
  await put(a, { documents: values(1) })
  for (const store of [a, b, c]) await news(store)
  const fail = await lag(redis)
  await put(a, { documents: { definitions: definitions(2) } })
  await news(b)
  await put(b, { documents: { liveness: values(3).liveness, holds: values(3).holds } })
  const before = await b.read()
  await fail()

  t.match(await c.sync(NOTES), { documents: {} }, 'who knew no more sees nothing strange')
  t.strictSame(kindsOf(await news(b)).slice(-1), ['store_restored'])
  t.strictSame(await b.read(), before)
  t.strictSame((await news(c)).documents, {
    definitions: before.definitions,
    holds: before.holds,
    liveness: before.liveness,
  })
  t.match(await a.history({ limit: 2 }), [{ revision: before.definitions.revision, by: 'restored' }, { revision: 1 }])
  const told = await a.events({ limit: 10, kinds: ['store_restored', 'definitions_orphaned'] })
  t.match(told, [{ kind: 'store_restored', cause: 'b', documents: ['definitions', 'holds', 'liveness'] }])
  t.ok((await put(c, { documents: { holds: values(4).holds } })) > before.holds.revision, 'no revision twice')
})

test('a write goes into what was put back, not into what was lost', { skip }, async t => {
  const { redis, a } = await three(t)
  await put(a, { documents: values(1) })
  const fail = await lag(redis)
  const revision = await put(a, { documents: { definitions: definitions(2) } })
  await fail()
  const after = await put(a, { expect: { definitions: revision }, documents: { holds: values(3).holds } })
  t.ok(after > revision)
  t.strictSame((await a.read()).definitions, { revision, value: definitions(2) })
})

for (const { title, others, later } of [
  { title: 'fewer and later', others: 1, later: 1_000 },
  { title: 'as many and later', others: 2, later: 1_000 },
  { title: 'more and later', others: 4, later: 1_000 },
  { title: 'more, by a clock that is slow,', others: 4, later: -60_000 },
])
  test(`a store that went on elsewhere, with ${title} changes, is believed; what lost is orphaned`, {
    skip,
  }, async t => {
    const { redis, a, b, c } = await three(t)
    await put(a, { documents: values(1) })
    for (const store of [a, b, c]) await news(store)
    const fail = await lag(redis)
    await put(a, { documents: { definitions: definitions(2) } })
    await put(a, { documents: { definitions: definitions(3) } })
    await news(c)
    await fail()
    for (let n = 0; n < others; n++)
      await put(b, { documents: { definitions: definitions(10 + n) }, at: b.now() + later })

    const heard = await news(a)
    t.strictSame(heard.documents.definitions?.value, definitions(9 + others))
    t.ok((heard.documents.definitions?.revision ?? 0) > 3)
    t.same(kindsOf(heard).filter(kind => kind === 'definitions_orphaned').length, 1)
    await news(c)
    for (const store of [a, b, c]) t.strictSame((await store.read()).definitions, heard.documents.definitions)
    const kept = await b.history({ limit: 10 })
    const orphans = kept.filter(({ by }) => by === 'orphaned')
    t.equal(orphans.length, 1, 'once, although two knew them')
    t.strictSame(await b.definitionsAt(orphans[0]?.revision ?? 0), definitions(3))
    t.equal(kept[0]?.revision, heard.documents.definitions?.revision, 'the newest of the history is what holds')
    t.match(await b.events({ limit: 10, kinds: ['definitions_orphaned'] }), [{ revision: orphans[0]?.revision }])
  })

test('what went on elsewhere with no more changes, and earlier, gives way under a number that nobody knows', {
  skip,
}, async t => {
  const { redis, a, b } = await three(t)
  await put(a, { documents: values(1) })
  for (const store of [a, b]) await news(store)
  const fail = await lag(redis)
  const before = a.now()
  const lost = await put(a, { documents: { definitions: definitions(2) } })
  await fail()
  t.equal(await put(b, { documents: { definitions: definitions(10) }, at: before - 1_000 }), lost)
  await news(a)
  const { documents } = await news(b)
  t.strictSame(documents.definitions?.value, definitions(2))
  t.ok((documents.definitions?.revision ?? 0) > lost)
  t.strictSame((await a.read()).definitions, documents.definitions)
  t.match(await a.history({ limit: 2 }), [{ by: 'restored' }, { revision: lost, by: 'ops' }])
  t.strictSame(await a.definitionsAt(lost), definitions(10), 'what gave way is kept')
})

test('of an emptied store the audit chain goes on, and cursors are known to be void', { skip }, async t => {
  const { redis, a, b } = await three(t)
  for (const n of [1, 2, 3]) await put(a, { documents: values(n), audit: asked(n), facts: [draft('x')] })
  for (const store of [a, b]) await news(store)
  const noted = (await a.audit({ limit: 1 })).links.at(-1)
  const [last] = await a.events({ limit: 1 })
  await redis.client.flushall()
  let filled: Sync | null = null
  await until('it is filled again', async () => {
    const answers = [await a.sync(NOTES), await b.sync(NOTES)]
    if (answers.some(isRefusal)) return false
    filled = answers[1] as Sync
    return true
  })
  t.strictSame(kindsOf(filled as unknown as Sync), ['store_refilled'])
  t.equal(await a.keeps(last?.id ?? ''), false)
  await put(b, { audit: asked(4) })
  await put(a, { audit: asked(5) })
  const { anchor, links } = await a.audit({ after: 0, limit: 10 })
  t.match(anchor, { seq: 3, hash: noted?.hash }, 'it names the last record that was known')
  t.strictSame(
    links.map(({ seq }) => seq),
    [4, 5, 6],
  )
  t.match(JSON.parse(links[0]?.text ?? ''), { action: 'refill_store', after: { generation: b.generation } })
  let end = anchor
  for (const link of links) {
    t.equal(broken(end, link, sha256), null)
    end = link
  }
})

test('another store counts only once it was adopted; then it counts for all', { skip }, async t => {
  const { redis, a, b } = await three(t)
  await put(a, { documents: values(1), audit: asked(1) })
  for (const store of [a, b]) await news(store)
  t.match(await a.adopt(ADOPT), { kind: 'refusal', code: 'store_known' })
  await redis.client.flushall()
  const other = await storeIn(redis.url, 'other')
  t.teardown(() => other[Symbol.asyncDispose]())
  await put(other, { documents: { definitions: definitions(1), holds: values(7).holds }, audit: asked(7) })
  await put(other, { documents: { definitions: definitions(8) }, facts: [draft('y')] })

  for (const store of [a, b]) t.match(await store.sync(NOTES), { kind: 'refusal', code: 'store_foreign' })
  for (const read of [a.events({ limit: 1 }), a.history({ limit: 1 }), a.audit({ limit: 1 }), a.readBeats()])
    await t.rejects(read as Promise<unknown>, { name: 'StoreError' }, 'nothing of it is believed')
  a.append([local(1)])
  a.saveCursors({ hook: '1-1' })
  t.match(await a.write({ expect: {}, documents: values(3), facts: [], at: 1, by: 'x' }), { code: 'store_foreign' })
  t.equal(await redis.client.exists(key('cursors'), key('access')), 0, 'and nothing is written into it')

  const before = a.generation
  t.strictSame(await a.adopt(ADOPT), { kind: 'adopted', before, after: other.generation, orphaned: true })
  t.match(await b.sync(NOTES), { kind: 'refusal', code: 'store_refilling' })
  for (const store of [a, b]) {
    const { documents, ...rest } = await news(store)
    t.strictSame(documents.definitions?.value, definitions(8))
    t.strictSame(documents.holds?.value, values(7).holds)
    t.match(documents.access, { revision: 0, value: EMPTY.access }, 'also what was never written there')
    t.strictSame(kindsOf({ documents, ...rest }), ['store_adopted', 'definitions_orphaned'])
  }
  t.ok((await news(other)).documents.definitions, 'who was there all along has the new numbers too')
  const [holds, orphan] = await b.history({ limit: 2 })
  t.match([holds, orphan], [{ by: 'ops' }, { by: 'orphaned' }])
  t.strictSame(await b.definitionsAt(orphan?.revision ?? 0), values(1).definitions)
  const { links } = await b.audit({ limit: 10 })
  t.match(JSON.parse(links.at(-1)?.text ?? ''), { ...ADOPT, subject: 'store', before, after: other.generation, seq: 2 })
  t.equal(broken(links[0] ?? { seq: 0, hash: '' }, links[1] as never, sha256), null)
  t.ok((await put(b, { documents: { holds: values(9).holds }, audit: asked(9) })) > 0)
})

const ADOPT = { by: 'root', action: 'adopt_store', request_id: 'r1' }

test('only who is in charge says how far webhooks were told', { skip }, async t => {
  const { a, b } = await three(t)
  await put(a, { documents: values(1) })
  t.equal((await news(a)).evaluates, true)
  t.equal((await news(b)).evaluates, false)
  a.saveCursors({ hook: '5-1' })
  t.strictSame(await a.readCursors(), { hook: '5-1' })
  b.saveCursors({ hook: '2-1' })
  t.strictSame(await b.readCursors(), { hook: '5-1' })
})

test('who is in charge, and since when, is known to all', { skip }, async t => {
  const { a, b } = await three(t)
  await put(a, { documents: values(1) })
  await news(a)
  const { replicas } = await news(b)
  const [first, second] = replicas.toSorted((one, two) => (one.name < two.name ? -1 : 1))
  t.ok(Math.abs((first?.in_charge_since ?? 0) - a.now()) < 2_000)
  t.equal(second?.in_charge_since, null)
})

test('streams are bounded by bytes as well as by number', { skip }, async t => {
  const { redis, a } = await three(t)
  const large = (n: number) => ({
    ...definitions(n),
    settings: { ...definitions(n).settings, filler: 'x'.repeat(2 ** 20) },
  })
  for (let n = 1; n <= 40; n++)
    await put(a, {
      documents: { definitions: large(n) },
      audit: { ...asked(n), after: 'y'.repeat(2 ** 20) },
    })
  t.equal(await redis.client.xlen(key('history')), 31)
  t.equal(await redis.client.xlen(key('audit')), 31)
  const { anchor, links } = await a.audit({ after: 0, limit: 100 })
  let end = anchor
  for (const link of links) {
    t.equal(broken(end, link, sha256), null)
    end = link
  }
  t.equal(end.seq, 40)
})
