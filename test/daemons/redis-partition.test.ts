/** One of three replicas is cut off from Redis, with what it had under way; the others are not. */
import { test } from 'tap'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { openGate } from '../support/redis-gate.ts'
import { beatFor, endAll, isReady, serving, startGateway, startReplica, type TestReplica } from '../support/replicas.ts'
import { startTraffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const GATEWAYS = ['home', 'nas', 'far']

test('a replica that is cut off goes on by itself, and by what the others decided once it is back', {
  skip: withoutRedis(),
}, async t => {
  const redis = await startRedis(t)
  const gate = await openGate(t, redis.socket)
  const ports = Object.fromEntries(
    await Promise.all(GATEWAYS.map(async name => [name, await startGateway(t, name)] as const)),
  )
  // It is the first, so that it is in charge.
  const alone = await startReplica(t, { name: 'alone', url: gate.url, ports })
  await until('it is in charge', async () => (await alone.status()).replicas.some(({ evaluates }) => evaluates))
  const others = await Promise.all(['b', 'c'].map(name => startReplica(t, { name, url: redis.url, ports })))
  const [b] = others as [TestReplica]
  const replicas = [alone, ...others]
  const beats = beatFor(t, replicas, GATEWAYS)
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  const { answered, stop } = startTraffic(t, replicas)

  gate.cut()
  const unsure = await alone.ask('PATCH', '/gateway-pools/main', { title: 'under way' })
  t.equal(unsure.status, 503)
  t.match(await unsure.json(), { code: 'store_unavailable', outcome: 'unknown' })
  await alone.program.fact('store_lost')
  await Promise.any(others.map(({ program }) => program.fact('replica_left', 'alone')))
  beats.only(others)
  beats.stop('home')
  for (const replica of others) await until('it sends to nas', async () => (await serving(replica)) === 'nas')
  t.equal((await b.ask('PUT', '/gateway-pools/main/members', ['far', 'nas', 'home'])).status, 200)
  for (const replica of others) await until('it sends to far', async () => (await serving(replica)) === 'far')
  t.equal(await serving(alone), 'home', 'it hears nobody, and takes nobody for silent')

  gate.mend()
  const took = await until('it goes by what the others decided', async () => (await serving(alone)) === 'far')
  t.comment(`after ${Math.round(took)} ms`)
  t.ok(took < 3_000, 'within three seconds')
  for (const replica of replicas) await until('all see all', async () => (await replica.status()).replicas.length === 3)
  const { definition } = (await (await b.ask('GET', '/gateway-pools/main')).json()) as { definition: object }
  t.notHas(definition, { title: 'under way' }, 'what was under way came too late')
  await stop()
  const failed = answered.filter(({ by }) => !GATEWAYS.includes(by))
  t.strictSame(failed, [], `of ${answered.length} requests`)
  const told = await endAll(replicas)
  t.strictSame(told('store_lost'), [1, 0, 0])
  t.strictSame(told('store_recovered'), [1, 0, 0])
  for (const kind of ['gateway_down', 'replica_left'] as const)
    t.equal(
      told(kind).reduce((all, count) => all + count, 0),
      1,
      kind,
    )
})
