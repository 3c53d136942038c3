/** Requests and connections that wait while nobody can serve them. */
import { test } from 'tap'
import type { Liveness } from '../../src/core/nouns.ts'
import { type Engine, startEngine, startPool } from '../support/engine.ts'
import { startL4, tcpPool } from '../support/l4.ts'
import { rest, until } from '../support/raw-peer.ts'
import { ok, type RawUpstream, rawUpstream, rawUpstreamAt, refusingPort } from '../support/raw-upstream.ts'
import { down, livenessOf, up } from '../support/world.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const hold = (time: string) => ({ on_all_down: { action: 'hold' as const, hold: time }, outage_message: 'Soon.' })

/** Answers every request with its own path, and notes in which order they came. */
function echoing(order: string[]) {
  return async (peer: RawUpstream['connections'][number]) => {
    for (;;) {
      const { startLine, body } = await peer.request()
      const path = startLine.split(' ')[1] ?? ''
      order.push(path)
      peer.send(ok(`${path}${body}`))
    }
  }
}

function failures({ http }: Engine): number {
  let sum = 0
  for (const { value } of http.numbers.upstreamErrors()) sum += value
  return sum
}

/** One gateway that beats, and is down; `know` says what becomes of it. */
async function stage(port: number, time: string, max_connections = 0) {
  const engine = await startEngine({
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: port, liveness: 'heartbeat' }],
    pools: [{ name: 'p', members: ['a'], max_connections, ...hold(time) }],
    routes: [{ name: 'web', target: { pool: 'p' } }],
  })
  let revision = 1
  const know = (record: Liveness['gateways'][string]) => {
    revision++
    const liveness = { revision, value: livenessOf({ a: record }) }
    engine.state.apply({ kind: 'committed', documents: { liveness }, facts: [], at: Date.now() })
  }
  know(down)
  return { engine, know, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() }
}

function active({ http }: Engine): number {
  let sum = 0
  for (const { value } of http.numbers.connectionsActive()) sum += value
  return sum
}

test('a gateway dies, 50 requests wait, and when it is back all are answered and none was lost', async t => {
  const port = await refusingPort()
  await using engine = await startPool([port], { pool: hold('10s') })
  const asked = Array.from({ length: 50 }, (_, n) => engine.ask(`GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`))
  const posted = engine.ask('POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
  await until(() => failures(engine) >= 51, 'each of them has found nobody')
  const order: string[] = []
  await using _ = await rawUpstreamAt('127.0.0.1', port, echoing(order))
  for (const [n, answer] of (await Promise.all(asked)).entries()) t.match(answer, { status: 200, body: `/${n}` })
  t.match(await posted, { status: 200, body: '/posthello' })
  t.equal(order.length, 51, 'each was sent once')
  t.equal(engine.counted('5xx'), 0)
  t.notOk(engine.retries().budget, 'waiting is no retry')
})

test('they go in the order in which they came, also to somebody who takes one at a time', async t => {
  const order: string[] = []
  await using upstream = await rawUpstream(echoing(order))
  await using it = await stage(upstream.port, '1h', 1)
  const paths = Array.from({ length: 20 }, (_, n) => `/${n}`)
  const asked = []
  for (const [n, path] of paths.entries()) {
    asked.push(it.engine.ask(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`))
    await until(() => active(it.engine) === n + 1, 'it is connected')
    await rest(() => n)
  }
  t.strictSame(order, [])
  it.know(up)
  for (const [n, answer] of (await Promise.all(asked)).entries()) t.match(answer, { status: 200, body: paths[n] })
  t.strictSame(order, paths)
})

test('whoever waits longer than the pool lets it is told so, with the page of the outage', async t => {
  await using it = await stage(await refusingPort(), '100ms')
  const answer = await it.engine.ask(GET)
  t.match(answer, { status: 503 })
  t.match(answer.body, /Soon\./)
  t.equal(answer.field('retry-after'), '10')
  t.match(answer.field('proxy-status'), /destination_unavailable/)
})

test('a body is waited with while it comes, if it is small', async t => {
  await using upstream = await rawUpstream(echoing([]))
  await using it = await stage(upstream.port, '1h')
  const client = await it.engine.connect()
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello')
  await rest(() => client.received.length)
  client.send('there')
  await rest(() => client.received.length)
  const early = await it.engine.connect()
  early.send('POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx')
  await rest(() => early.received.length)
  it.know(up)
  t.match(await client.answer(), { status: 200, body: '/hellothere' })
  early.send('y')
  t.match(await early.answer(), { status: 200, body: '/exy' }, 'the rest of it may come later')
  it.know(down)
  const told = await it.engine.ask(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * 1024 + 1}\r\n\r\n`)
  t.match(told, { status: 503 }, 'its length says that it is too large')
  const chunked = await it.engine.connect()
  chunked.send('PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  await rest(() => chunked.received.length)
  t.equal(chunked.received, '')
  chunked.send(`12000\r\n${'x'.repeat(0x12000)}\r\n`)
  t.match(await chunked.answer(), { status: 503 }, 'so is one that turns out to be too large')
  for (const one of [client, early, chunked]) one.close()
})

test('whoever leaves is forgotten', async t => {
  const order: string[] = []
  await using upstream = await rawUpstream(echoing(order))
  await using it = await stage(upstream.port, '1h')
  const [one, two, three] = [await it.engine.connect(), await it.engine.connect(), await it.engine.connect()]
  one.send('GET /one HTTP/1.1\r\nHost: a\r\n\r\n')
  two.send('GET /two HTTP/1.1\r\nHost: a\r\n\r\n')
  three.send('GET /three HTTP/1.1\r\nHost: a\r\n\r\n')
  await rest(() => active(it.engine))
  one.end()
  two.reset()
  await until(() => active(it.engine) === 1, 'both have left')
  it.know(up)
  t.match(await three.answer(), { status: 200 })
  t.strictSame(order, ['/three'])
  t.equal(it.engine.counted('client_left'), 2)
  for (const client of [one, two, three]) client.close()
})

test('a shutdown does not wait for those who wait', async t => {
  await using it = await stage(await refusingPort(), '1h')
  const asked = it.engine.ask(GET)
  await until(() => active(it.engine) === 1, 'it is connected')
  await rest(() => active(it.engine))
  const drained = it.engine.http.drain()
  t.match(await asked, { status: 503 })
  await drained
})

test('a TCP connection waits too: nothing of what it says is lost', async t => {
  const port = await refusingPort()
  const written = tcpPool(['a'], port)
  await using l4 = await startL4({
    ...written,
    gateways: [{ name: 'a', address: '127.0.0.1' }],
    pools: [{ ...written.pools?.[0], name: 'all', members: ['a'], ...hold('10s') }],
  })
  const client = await l4.connect('tcp')
  const silent = await l4.connect('tcp')
  const gone = await l4.connect('tcp')
  client.send('hello ')
  await rest(() => l4.inFlight())
  client.end('you')
  gone.end()
  t.equal(await gone.ended(), 'end')
  await using upstream = await rawUpstreamAt('127.0.0.1', port, peer => {
    peer.send('welcome')
  })
  t.equal(await silent.text('welcome'), 'welcome')
  t.equal(await client.text('welcome'), 'welcome')
  await until(() => upstream.received === 'hello you', 'all of it came')
  t.equal(upstream.connections.length, 2)
  for (const one of [client, silent, gone]) one.close()
})

test('a TCP connection is closed when it has waited long enough, or when everything is', async t => {
  const port = await refusingPort()
  const start = (time: string) => {
    const written = tcpPool(['a'], port)
    return startL4({
      ...written,
      gateways: [{ name: 'a', address: '127.0.0.1' }],
      pools: [{ ...written.pools?.[0], name: 'all', members: ['a'], ...hold(time) }],
    })
  }
  await using short = await start('50ms')
  t.equal(await (await short.connect('tcp')).ended(), 'end')
  await using long = await start('1h')
  const client = await long.connect('tcp')
  await rest(() => long.inFlight())
  await long.l4.drain()
  t.equal(await client.ended(), 'end')
})
