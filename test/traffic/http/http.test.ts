/** Listeners come, change and go while traffic flows. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'tap'
import { type Engine, portOf, startEngine, startPool, webListener } from '../../support/engine.ts'
import { RawPeer, rest, until } from '../../support/raw-peer.ts'
import { answering, ok, rawUpstream, refusingPort } from '../../support/raw-upstream.ts'
import { define } from '../../support/world.ts'
import { head } from './request-corpus.ts'

const get = (path = '/', ...fields: string[]): string => head(`GET ${path} HTTP/1.1`, 'Host: a', ...fields)
const SWITCHING = head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket')

async function refuses(port: number): Promise<boolean> {
  return RawPeer.to(port).then(
    client => {
      client.close()
      return false
    },
    () => true,
  )
}

/** A listener that is known by where it is, as one in a file is. */
async function fixed(name: string, more: object = {}) {
  return webListener({ name, listen: `127.0.0.1:${await refusingPort()}`, ...more })
}

test('a listener is added and removed without touching the others', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port])
  const { http } = engine
  const client = await engine.connect()
  client.send(get())
  await client.answer()

  t.equal(await http.apply([webListener(), webListener({ name: 'second' })]), null)
  const second = portOf(http, 'second')
  t.equal(portOf(http, 'web'), engine.port, 'the first is where it was')
  t.equal((await askAt(second)).body, 'fine')
  client.send(get())
  t.equal((await client.answer()).body, 'fine', 'and keeps its connections')

  t.equal(await http.apply([webListener()]), null)
  t.ok(await refuses(second), 'the second is gone')
  client.send(get())
  t.equal((await client.answer()).body, 'fine')
  t.strictSame(
    http.listeners().map(({ name }) => name),
    ['web'],
  )
  client.close()
})

test('a listener that goes finishes what runs', async t => {
  await using origin = await rawUpstream(() => undefined)
  await using engine = await startPool([origin.port])
  const running = await engine.connect()
  const idle = await engine.connect()
  const begun = await engine.connect()
  running.send(get())
  begun.send('GET / HTTP/1.1\r\nHo')
  const upstream = await origin.connection(0)
  await upstream.request()
  await engine.http.apply([])
  t.equal(await idle.ended(), 'end', 'an idle connection is closed')
  t.ok(await refuses(engine.port), 'no new connection is taken')
  upstream.send(ok('last'))
  const answer = await running.answer()
  t.equal(answer.body, 'last')
  t.equal(answer.field('connection'), 'close')
  t.equal(await running.ended(), 'end')
  begun.send('st: a\r\n\r\n')
  await upstream.request()
  upstream.send(ok('very last'))
  t.equal((await begun.answer()).body, 'very last', 'a request that had begun to arrive is served')
  t.equal(await begun.ended(), 'end')
  for (const client of [running, idle, begun]) client.close()
})

test('a listener moves to another address: the old connections are served to their end', async t => {
  await using origin = await rawUpstream(() => undefined, answering(ok('new')))
  await using engine = await startPool([origin.port])
  const { http } = engine
  const client = await engine.connect()
  client.send(get())
  const upstream = await origin.connection(0)
  await upstream.request()
  const moved = await fixed('web')
  t.equal(await http.apply([moved]), null)
  t.equal(portOf(http, 'web'), moved.listen.port)
  t.equal((await askAt(moved.listen.port)).body, 'new')
  t.ok(await refuses(engine.port))
  upstream.send(ok('old'))
  t.equal((await client.answer()).body, 'old')
  t.equal(await client.ended(), 'end')
  client.close()
})

test('another name for the same address, and two that change places', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startEngine({
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: origin.port }],
    routes: [{ name: 'app', listener: 'after', target: { gateway: 'a' } }],
  })
  const { http } = engine
  const before = await fixed('before')
  const other = await fixed('other')
  t.equal(await http.apply([before, other]), null)
  const client = await RawPeer.to(before.listen.port)
  client.send(get())
  t.equal((await client.answer()).status, 404, 'no route is on it')
  t.equal(await http.apply([{ ...before, name: 'after' }, other]), null)
  client.send(get())
  t.equal((await client.answer()).body, 'fine', 'the connection is still there, and has the routes of the new name')
  t.equal(
    await http.apply([
      { ...other, name: 'after' },
      { ...before, name: 'other' },
    ]),
    null,
  )
  client.send(get())
  t.equal((await client.answer()).status, 404)
  t.equal((await askAt(other.listen.port)).body, 'fine')
  client.close()
})

test('an address that cannot be had: refused, and nothing is changed', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port])
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const free = await fixed('free')
  const refused = await engine.http.apply([
    webListener({ limits: { max_head: '2KiB' } }),
    free,
    webListener({ name: 'taken', listen: `127.0.0.1:${port}` }),
  ])
  t.equal(refused?.code, 'listen_failed')
  t.match(refused?.detail, `listener taken cannot listen on 127.0.0.1:${port}: the address is in use`)
  t.ok(await refuses(free.listen.port), 'what could be opened is closed again')
  t.equal((await engine.ask(get('/', `X: ${'a'.repeat(4000)}`))).body, 'fine', 'the settings are the old ones')
  taken.close()
})

test('settings of a listener change for new connections', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port])
  const long = get('/', `X: ${'a'.repeat(4000)}`)
  const client = await engine.connect()
  client.send(long)
  t.equal((await client.answer()).status, 200)
  await engine.http.apply([webListener({ limits: { max_head: '2KiB' } })])
  t.equal((await engine.ask(long)).status, 431)
  client.send(long)
  t.equal((await client.answer()).status, 200, 'one that is open keeps its own')
  client.close()
})

test('new definitions count from the next request on, on every connection', async t => {
  await using first = await rawUpstream(answering(ok('first')))
  await using second = await rawUpstream(answering(ok('second')))
  const gateways = [
    { name: 'a', address: '127.0.0.1', http_port: first.port },
    { name: 'b', address: '127.0.0.1', http_port: second.port },
  ]
  const to = (gateway: string) => define({ gateways, routes: [{ name: 'app', target: { gateway } }] })
  await using engine = await startEngine({ gateways, routes: [{ name: 'app', target: { gateway: 'a' } }] })
  const client = await engine.connect()
  client.send(get())
  t.equal((await client.answer()).body, 'first')
  engine.state.apply({ kind: 'loaded', definitions: to('b'), changed: ['route:app'], at: Date.now() })
  client.send(get())
  t.equal((await client.answer()).body, 'second')
  t.equal(engine.counted('2xx'), 2, 'counted under the same route')
  client.close()
})

test('drain', async t => {
  await t.test('waits for what runs, on listeners that are leaving too', async t => {
    await using origin = await rawUpstream(() => undefined)
    await using engine = await startPool([origin.port])
    const moved = await fixed('web')
    const clients: RawPeer[] = []
    for (const [i, port] of [engine.port, moved.listen.port].entries()) {
      if (i === 1) await engine.http.apply([moved])
      const client = await RawPeer.to(port)
      clients.push(client)
      client.send(get())
      await (await origin.connection(i)).request()
    }
    const done = drained(engine)
    const again = drained(engine)
    for (const [i, client] of clients.entries()) {
      t.equal(done.over || again.over, false, `with ${2 - i} to go`)
      ;(await origin.connection(i)).send(ok('last'))
      t.equal((await client.answer()).field('connection'), 'close')
      client.close()
      await rest(() => engine.inFlight())
    }
    await until(() => done.over && again.over, 'both have heard of the end')
    t.notOk(engine.http.listeners().some(({ open }) => open))
  })

  await t.test('is over at once when nothing runs', async t => {
    await using engine = await startPool([1])
    const client = await engine.connect()
    await engine.http.drain()
    t.equal(await client.ended(), 'end')
  })

  await t.test('requests that were sent ahead of it are answered up to the one that runs', async t => {
    await using origin = await rawUpstream(() => undefined)
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(get('/1') + get('/2'))
    const upstream = await origin.connection(0)
    await upstream.request()
    const done = drained(engine)
    upstream.send(ok('1'))
    t.equal((await client.answer()).field('connection'), 'close')
    t.equal(await client.ended(), 'end')
    t.notMatch(origin.received, '/2')
    client.close()
    await until(() => done.over, 'it is over')
  })

  await t.test('an answer that the client has not taken yet is not lost', async t => {
    const size = 40_000
    await using origin = await rawUpstream(answering(ok('x'.repeat(size))))
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.socket.pause()
    client.send(get().repeat(2_000))
    await rest(() => engine.counted('2xx'))
    const done = drained(engine)
    client.socket.resume()
    const whole = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n`.length + 2 + size
    await client.ended()
    client.close()
    const lastOne = 'Connection: close\r\n'.length
    // The one that ran says that it is the last; between two requests nobody is left to say so.
    t.ok([0, lastOne].includes(client.received.length % whole), 'no answer is cut')
    t.ok(client.received.length >= whole)
    await until(() => done.over, 'it is over')
  })

  await t.test('a tunnel runs on until it is cut', async t => {
    await using origin = await rawUpstream(async peer => {
      await peer.request()
      peer.send(SWITCHING)
    })
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(get('/', 'Connection: upgrade', 'Upgrade: websocket'))
    await client.answer()
    const done = drained(engine)
    client.send('still')
    await (await origin.connection(0)).text('still')
    t.equal(done.over, false)
    engine.http.close()
    t.not(await client.ended(), 'open')
    await until(() => done.over, 'it is over')
  })
})

test('close cuts everything', async t => {
  await using origin = await rawUpstream(answering(ok('fine')), () => undefined)
  await using engine = await startPool([origin.port])
  const clients = await Promise.all(Array.from({ length: 3 }, () => engine.connect()))
  const [idle, running, begun] = clients
  idle?.send(get())
  await idle?.answer()
  running?.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5')}he`)
  begun?.send('GET')
  await until(() => engine.inFlight() === 1, 'one runs')
  engine.http.close()
  for (const client of clients) t.not(await client.ended(), 'open')
  for (const upstream of origin.connections) t.not(await upstream.ended(), 'open')
  t.ok(await refuses(engine.port))
})

async function askAt(port: number) {
  const client = await RawPeer.to(port)
  client.send(get())
  const answer = await client.answer()
  client.close()
  return answer
}

function drained({ http }: Engine): { readonly over: boolean } {
  const state = { over: false }
  void http.drain().then(() => {
    state.over = true
  })
  return state
}
