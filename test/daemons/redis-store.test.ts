import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { realClock } from '../../src/clock.ts'
import { broken, ORIGIN } from '../../src/core/audit.ts'
import type { Fact } from '../../src/core/events.ts'
import { EMPTY, type Store, type Write } from '../../src/core/store.ts'
import { openRedisStore } from '../../src/store/redis/redis.ts'
import { testContract } from '../store/contract.ts'
import { asked, beats, CLUSTER, draft, local, values } from '../store/samples.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { startCluster, startSentinel } from '../support/redis-groups.ts'
import { back, newsOf, storeIn } from '../support/redis-store.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()
const put = (store: Store, rest: Partial<Write>) =>
  store.write({ expect: {}, documents: {}, facts: [], at: 1, by: 'system', ...rest })
const ids = (facts: readonly Fact[]) => facts.map(({ id }) => id)
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('the store in Redis keeps the contract', { skip }, async t => {
  const redis = await startRedis(t)
  let db = 0
  testContract(t, () => {
    const url = `${redis.url}?db=${++db}`
    return () => storeIn(url)
  })
})

test('while Redis is gone everything is refused at once; what waited arrives when it is back', { skip }, async t => {
  const redis = await startRedis(t, { appendonly: 'yes', appendfsync: 'always' })
  const store = await storeIn(redis.url)
  t.teardown(() => store[Symbol.asyncDispose]())
  await put(store, { documents: values(1), facts: [draft('home')] })
  await redis.kill()
  await away(t, store, undefined)
  store.append([local(1), local(2)])
  store.saveBeats(beats(1))
  await redis.start()
  await back(store)
  t.strictSame(ids(await store.events({ limit: 10 })), ['1-1', 'a-boot-1', 'a-boot-2'])
  t.strictSame(await store.readBeats(), beats(1))
  t.match(await put(store, { expect: { holds: 1 }, documents: { holds: values(2).holds } }), { revision: 2 })
})

test('a write whose answer did not come says that it may have been taken', { skip }, async t => {
  const redis = await startRedis(t)
  const store = await storeIn(redis.url)
  t.teardown(() => store[Symbol.asyncDispose]())
  redis.pause()
  store.append([local(1)])
  const refused = await put(store, { documents: values(1) })
  t.match(refused, { kind: 'refusal', code: 'store_unavailable' })
  const unsure = await put(store, { documents: values(2), facts: [draft('home')] })
  t.match(unsure, { code: 'store_unavailable', extra: { outcome: 'unknown' } })
  redis.resume()
  await back(store)
  t.strictSame(ids(await store.events({ limit: 10 })), ['a-boot-1'], 'what was sent again is there once')
})

test('what Redis says no to was not done, and is told with its words', { skip }, async t => {
  const redis = await startRedis(t, { maxmemory: '100mb' })
  const store = await storeIn(redis.url)
  t.teardown(() => store[Symbol.asyncDispose]())
  await put(store, { documents: values(1) })
  const cases: [prepare: string[], undo: string[], words: RegExp][] = [
    [['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '100mb'], /OOM/],
    [['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE'], /READONLY/],
    [['CONFIG', 'SET', 'min-replicas-to-write', '1'], ['CONFIG', 'SET', 'min-replicas-to-write', '0'], /NOREPLICAS/],
  ]
  for (const [[prepare = '', ...args], [undo = '', ...rest], words] of cases) {
    await redis.client.call(prepare, ...args)
    const refused = await put(store, { documents: values(2), facts: [draft('home')] })
    t.match(refused, { kind: 'refusal', code: 'store_unavailable', detail: words })
    t.notHas(refused, { extra: { outcome: 'unknown' } })
    await redis.client.call(undo, ...rest)
    await back(store)
    t.strictSame((await store.read()).holds.revision, 1)
  }
  t.strictSame(await store.events({ limit: 10 }), [])
})

test('a user with the rights that the how-to gives can do everything', { skip }, async t => {
  const redis = await startRedis(t)
  const howTo = readFileSync(join(import.meta.dirname, '../../docs/how-to/three-replicas.md'), 'utf8')
  const [, rule = ''] = /^ACL (SETUSER .*)$/m.exec(howTo) ?? []
  const [set = '', ...rest] = rule.split(' ')
  await redis.client.acl(
    set as 'SETUSER',
    'gatepool',
    ...rest.slice(1).map(part => part.replace('{home}', `{${CLUSTER}}`)),
  )
  const store = await storeIn(redis.url.replace('://', '://gatepool:PASSWORD@'))
  t.teardown(() => store[Symbol.asyncDispose]())
  const heard = newsOf(store)
  await heard()
  t.match(await put(store, { documents: values(1), facts: [draft('x')], audit: asked(1) }), { kind: 'written' })
  t.match(await store.sync({ version: '1', started_at: 1, definitions: '', failing: [] }), {
    replicas: [{ name: 'a' }],
  })
  await heard()
  store.append([local(1)])
  store.saveBeats(beats(1))
  t.strictSame(ids(await store.events({ limit: 10 })).slice(-1), ['a-boot-1'])
  t.strictSame(await store.readBeats(), beats(1))
  t.equal((await store.history({ limit: 10 })).length, 1)
  t.equal((await store.audit({ limit: 10 })).links.length, 1)
})

test('replicas whose clocks are minutes apart agree on the time', { skip }, async t => {
  const redis = await startRedis(t)
  const real = realClock()
  const stores = [-300_000, 0, 300_000].map((wrong, i) =>
    openRedisStore({
      ...{ url: redis.url, cluster: CLUSTER, replica: `r${i}`, cache: null, random: Math.random },
      clock: { ...real, now: () => real.now() + wrong },
    }),
  )
  t.teardown(() => Promise.all(stores.map(store => store[Symbol.asyncDispose]())))
  for (const store of stores) await back(store)
  const [seconds = 0] = (await redis.client.time()).map(Number)
  for (const store of stores) t.ok(Math.abs(store.now() - seconds * 1_000) < 3_000)
})

test('liveness is written record by record', { skip }, async t => {
  const redis = await startRedis(t)
  const [one, other] = [await storeIn(redis.url), await storeIn(redis.url, 'b')]
  t.teardown(() => Promise.all([one, other].map(store => store[Symbol.asyncDispose]())))
  const up = (since: number) => ({ state: 'up', since }) as const
  const first = { ...EMPTY.liveness, gateways: { a: up(1), b: up(2), c: up(3) }, instances: { a: { x: 1 } } }
  await put(one, { expect: { liveness: 0 }, documents: { liveness: first } })
  await redis.client.config('RESETSTAT')
  const { a: _, ...kept } = first.gateways
  const second = { ...first, gateways: { ...kept, b: up(4), d: up(5) }, refused: { b: ['y'] } }
  await put(one, { expect: { liveness: 1 }, documents: { liveness: second } })
  const calls = await redis.client.info('commandstats')
  t.match(calls, /cmdstat_hdel:calls=1,/)
  t.match(calls, /cmdstat_hset:calls=5,/, 'two revisions and three records')
  t.strictSame((await other.read()).liveness, { revision: 2, value: second })
  const third = { ...EMPTY.liveness, gateways: { z: up(9) } }
  await put(other, { documents: { liveness: third } })
  t.strictSame((await one.read()).liveness, { revision: 3, value: third }, 'written whole where nothing is expected')
})

test('two replicas: one is taken, the other hears what was told with it, once', { skip }, async t => {
  const redis = await startRedis(t)
  const [one, other] = [await storeIn(redis.url), await storeIn(redis.url, 'b')]
  t.teardown(() => Promise.all([one, other].map(store => store[Symbol.asyncDispose]())))
  await put(one, { expect: { holds: 0 }, documents: { holds: values(1).holds }, facts: [draft('x')] })
  const conflict = await put(other, { expect: { holds: 0 }, documents: { holds: values(2).holds } })
  t.match(conflict, { kind: 'conflict', documents: { holds: { revision: 1 } }, heard: [{ id: '1-1', subject: 'x' }] })
  await put(one, { documents: { holds: values(3).holds }, facts: [draft('y')] })
  const again = await put(other, { expect: { holds: 1 }, documents: { holds: values(2).holds } })
  t.match(again, { kind: 'conflict', heard: [{ id: '2-1' }], facts: [] })
  t.equal(again.kind === 'conflict' && again.heard.length, 1)
})

test('audit records of replicas that write at once make one chain', { skip }, async t => {
  const redis = await startRedis(t)
  const stores = await Promise.all(['a', 'b', 'c'].map(name => storeIn(redis.url, name)))
  t.teardown(() => Promise.all(stores.map(store => store[Symbol.asyncDispose]())))
  for (let n = 0; n < 5; n++) await Promise.all(stores.map(store => put(store, { audit: asked(n) })))
  const [store] = stores
  const { anchor, links } = (await store?.audit({ limit: 100 })) ?? { anchor: ORIGIN, links: [] }
  t.equal(links.length, 15)
  let last = anchor
  for (const link of links) {
    t.equal(broken(last, link, sha256), null)
    last = link
  }
})

test('nothing is written into a store that is not the one it was', { skip }, async t => {
  const redis = await startRedis(t)
  const store = await storeIn(redis.url)
  t.teardown(() => store[Symbol.asyncDispose]())
  await put(store, { documents: values(1) })
  await redis.client.flushall()
  t.match(await put(store, { documents: values(2) }), { kind: 'refusal', code: 'store_refilling' })
  await redis.client.hset(`gatepool:{${CLUSTER}}:meta`, { generation: 'other', schema: 1 })
  t.match(await put(store, { documents: values(2) }), { kind: 'refusal', code: 'store_foreign' })
  t.equal(await redis.client.exists(`gatepool:{${CLUSTER}}:holds`), 0)
  await using newcomer = await storeIn(redis.url, 'b')
  await redis.client.hset(`gatepool:{${CLUSTER}}:meta`, { schema: 2 })
  t.match(await put(newcomer, { documents: values(2) }), { kind: 'refusal', code: 'store_newer' })
})

async function away(t: Test, store: Store, extra: object | undefined): Promise<void> {
  const refused = await put(store, { documents: values(2) })
  t.match(refused, { kind: 'refusal', code: 'store_unavailable', detail: /^Redis is away/, extra })
  for (const reading of [store.read(), store.events({ limit: 1 }), store.history({ limit: 1 })])
    await t.rejects(reading as Promise<unknown>, { name: 'StoreError', code: 'store_unavailable' })
}

test('a Redis Cluster holds all of a gatepool cluster in one slot', { skip }, async t => {
  const { url } = await startCluster(t)
  const [one, other] = [await storeIn(url), await storeIn(url, 'b')]
  t.teardown(() => Promise.all([one, other].map(store => store[Symbol.asyncDispose]())))
  const heard = newsOf(other)
  await heard()
  t.match(await put(one, { documents: values(1), facts: [draft('x')], audit: asked(1) }), { kind: 'written' })
  t.match(await other.sync({ version: '1', started_at: 1, definitions: '', failing: [] }), {
    documents: { holds: { revision: 1 } },
    heard: [{ id: '1-1' }],
  })
  await put(one, { documents: { holds: values(2).holds } })
  await heard()
  t.match(await put(other, { expect: { holds: 1 }, documents: { holds: values(3).holds } }), { kind: 'conflict' })
  t.equal((await other.events({ limit: 10 })).length > 0, true)
})

test('when a master dies, the one that a Sentinel names goes on with what it has', { skip }, async t => {
  const { url, master, replica } = await startSentinel(t)
  const store = await storeIn(url)
  t.teardown(() => store[Symbol.asyncDispose]())
  t.match(await put(store, { documents: values(1), facts: [draft('x')] }), { kind: 'written', revision: 1 })
  // Not by WAIT, which speaks of what its own connection wrote: a replica that has only just come may be sent nothing yet.
  await until('a replica that has it', async () => (await replica.client.exists(`gatepool:{${CLUSTER}}:meta`)) === 1)
  await master.kill()
  t.match(await put(store, { documents: values(2) }), { kind: 'refusal', code: 'store_unavailable' })
  await until('it can be written again', async () => {
    const again = await put(store, { expect: { holds: 1 }, documents: { holds: values(2).holds } })
    return again.kind === 'written'
  })
  t.match((await store.read()).holds, { revision: 2 })
  t.strictSame(ids(await store.events({ limit: 10 })), ['1-1'])
})
