/** The PROXY protocol in front of HTTP: whose word it is, and where the client that it names is seen. */
import { connect } from 'node:net'
import { test } from 'tap'
import { proxyHeader } from '../../../src/traffic/proxy-protocol/write.ts'
import { type Engine, type EngineOptions, startPool } from '../../support/engine.ts'
import { sum } from '../../support/l4.ts'
import { RawPeer, until } from '../../support/raw-peer.ts'
import { rawUpstream } from '../../support/raw-upstream.ts'

const accepting = { accept_proxy: true, trusted_proxies: ['127.0.0.1'] }
const header = 'PROXY TCP4 192.0.2.1 198.51.100.7 4567 8080\r\n'
const request = 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n'

/** An upstream that says what it was asked, and an engine before it. */
async function stage(options: EngineOptions & Parameters<typeof startPool>[1] = {}) {
  const upstream = await rawUpstream(async peer => {
    for (;;) {
      const { head } = await peer.request()
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${head.length}\r\n\r\n${head}`)
    }
  })
  const engine = await startPool([upstream.port], { ...options, listener: { ...accepting, ...options.listener } })
  return {
    engine,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

const refused = ({ http }: Engine, reason: string) =>
  sum([...http.numbers.connectionsRefused()].filter(({ labels }) => labels.reason === reason))

/** Sends `raw` in pieces that end at the cuts. */
async function sendCut(peer: RawPeer, raw: Buffer, cuts: readonly number[]): Promise<void> {
  let from = 0
  for (const to of [...cuts, raw.length]) {
    await new Promise(resolve => peer.socket.write(raw.subarray(from, to), resolve))
    from = to
  }
}

test('who the header names is the client, for every request of the connection', async t => {
  await using it = await stage()
  const client = await it.engine.connect()
  client.send(`${header}${request}${request}`)
  for (let i = 0; i < 2; i++) {
    const { status, body } = await client.answer()
    t.equal(status, 200)
    t.match(body, 'X-Forwarded-For: 192.0.2.1\r\n')
    t.match(body, 'X-Real-IP: 192.0.2.1\r\n')
    t.match(body, 'X-Forwarded-Port: 8080\r\n')
  }
  client.close()
})

test('a header may come in pieces, cut anywhere, of either version', async t => {
  await using it = await stage()
  const source = { address: '2001:db8::1', port: 4567 }
  const headers: readonly [client: string, raw: Buffer][] = [
    ['192.0.2.1', Buffer.from(header)],
    ['2001:db8::1', proxyHeader('v2', 'stream', source, { address: '::1', port: 80 })],
  ]
  for (const [client, raw] of headers) {
    const peers = await Promise.all(
      Array.from({ length: raw.length - 1 }, async (_, at) => {
        const peer = await it.engine.connect()
        await sendCut(peer, Buffer.concat([raw, Buffer.from(request)]), [at + 1, raw.length])
        const { body } = await peer.answer()
        peer.close()
        return /X-Forwarded-For: (.*)\r\n/.exec(body)?.[1]
      }),
    )
    t.strictSame([...new Set(peers)], [client])
  }
})

test('LOCAL and UNKNOWN speak for the proxy itself; a client that is a trusted proxy too is believed in its fields', async t => {
  await using it = await stage({ listener: { trusted_proxies: ['127.0.0.1', '10.0.0.0/8'] } })
  const local = await it.engine.connect()
  local.send(`PROXY UNKNOWN\r\n${request}`)
  t.match((await local.answer()).body, 'X-Forwarded-For: 127.0.0.1\r\n')
  local.close()
  const chained = await it.engine.connect()
  chained.send(
    `${header.replace('192.0.2.1', '10.0.0.1')}GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n`,
  )
  t.match((await chained.answer()).body, 'X-Forwarded-For: 198.51.100.9, 10.0.0.1\r\n')
  chained.close()
  const lying = await it.engine.connect()
  lying.send(`${header}GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n`)
  t.match((await lying.answer()).body, 'X-Forwarded-For: 192.0.2.1\r\n')
  lying.close()
})

test('a trusted proxy without a header is closed without an answer; from anybody else a header is a bad request', async t => {
  await using it = await stage()
  for (const wrong of [
    request,
    'PROXY TCP4 192.0.2.1\r\n',
    `PROXY ${'x'.repeat(120)}`,
    '\r\n\r\n\0\r\nQUIT\n\x31\0\0\0',
  ]) {
    const peer = await it.engine.connect()
    peer.send(wrong)
    t.not(await peer.ended(), 'open')
    t.equal(peer.unread, '')
  }
  t.equal(refused(it.engine, 'malformed'), 4)
  const stranger = new RawPeer(connect({ port: it.engine.port, host: '127.0.0.1', localAddress: '127.0.0.9' }))
  stranger.send(`${header}${request}`)
  t.equal((await stranger.answer()).status, 400)
  const plain = new RawPeer(connect({ port: it.engine.port, host: '127.0.0.1', localAddress: '127.0.0.9' }))
  plain.send(request)
  t.match((await plain.answer()).body, 'X-Forwarded-For: 127.0.0.9\r\n')
  for (const peer of [stranger, plain]) peer.close()
})

test('rules and limits are about the client and not the proxy', async t => {
  await using it = await stage({
    route: { deny: ['203.0.113.0/24'] },
    listener: { limits: { max_connections_per_address: 1 } },
  })
  const denied = await it.engine.connect()
  denied.send(`${header.replace('192.0.2.1', '203.0.113.9')}${request}`)
  t.equal((await denied.answer()).status, 403)
  const one = await it.engine.connect()
  const other = await it.engine.connect()
  one.send(`${header}${request}`)
  other.send(`${header.replace('192.0.2.1', '192.0.2.2')}${request}`)
  t.equal((await one.answer()).status, 200)
  t.equal((await other.answer()).status, 200)
  const again = await it.engine.connect()
  again.send(`${header}${request}`)
  t.not(await again.ended(), 'open')
  t.equal(refused(it.engine, 'limited'), 1)
  for (const peer of [denied, one, other]) peer.close()
})

test('half a header is waited for 3 seconds, counts for the limit of connections, and is closed by a drain', async t => {
  await using it = await stage({ listener: { limits: { max_connections: 2 } } })
  const [half, silent] = [await it.engine.connect(), await it.engine.connect()]
  half.send('PROXY TCP4 192')
  const since = performance.now()
  const active = () => sum(it.engine.http.numbers.connectionsActive())
  await until(() => active() === 2, 'both are there')
  const third = await it.engine.connect()
  t.not(await third.ended(), 'open')
  t.not(await half.ended(), 'open')
  t.not(await silent.ended(), 'open')
  t.ok(performance.now() - since >= 3000)
  t.equal(active(), 0)
  const last = await it.engine.connect()
  await until(() => active() === 1, 'it is there')
  await it.engine.http.drain()
  t.not(await last.ended(), 'open')
})
