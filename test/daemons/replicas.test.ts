import { test } from 'tap'
import { startRedis, withoutRedis } from '../support/redis.ts'
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
