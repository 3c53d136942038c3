/** What becomes of upgraded connections when their member goes down, is drained, or hands its traffic back. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import type { Holds, Liveness, Pool } from '../../../src/core/nouns.ts'
import { EMPTY } from '../../../src/core/store.ts'
import { type Engine, startEngine } from '../../support/engine.ts'
import { until, within } from '../../support/raw-peer.ts'
import { type RawUpstream, rawUpstream } from '../../support/raw-upstream.ts'
import { down, drained, livenessOf, up } from '../../support/world.ts'
import { head } from './request-corpus.ts'

const CLOSED = Buffer.from([0x88, 2, 0x03, 0xf4]).toString('latin1')

/** An engine in front of two gateways that beat, in one failover pool. */
async function stage(ports: readonly number[], sessions: Partial<Pool['sessions']> = {}) {
  const gateways = ports.map((http_port, i) => ({
    name: 'ab'[i] as string,
    address: '127.0.0.1',
    http_port,
    liveness: 'heartbeat' as const,
  }))
  const engine = await startEngine({
    gateways,
    pools: [{ name: 'all', members: gateways.map(({ name }) => name), sessions }],
    routes: [{ name: 'app', target: { pool: 'all' }, upgrade: ['websocket', 'chat'] }],
  })
  let revision = 1
  const commit = (documents: { readonly liveness?: Liveness; readonly holds?: Holds }) => {
    revision++
    const versioned = Object.fromEntries(Object.entries(documents).map(([name, value]) => [name, { revision, value }]))
    engine.state.apply({ kind: 'committed', documents: versioned, facts: [], at: Date.now() })
  }
  const know = (records: Liveness['gateways']) => commit({ liveness: livenessOf(records) })
  const hold = (...names: string[]) =>
    commit({ holds: { ...EMPTY.holds, gateways: Object.fromEntries(names.map(name => [name, [drained]])) } })
  know({ a: up, b: up })
  return { engine, know, hold, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() }
}

/** A WebSocket server that says its name when it is asked anything. */
async function server(name: string) {
  const it = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(it, 'listening')
  it.on('connection', socket => socket.on('message', () => socket.send(name)))
  return {
    port: (it.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const client of it.clients) client.terminate()
      it.close()
      await once(it, 'close')
    },
  }
}

async function open({ port }: Engine): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await within(once(socket, 'open'), 'the WebSocket to open')
  return socket
}

async function who(socket: WebSocket): Promise<string> {
  socket.send('who')
  return String((await within(once(socket, 'message'), 'an answer'))[0])
}

async function code(socket: WebSocket): Promise<number> {
  if (socket.readyState === WebSocket.CLOSED) return 0
  return (await within(once(socket, 'close'), 'its end'))[0]
}

type Stage = Awaited<ReturnType<typeof stage>>

test('a member goes down', async t => {
  await using a = await server('a')
  await using b = await server('b')
  const goesDown = async (sessions: Partial<Pool['sessions']>) => {
    const it = await stage([a.port, b.port], sessions)
    const sockets = [await open(it.engine), await open(it.engine)] as const
    t.equal(await who(sockets[0]), 'a')
    it.know({ a: down, b: up })
    return { ...it, sockets }
  }
  await t.test('close: its WebSockets are told to come again, and those that come are at another', async t => {
    await using it = await goesDown({ on_down: 'close' })
    t.strictSame(await Promise.all(it.sockets.map(code)), [1012, 1012])
    await until(() => it.engine.inFlight() === 0, 'nothing runs')
    const next = await open(it.engine)
    t.equal(await who(next), 'b')
    it.know({ a: down, b: up })
    it.hold('a')
    t.equal(await who(next), 'b', 'what happens to others does not concern it')
    t.equal(it.engine.counted('1xx'), 2)
  })
  await t.test('keep, as it is without a word: they go on', async t => {
    await using it = await goesDown({ on_drain: 'close', on_failback: 'close' })
    t.equal(await who(it.sockets[0]), 'a')
    t.equal(await who(it.sockets[1]), 'a')
  })
})

test('a member is drained', async t => {
  await using a = await server('a')
  await using b = await server('b')
  await t.test('close', async t => {
    await using it = await stage([a.port, b.port], { on_drain: 'close' })
    const socket = await open(it.engine)
    it.hold('a')
    t.equal(await code(socket), 1012)
    const other = await open(it.engine)
    t.equal(await who(other), 'b')
  })
  await t.test('finish, as it is without a word', async t => {
    await using it = await stage([a.port, b.port], { on_down: 'close', on_failback: 'close' })
    const socket = await open(it.engine)
    it.hold('a')
    t.equal(await who(socket), 'a')
    it.hold()
    t.equal(await who(socket), 'a')
  })
})

test('the first in order is back', async t => {
  await using a = await server('a')
  await using b = await server('b')
  const comesBack = async (sessions: Partial<Pool['sessions']>) => {
    const it = await stage([a.port, b.port], sessions)
    const early = await open(it.engine)
    it.know({ a: down, b: up })
    const late = await open(it.engine)
    t.equal(await who(late), 'b')
    it.know({ a: up, b: up })
    return { ...it, early, late }
  }
  await t.test('close: those of whoever stood in for it', async t => {
    await using it = await comesBack({ on_failback: 'close' })
    t.equal(await code(it.late), 1012)
    t.equal(await who(it.early), 'a', 'its own, which it kept, go on')
    t.equal(await who(await open(it.engine)), 'a')
  })
  await t.test('keep, as it is without a word', async t => {
    await using it = await comesBack({ on_down: 'keep', on_drain: 'close' })
    t.equal(await who(it.late), 'b')
  })
})

test('whoever connects to a member that is out already is not cut off for it', async t => {
  await using a = await server('a')
  await using it = await stage([a.port], { on_down: 'close', on_drain: 'close' })
  it.know({})
  const socket = await open(it.engine)
  t.equal(await who(socket), 'a', 'by emergency')
  it.know({ a: up })
  t.equal(await who(socket), 'a')
  it.know({ a: down })
  t.equal(await code(socket), 1012)
})

/** A frame with `size` bytes, fewer than 126. */
const frame = (size: number): string => `\x82${String.fromCharCode(size)}${'x'.repeat(size)}`

/** A client in a tunnel to an upstream that does as the test says. */
async function raw(it: Stage, origin: RawUpstream, protocol = 'websocket') {
  const upgrade = ['Connection: Upgrade', `Upgrade: ${protocol}`]
  const client = await it.engine.connect()
  client.send(head('GET / HTTP/1.1', 'Host: a', ...upgrade))
  const upstream = await origin.connection(origin.connections.length)
  await upstream.request()
  return {
    client,
    upstream,
    async answered() {
      upstream.send(head('HTTP/1.1 101 Switching Protocols', ...upgrade))
      await client.answer()
    },
  }
}

test('the close frame', async t => {
  await using origin = await rawUpstream()
  await t.test('stands behind the frame that is being sent, and nothing behind it', async t => {
    for (const sent of [1, 2, 5]) {
      await using it = await stage([origin.port], { on_drain: 'close' })
      const { client, upstream, answered } = await raw(it, origin)
      await answered()
      const bytes = frame(7)
      upstream.send(frame(3) + bytes.slice(0, sent))
      await client.text(frame(3) + bytes.slice(0, sent))
      it.hold('a')
      client.send('still heard')
      await upstream.text('still heard')
      upstream.send(bytes.slice(sent) + frame(9))
      t.equal(await client.text(CLOSED), bytes.slice(sent) + CLOSED, `${sent} bytes had come`)
      t.equal(await client.ended(), 'end')
      t.equal(client.unread, '')
      t.not(await upstream.ended(), 'open')
      client.close()
    }
  })
  await t.test('is not sent within a frame that never ends, and the connection is closed all the same', async t => {
    await using it = await stage([origin.port], { on_drain: 'close' })
    const { client, upstream, answered } = await raw(it, origin)
    await answered()
    upstream.send('\x82\x7d')
    await client.text('\x82\x7d')
    it.hold('a')
    t.equal(await client.ended(), 'end')
    t.equal(client.unread, '')
  })
  await t.test('is not sent behind another one', async t => {
    await using it = await stage([origin.port], { on_drain: 'close' })
    const { client, upstream, answered } = await raw(it, origin)
    await answered()
    upstream.send('\x88\x00')
    await client.text('\x88\x00')
    it.hold('a')
    t.equal(await client.ended(), 'end')
    t.equal(client.unread, '')
  })
  await t.test('is for WebSockets alone', async t => {
    await using it = await stage([origin.port], { on_drain: 'close' })
    const { client, upstream, answered } = await raw(it, origin, 'chat')
    await answered()
    upstream.send('hello')
    await client.text('hello')
    it.hold('a')
    t.equal(await client.ended(), 'end')
    t.equal(client.unread, '')
  })
  await t.test('comes too when everything is closed', async t => {
    const it = await stage([origin.port])
    const { client, answered } = await raw(it, origin)
    await answered()
    await it[Symbol.asyncDispose]()
    t.equal(await client.text(CLOSED), CLOSED)
  })
  await t.test('comes when the member was drained before the upgrade was answered', async t => {
    await using it = await stage([origin.port], { on_drain: 'close' })
    const { client, answered } = await raw(it, origin)
    it.hold('a')
    await answered()
    t.equal(await client.text(CLOSED), CLOSED)
  })
})
