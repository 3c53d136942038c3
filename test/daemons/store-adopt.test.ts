import { test } from 'tap'
import { sentEvents } from '../../src/cli/sse.ts'
import { runCli } from '../support/cli.ts'
import { ADMIN_TOKEN } from '../support/program.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { beatFor, isReady, serving, startGateway, startReplica, type TestReplica } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()

test('another store in Redis moves nothing until it is adopted, at one replica for all', { skip }, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const start = (name: string) => startReplica(t, { name, url: redis.url, ports })
  const [a, b] = (await Promise.all([start('a'), start('b')])) as [TestReplica, TestReplica]
  beatFor(t, [a, b], ['home', 'nas'])
  for (const replica of [a, b]) await until(`${replica.name} is ready`, () => isReady(replica, 2))
  const env = { GATEPOOL_URL: a.program.url.admin ?? '', GATEPOOL_TOKEN: ADMIN_TOKEN }
  const early = await runCli(['store', 'adopt', '--yes'], env)
  t.match(early, { exit: 1, err: /very store/ })

  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const stream = await fetch(`${b.program.url.admin}/api/v1/events/stream`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    signal: abort.signal,
  })
  const events = sentEvents(stream.body as unknown as AsyncIterable<Uint8Array>)

  // All at once there is another one: in it the order is the other way round.
  const keys = await redis.client.keys('*')
  const definitions = 'gatepool:{test}:definitions'
  const value = JSON.parse((await redis.client.hget(definitions, 'value')) ?? '')
  value.pools[0].members.reverse()
  await redis.client
    .multi()
    .del(...keys.filter(key => key !== definitions))
    .hset(definitions, { revision: 3, value: JSON.stringify(value), by: 'else', at: 1 })
    .hset('gatepool:{test}:meta', { generation: 'another', schema: 1, revision: 9 })
    .exec()
  for (const replica of [a, b]) {
    t.match(await replica.program.fact('store_lost'), { cause: /another store/ })
    t.match(await replica.status(), { store: { available: false, code: 'store_foreign' } })
    t.equal(await replica.request(), 'home')
    t.equal((await replica.ask('POST', '/tokens', { name: 'x', role: 'viewer' })).status, 503)
  }
  const said = await runCli(['status'], env)
  t.match(said.out, /gatepool store adopt/)

  const adopted = await runCli(['store', 'adopt', '--yes'], env)
  t.match(adopted, { exit: 0, err: /store another counts instead of/ })
  for (const replica of [a, b]) {
    await replica.program.fact('store_recovered')
    // Nobody is known in it. Until both have beaten there, traffic goes to the one that has.
    await until(
      `${replica.name} goes by it`,
      async () => (await isReady(replica, 2)) && (await serving(replica)) === 'nas',
    )
    t.equal(await replica.request(), 'nas')
  }
  const lines = (await runCli(['history', '--json'], env)).out
  t.match(JSON.parse(lines), { items: [{ by: 'else', changed: ['pool:main'] }, { by: 'orphaned' }] })
  const audit = JSON.parse((await runCli(['audit', 'list', '--json'], env)).out)
  t.match(audit.items, [{ by: 'bootstrap', action: 'adopt_store', subject: 'store', after: 'another' }])
  t.equal((await runCli(['audit', 'verify'], env)).exit, 0)
  const kinds: string[] = []
  for await (const { event } of events) {
    kinds.push(event)
    if (event === 'store_adopted') break
  }
  t.strictSame(kinds.slice(-2), ['reset', 'store_adopted'], 'who follows the events is told that some may be missing')
})

test('an emptied Redis: the audit chain goes on, and webhooks and streams know that events may be missing', {
  skip,
}, async t => {
  const redis = await startRedis(t)
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  const replica = await startReplica(t, { name: 'a', url: redis.url, ports })
  beatFor(t, [replica], ['home', 'nas'])
  await until('it is ready', () => isReady(replica, 1))
  const env = { GATEPOOL_URL: replica.program.url.admin ?? '', GATEPOOL_TOKEN: ADMIN_TOKEN }
  t.equal((await replica.ask('POST', '/gateways/nas/drain', {})).status, 200)
  const noted = (await runCli(['audit', 'verify'], env)).out.trim()
  const { items } = (await (await replica.ask('GET', '/events?limit=1')).json()) as { items: { id: string }[] }
  await redis.client.flushall()
  await replica.program.fact('store_refilled')
  await replica.program.fact('store_recovered')
  t.equal((await replica.ask('DELETE', '/gateways/nas/drain')).status, 204)
  t.equal((await runCli(['audit', 'verify', '--noted', noted], env)).exit, 0, 'what was noted is what it goes on from')
  const response = await replica.ask('GET', '/events/stream', undefined, { 'last-event-id': items[0]?.id ?? '' })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (!text.includes('store_refilled')) text += (await reader?.read())?.value ?? ''
  await reader?.cancel()
  t.match(text, /event: reset[\s\S]*event: store_refilled/)
})
