import { test } from 'tap'
import { folder } from '../support/launch.ts'
import { type RedisServer, startRedis, withoutRedis } from '../support/redis.ts'
import { beatFor, isReady, serving, startGateway, startReplica, until } from '../support/replicas.ts'

const skip = withoutRedis()

test('three replicas route alike: a gateway that falls silent is down for all, told once', { skip }, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, url: redis.url, ports })))
  const beats = beatFor(t, replicas, ['home', 'nas'])
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  for (const replica of replicas) t.equal(await replica.request(), 'home')
  const { replicas: seen } = (await replicas[0]?.status()) ?? { replicas: [] }
  t.strictSame(
    seen.map(({ name }) => name),
    ['a', 'b', 'c'],
  )
  t.equal(seen.filter(({ evaluates }) => evaluates).length, 1, 'one is in charge')
  beats.stop('home')
  const took = await Promise.all(
    replicas.map(replica => until(`${replica.name} sends to nas`, async () => (await replica.request()) === 'nas')),
  )
  t.comment(`moved after ${took.map(Math.round)} ms`)
  t.ok(Math.max(...took) < 3_000, 'within threshold and one second')
  t.ok(Math.max(...took) - Math.min(...took) < 1_000, 'and together')
  beats.start('home')
  await Promise.all(
    replicas.map(replica => until(`${replica.name} is back`, async () => (await serving(replica)) === 'home')),
  )
  for (const replica of replicas) replica.program.signal('SIGTERM')
  const lines = (await Promise.all(replicas.map(({ program }) => program.ended))).flatMap(({ out }) => out.split('\n'))
  const told = (kind: string) => lines.filter(line => line.includes(`"kind":"${kind}"`)).length
  for (const kind of [
    'gateway_down',
    'down_to_cooldown',
    'gateway_alive',
    'pool_failover_activated',
    'pool_failover_restored',
  ])
    t.equal(told(kind), 1, kind)
  t.equal(told('first_alive'), 2)
  t.equal(told('replica_joined'), 3)
  t.equal(told('store_lost'), 0)
})

test('a replica that starts while Redis is away serves what it knew, and joins when it is back', { skip }, async t => {
  const redis = await startRedis(t, { appendonly: 'yes' })
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const options = { name: 'a', url: redis.url, ports, home: folder(t) }
  const before = await startReplica(t, options)
  const beats = beatFor(t, [before], ['home', 'nas'])
  await until('it is ready', () => isReady(before, 1))
  const moved = await before.ask('PUT', '/gateway-pools/main/members', ['nas', 'home'])
  t.equal(moved.status, 200)
  beats.stop('home')
  beats.stop('nas')
  before.program.signal('SIGTERM')
  await before.program.ended
  await redis.kill()

  const after = await startReplica(t, options)
  t.equal(await after.request(), 'nas', 'the file still says home, and is only the first content')
  const refused = await after.ask('PUT', '/gateway-pools/main/members', ['home', 'nas'])
  t.equal(refused.status, 503)
  t.match(await refused.json(), { code: 'store_unavailable' })
  const ready = await fetch(`${after.program.url.admin}/readyz`)
  t.equal(ready.status, 200)
  t.match(await ready.json(), { warnings: ['the store is away'] })
  t.match(await after.program.fact('store_lost'), { replica: 'a' })
  await redis.start()
  t.match(await after.program.fact('store_recovered'), { replica: 'a' })
  t.equal((await after.ask('PUT', '/gateway-pools/main/members', ['home', 'nas'])).status, 200)
  t.match(await (await fetch(`${after.program.url.admin}/readyz`)).json(), { warnings: [] })
})

/** What is done to Redis, and how it is undone. */
const faults: readonly {
  readonly fault: string
  readonly begin: (redis: RedisServer) => Promise<unknown>
  readonly end: (redis: RedisServer) => Promise<unknown>
}[] = [
  { fault: 'is killed', begin: redis => redis.kill(), end: redis => redis.start() },
  { fault: 'stands still', begin: async redis => redis.pause(), end: async redis => redis.resume() },
  {
    fault: 'only reads',
    begin: redis => redis.client.call('REPLICAOF', '127.0.0.1', '1'),
    end: redis => redis.client.call('REPLICAOF', 'NO', 'ONE'),
  },
  {
    fault: 'takes nothing more',
    begin: redis => redis.client.config('SET', 'maxmemory', '1'),
    end: redis => redis.client.config('SET', 'maxmemory', '0'),
  },
  { fault: 'is emptied', begin: redis => redis.client.flushall(), end: async () => undefined },
]

for (const { fault, begin, end } of faults) {
  test(`Redis ${fault}: no request fails, nobody moves, and all of it is told once`, { skip }, async t => {
    const redis = await startRedis(t, { appendonly: 'yes' })
    const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
    const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, url: redis.url, ports })))
    beatFor(t, replicas, ['home', 'nas'])
    for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
    const answers = new Set<string>()
    let asking = true
    const traffic = Promise.all(
      replicas.map(async replica => {
        while (asking) answers.add(await replica.request())
      }),
    )
    await begin(redis)
    await Promise.all(replicas.map(({ program }) => program.fact('store_lost')))
    for (const replica of replicas) {
      const refused = await replica.ask('PUT', '/gateway-pools/main/members', ['nas', 'home'])
      t.equal(refused.status, 503)
      t.match(await refused.json(), { code: /^store_(unavailable|refilling)$/ })
    }
    await end(redis)
    const took = await until('all of them are back', async () => {
      const statuses = await Promise.all(replicas.map(replica => replica.status()))
      return statuses.every(({ store, replicas }) => store.available && replicas.length === 3)
    })
    t.comment(`back after ${Math.round(took)} ms`)
    t.ok(took < 3_000, 'within three seconds')
    const [replica] = replicas
    t.equal((await replica?.ask('PUT', '/gateway-pools/main/members', ['nas', 'home']))?.status, 200)
    for (const replica of replicas)
      await until('the change is everywhere', async () => (await serving(replica)) === 'nas', 2_000)
    asking = false
    await traffic
    t.strictSame([...answers].sort(), ['home', 'nas'], 'every request was served')
    for (const { program } of replicas) program.signal('SIGTERM')
    for (const { out } of await Promise.all(replicas.map(({ program }) => program.ended))) {
      const told = (kind: string) => out.split('\n').filter(line => line.includes(`"kind":"${kind}"`)).length
      t.equal(told('store_lost'), 1)
      t.equal(told('store_recovered'), 1)
      for (const kind of ['gateway_down', 'pool_failover_activated', 'cooldown_reset']) t.equal(told(kind), 0, kind)
    }
  })
}
