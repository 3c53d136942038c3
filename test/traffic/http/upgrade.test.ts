/** Upgraded connections: when the tunnel opens, what goes through it, and how it ends. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startPool } from '../../support/engine.ts'
import { rest, until, within } from '../../support/raw-peer.ts'
import { answering, ok, rawUpstream, refusingPort } from '../../support/raw-upstream.ts'
import { head } from './request-corpus.ts'

const asking = (...fields: string[]): string =>
  head('GET /chat HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', ...fields)
const SWITCHING = head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket')

/** An upstream that takes every upgrade; the test has the connection from there on. */
const switching = () =>
  rawUpstream(async peer => {
    await peer.request()
    peer.send(SWITCHING)
  })

test('WebSockets', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', maxPayload: 64 * 1024 * 1024 })
  await once(server, 'listening')
  server.on('connection', (socket, request) => {
    socket.on('message', (data, isBinary) => {
      if (data.toString() === 'who') socket.send(String(request.headers['x-forwarded-for']))
      else if (data.toString() === 'bye') socket.close(4001, 'as you wish')
      else socket.send(data, { binary: isBinary })
    })
  })
  const { port } = server.address() as AddressInfo
  // The first is dead: an upgrade goes elsewhere like any other request.
  await using engine = await startPool([await refusingPort(), port])
  const open = async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${engine.port}/chat`)
    await within(once(socket, 'open'), 'the WebSocket to open')
    return socket
  }
  const reply = async (socket: WebSocket): Promise<Buffer> => (await within(once(socket, 'message'), 'a message'))[0]

  await t.test('messages both ways, small and large', async t => {
    const socket = await open()
    socket.send('who')
    t.equal(String(await reply(socket)), '127.0.0.1')
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000, 8 * 1024 * 1024]) {
      const message = randomBytes(size)
      socket.send(message)
      t.equal(sha(await reply(socket)), sha(message), `${size} bytes`)
    }
    t.equal(engine.inFlight(), 1)
    socket.close(1000)
    const [code] = await within(once(socket, 'close'), 'its end')
    t.equal(code, 1000)
    await until(() => engine.inFlight() === 0, 'the tunnel is gone')
    t.equal(engine.counted('1xx'), 1)
  })

  await t.test('many at once', async t => {
    const sockets = await Promise.all(Array.from({ length: 20 }, open))
    await Promise.all(
      sockets.map(async (socket, i) => {
        for (let round = 0; round < 20; round++) {
          const message = Buffer.alloc(1 + ((i * 7919 + round * 104_729) % 50_000), `${i}/${round};`)
          socket.send(message)
          if (sha(await reply(socket)) !== sha(message)) t.fail(`client ${i}, message ${round}`)
        }
        socket.terminate()
      }),
    )
    await until(() => engine.inFlight() === 0, 'the tunnels are gone')
    t.pass('each got its own')
  })

  await t.test('the close of the server comes through', async t => {
    const socket = await open()
    socket.send('bye')
    const [code, reason] = await within(once(socket, 'close'), 'its end')
    t.equal(code, 4001)
    t.equal(String(reason), 'as you wish')
  })
  for (const socket of server.clients) socket.terminate()
  server.close()
})

test('the tunnel opens with the 101 of the upstream, not before', async t => {
  await using origin = await rawUpstream(() => undefined)
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(`${asking()}early`)
  const upstream = await origin.connection(0)
  t.match((await upstream.request()).head, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/)
  client.send(' bytes')
  await rest(() => upstream.received.length)
  t.equal(upstream.unread, '', 'what came behind the request waits')
  upstream.send(`${SWITCHING}hello`)
  t.equal(await client.text('\r\n\r\n'), SWITCHING)
  t.equal(await client.text('hello'), 'hello')
  t.equal(await upstream.text('early bytes'), 'early bytes')
  client.close()
})

test('an upgrade that the upstream does not take is an ordinary request', async t => {
  for (const [title, behind, answers, connections] of [
    ['frames behind it are no request', '\x81\x05hello', [200, 400], 1],
    ['a request behind it is a request, on another connection', head('GET /next HTTP/1.1', 'Host: a'), [200, 200], 2],
  ] as const) {
    await using origin = await rawUpstream(answering(ok('no')))
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(asking() + behind)
    for (const status of answers) t.equal((await client.answer()).status, status, title)
    t.notMatch(origin.received, '\x81')
    t.equal(origin.connections.length, connections, 'the one on which it was declined serves no other request')
    client.close()
  }
})

test('protocols that the route does not list are not asked for', async t => {
  await using origin = await rawUpstream(answering(ok('plain')))
  await using engine = await startPool([origin.port])
  await using none = await startPool([origin.port], { route: { upgrade: [] } })
  t.equal((await engine.ask(head('GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: h2c'))).body, 'plain')
  t.equal((await none.ask(asking())).body, 'plain')
  t.notMatch(origin.received, /upgrade/i)

  await using other = await rawUpstream(async peer => {
    await peer.request()
    peer.send(head('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: FOO/2'))
  })
  await using listing = await startPool([other.port], { route: { upgrade: ['websocket', 'foo'] } })
  const client = await listing.connect()
  client.send(head('GET / HTTP/1.1', 'Host: a', 'Connection: upgrade', 'Upgrade: foo/2'))
  t.equal((await client.answer()).status, 101, 'one that it lists is')
  client.close()
})

test('the end of one side goes through, and the other side may go on', async t => {
  for (const first of ['client', 'upstream'] as const) {
    await using origin = await switching()
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(asking())
    await client.answer()
    const upstream = await origin.connection(0)
    const [ending, going] = first === 'client' ? [client, upstream] : [upstream, client]
    ending.end('last words')
    await going.text('last words')
    t.equal(await going.ended(), 'end', `${first} ends`)
    going.send('still here')
    t.equal(await ending.text('still here'), 'still here', `${first} still listens`)
    going.end('goodbye')
    await ending.text('goodbye')
    t.equal(await ending.ended(), 'end')
    await until(() => engine.inFlight() === 0, 'the tunnel is gone')
  }
})

test('a reset of one side goes through', async t => {
  for (const first of ['client', 'upstream'] as const) {
    await using origin = await switching()
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(asking())
    await client.answer()
    const upstream = await origin.connection(0)
    const [leaving, staying] = first === 'client' ? [client, upstream] : [upstream, client]
    leaving.reset()
    t.equal(await staying.ended(), 'reset', `${first} resets`)
    await until(() => engine.inFlight() === 0, 'the tunnel is gone')
    t.equal([...engine.http.numbers.upstreamErrors()].length, 0, 'how a tunnel ends is nobody’s fault')
  }
})

test('a client that ends its side and then goes away altogether is noticed while the upstream is silent', async t => {
  await using origin = await switching()
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(asking())
  await client.answer()
  client.end()
  const upstream = await origin.connection(0)
  t.equal(await upstream.ended(), 'end')
  client.reset()
  await until(() => engine.inFlight() === 0, 'the tunnel is gone')
  t.equal([...engine.http.numbers.upstreamErrors()].length, 0)
})

test('a tunnel holds back whoever sends more than the other side takes', async t => {
  const total = 32 * 1024 * 1024
  for (const direction of ['to the client', 'to the upstream'] as const) {
    await using origin = await switching()
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(asking())
    await client.answer()
    const upstream = await origin.connection(0)
    const [from, to] = direction === 'to the client' ? [upstream, client] : [client, upstream]
    to.socket.pause()
    let sent = 0
    const part = Buffer.alloc(256 * 1024, 'x')
    const more = () => {
      while (sent < total) {
        sent += part.length
        if (!from.socket.write(part)) return
      }
      from.end()
    }
    from.socket.on('drain', more)
    more()
    const bounded = await rest(() => sent)
    t.ok(bounded < total / 2, `${direction}: ${bounded} bytes were taken`)
    to.socket.removeAllListeners('data')
    let came = 0
    to.socket.on('data', chunk => (came += chunk.length))
    to.socket.resume()
    await within(once(to.socket, 'end'), 'the end')
    t.equal(came, total, `${direction}: all of it arrives`)
    client.close()
  }
})

test('an idle tunnel is closed after its time, and not before', async t => {
  await using origin = await switching()
  await using engine = await startPool([origin.port], { route: { tunnel_timeout: '300ms' } })
  const [quiet, lively] = await Promise.all([engine.connect(), engine.connect()])
  for (const client of [quiet, lively]) {
    client.send(asking())
    await client.answer()
  }
  const drip = setInterval(() => lively.send('x'), 50)
  t.not(await quiet.ended(), 'open')
  t.equal(lively.ending, 'open')
  clearInterval(drip)
  t.not(await lively.ended(), 'open')
})

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
