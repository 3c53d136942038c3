import { test } from 'tap'
import type { FactKind } from '../../src/core/events.ts'
import { folder } from '../support/launch.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import {
  beatFor,
  endAll,
  isReady,
  serving,
  startGateway,
  startReceiver,
  startReplica,
  type TestReplica,
  tellHook,
} from '../support/replicas.ts'
import { startTraffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()

/** Ms. */
const THRESHOLD = 2_000
/** Rights as the how-to gives them, but for those to a channel. */
const WITHOUT_NEWS = '~* resetchannels -@all +@read +@write +@scripting +@connection +info +time'

for (const { title, rights, apart } of [
  { title: 'with news by pub/sub', rights: '~* &* +@all', apart: 1_000 },
  { title: 'without pub/sub', rights: WITHOUT_NEWS, apart: 2_000 },
])
  test(`${title}: a gateway that falls silent is down for all three, told once, and one webhook is sent`, {
    skip,
  }, async t => {
    const redis = await startRedis(t)
    await redis.client.acl('SETUSER', 'gatepool', 'on', '>PASSWORD', ...rights.split(' '))
    const url = redis.url.replace('://', '://gatepool:PASSWORD@')
    const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
    const names = ['a', 'b', 'c']
    const replicas = await Promise.all(names.map(name => startReplica(t, { name, url, ports, threshold: THRESHOLD })))
    const [a, b, c] = replicas as [TestReplica, TestReplica, TestReplica]
    const beats = beatFor(t, replicas, ['home', 'nas'])
    for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
    const receiver = await startReceiver(t)
    await tellHook(a, receiver, 'gateway_down')
    const { answered, stop } = startTraffic(t, replicas)
    const { replicas: seen } = await a.status()
    t.strictSame(
      seen.map(({ name }) => name),
      names,
    )
    t.equal(seen.filter(({ evaluates }) => evaluates).length, 1, 'one is in charge')

    for (const only of [b, c]) {
      beats.only([only])
      const since = performance.now()
      await until('beats at one alone are enough', async () => performance.now() - since > 1.5 * THRESHOLD)
    }
    beats.only(replicas)
    t.ok(answered.length > 0 && answered.every(({ by }) => by === 'home'))

    const fellSilent = performance.now()
    beats.stop('home')
    const moved = () => names.map(name => answered.find(({ replica, by }) => replica === name && by === 'nas')?.at)
    await until('all send to nas', async () => moved().every(at => at !== undefined))
    const took = moved().map(at => Number(at) - fellSilent)
    t.comment(`moved after ${took.map(Math.round)} ms`)
    t.ok(Math.max(...took) < THRESHOLD + apart, 'soon after the threshold')
    t.ok(Math.max(...took) - Math.min(...took) < apart, 'and together')
    await until('the webhook was told', async () => receiver.ids.length > 0)

    beats.start('home')
    for (const replica of replicas) await until('it is back', async () => (await serving(replica)) === 'home')
    await stop()
    t.strictSame([...new Set(answered.map(({ by }) => by))].sort(), ['home', 'nas'], 'no request failed')
    const told = await endAll(replicas)
    const sum = (kind: FactKind) => told(kind).reduce((all, count) => all + count, 0)
    for (const kind of [
      'gateway_down',
      'down_to_cooldown',
      'gateway_alive',
      'pool_failover_activated',
      'pool_failover_restored',
    ] as const)
      t.equal(sum(kind), 1, kind)
    t.equal(sum('first_alive'), 2)
    t.equal(sum('replica_joined'), 3)
    t.equal(sum('store_lost'), 0)
    t.equal(receiver.ids.length, 1)
  })

test('replicas that start while Redis is away serve what they knew, and join when it is back', { skip }, async t => {
  const redis = await startRedis(t, { appendonly: 'yes' })
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const options = ['a', 'b', 'c'].map(name => ({ name, url: redis.url, ports, home: folder(t) }))
  const start = (some: typeof options) => Promise.all(some.map(one => startReplica(t, one)))
  const before = await start(options)
  const [a] = before as [TestReplica]
  const beats = beatFor(t, before, ['home', 'nas'])
  for (const replica of before) await until('it is ready', () => isReady(replica, 3))
  t.equal((await a.ask('PUT', '/gateway-pools/main/members', ['nas', 'home'])).status, 200)
  for (const replica of before) await until('it goes by it', async () => (await serving(replica)) === 'nas')
  await redis.kill()
  // One is told to stop, one dies, and one goes on.
  for (const [n, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
    before[n]?.program.signal(signal)
    await before[n]?.program.ended
  }
  const again = await start(options.slice(0, 2))
  const all = [...again, ...before.slice(2)]
  beats.only(all)
  for (const replica of all) {
    t.equal(await replica.request(), 'nas', 'the file still says home, and is only the first content')
    const refused = await replica.ask('PUT', '/gateway-pools/main/members', ['home', 'nas'])
    t.equal(refused.status, 503)
    t.match(await refused.json(), { code: 'store_unavailable' })
    t.strictSame(await replica.ready(), { status: 200, warnings: ['the store is away'] })
    t.match(await replica.program.fact('store_lost'), { replica: replica.name })
  }
  await redis.start()
  for (const replica of all) t.match(await replica.program.fact('store_recovered'), { replica: replica.name })
  t.equal((await again[0]?.ask('PUT', '/gateway-pools/main/members', ['home', 'nas']))?.status, 200)
  for (const replica of all) await until('all go by it', async () => (await replica.request()) === 'home')
  for (const replica of all) t.strictSame(await replica.ready(), { status: 200, warnings: [] })
})

test('a replica that starts with an old copy, while Redis stands still, tells nothing a second time', {
  skip,
}, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const [one, other] = ['a', 'b'].map(name => ({ name, url: redis.url, ports, home: folder(t) }))
  if (one === undefined || other === undefined) throw new Error('two')
  const [a, before] = [await startReplica(t, one), await startReplica(t, other)]
  const beats = beatFor(t, [a], ['home', 'nas'])
  for (const replica of [a, before]) await until(`${replica.name} is ready`, () => isReady(replica, 2))
  await endAll([before])
  beats.stop('home')
  await a.program.fact('pool_failover_activated')
  redis.pause()
  const b = await startReplica(t, other)
  t.equal(await serving(b), 'home', 'as it was when it ended')
  redis.resume()
  await until('it has heard', async () => (await serving(b)) === 'nas')
  beats.start('home')
  for (const replica of [a, b]) await until('home is back', async () => (await serving(replica)) === 'home')
  for (const kind of ['pool_failover_activated', 'pool_failover_restored']) {
    const kept = (await (await a.ask('GET', `/events?kind=${kind}`)).json()) as { readonly items: readonly unknown[] }
    t.equal(kept.items.length, 1, kind)
  }
})

test('two admins at once with one If-Match: one is taken; without it both are', { skip }, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const replicas = await Promise.all(['a', 'b'].map(name => startReplica(t, { name, url: redis.url, ports })))
  const [a, b] = replicas as [TestReplica, TestReplica]
  for (const replica of replicas) await until('it knows', async () => (await replica.status()).definitions.revision > 0)
  for (let round = 0; round < 5; round++) {
    const read = await a.ask('GET', '/gateway-pools/main')
    const etag = read.headers.get('etag') ?? ''
    await until('b knows it too', async () => (await b.ask('GET', '/gateway-pools/main')).headers.get('etag') === etag)
    const patch = (replica: TestReplica) =>
      replica.ask('PATCH', '/gateway-pools/main', { title: `${replica.name} ${round}` }, { 'if-match': etag })
    const statuses = (await Promise.all([patch(a), patch(b)])).map(({ status }) => status)
    t.strictSame(statuses.sort(), [200, 412])
  }
  const changes = await Promise.all([
    a.ask('PATCH', '/gateway-pools/main', { title: 'both' }),
    b.ask('PATCH', '/gateway-pools/main', { outage_message: 'at once' }),
  ])
  t.strictSame(
    changes.map(({ status }) => status),
    [200, 200],
  )
  for (const replica of replicas)
    await until('both are there', async () => {
      const pool = (await (await replica.ask('GET', '/gateway-pools/main')).json()) as { definition: object }
      return JSON.stringify(pool.definition).includes('"both"') && JSON.stringify(pool.definition).includes('"at once"')
    })
})

test('the one in charge is killed, another one stands still: the third decides, once, and tells the webhook', {
  skip,
}, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const options = { url: redis.url, ports }
  const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, ...options })))
  const [a] = replicas as [TestReplica]
  const beats = beatFor(t, replicas, ['home', 'nas'])
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  const receiver = await startReceiver(t)
  await tellHook(a, receiver, 'gateway_down')
  const charged = (await a.status()).replicas.find(({ evaluates }) => evaluates)?.name
  const [first, second, third] = replicas.toSorted(
    (one, two) => Number(two.name === charged) - Number(one.name === charged),
  ) as [TestReplica, TestReplica, TestReplica]
  first.program.signal('SIGKILL')
  second.program.signal('SIGSTOP')
  beats.only([third])
  beats.stop('home')
  await until('the third sends to nas', async () => (await third.request()) === 'nas', 5_000)
  t.match(await third.program.fact('gateway_down'), { subject: 'home' })
  t.match(await third.program.fact('replica_left', first.name), { cause: 'silent' })
  await until('the webhook was told', async () => receiver.ids.length > 0)
  beats.start('home')
  await third.program.fact('gateway_alive', 'home')
  second.program.signal('SIGCONT')
  await until('the one that stood still has caught up', async () => (await serving(second)) === 'home')
  t.equal(receiver.ids.length, 1)
  second.program.signal('SIGTERM')
  const { out } = await second.program.ended
  for (const kind of ['gateway_down', 'cooldown_reset', 'pool_failover_activated'])
    t.notMatch(out, `"kind":"${kind}"`, "its own pause is nobody's silence")
})
