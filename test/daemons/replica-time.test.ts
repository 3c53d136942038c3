/** Replicas whose time is not that of the others: one stands still, or their clocks are minutes apart. */
import { test } from 'tap'
import { without } from '../support/daemons.ts'
import { findLibrary } from '../support/debian.ts'
import { standsStill, wrongAfterPause } from '../support/pause-story.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { beatFor, endAll, isReady, serving, startGateway, startReplica } from '../support/replicas.ts'
import { startTraffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const THRESHOLD = 2 * SECOND

const skip = withoutRedis()
/** It tells a process another time than there is. */
const faketime = findLibrary('faketime/libfaketime.so.1', ['libfaketime'])

test('a replica that stood still undoes nothing, and takes nobody for alive by what had waited for it', {
  skip,
}, async t => {
  const report = await standsStill(t, 8_000)
  t.comment(JSON.stringify(report))
  t.strictSame(wrongAfterPause(report), [])
})

test('replicas whose clocks are ten minutes apart decide as one, by the time of the store', {
  skip: skip || without(faketime),
}, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const wrong = { a: -5, b: 0, c: 5 }
  const library = typeof faketime === 'string' ? '' : faketime.path
  const replicas = await Promise.all(
    Object.entries(wrong).map(([name, minutes]) => {
      // How long something takes is told right: a clock that is wrong runs as fast as any other.
      const env = {
        LD_PRELOAD: library,
        FAKETIME: `${minutes < 0 ? '' : '+'}${minutes}m`,
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      }
      return startReplica(t, { name, url: redis.url, ports, threshold: THRESHOLD, launched: { env } })
    }),
  )
  const beats = beatFor(t, replicas, ['home', 'nas'])
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  for (const [n, minutes] of Object.values(wrong).entries()) {
    const date = (await replicas[n]?.ask('GET', '/status'))?.headers.get('date') ?? ''
    const off = Date.parse(date) - Date.now() - minutes * MINUTE
    t.ok(Math.abs(off) < MINUTE, `its clock is ${minutes} minutes off`)
  }
  const { answered, stop } = startTraffic(t, replicas)
  const serve = (gateway: string) =>
    until(`all serve ${gateway}`, async () => (await Promise.all(replicas.map(serving))).every(is => is === gateway))

  for (const replica of replicas) {
    // Let go of by time alone, whoever was asked for it.
    const end = Date.now() + 3 * SECOND
    const held = await replica.ask('POST', '/gateways/home/drain', { until: new Date(end).toISOString() })
    t.equal(held.status, 200, await held.clone().text())
    await serve('nas')
    await serve('home')
    t.ok(Math.abs(Date.now() - end) < 20 * SECOND, `let go of ${Date.now() - end} ms after its end`)
  }
  t.ok(answered.every(({ by }) => by === 'home' || by === 'nas'))
  beats.stop('home')
  const took = await serve('nas')
  t.ok(took < THRESHOLD + 10 * SECOND, `moved after ${Math.round(took)} ms`)
  const told = await Promise.any(replicas.map(({ program }) => program.fact('gateway_down', 'home')))
  t.ok(Math.abs(Date.parse(String(told.occurred)) - Date.now()) < MINUTE, 'told with the time of the store')
  beats.start('home')
  await serve('home')
  await stop()
  t.strictSame([...new Set(answered.map(({ by }) => by))].sort(), ['home', 'nas'], 'no request failed')
  const counts = await endAll(replicas)
  for (const kind of ['gateway_down', 'down_to_cooldown', 'gateway_alive'] as const)
    t.equal(
      counts(kind).reduce((all, count) => all + count, 0),
      1,
      kind,
    )
})
