import { once } from 'node:events'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { test } from 'tap'
import { listener } from '../../../src/config/schema.ts'
import { certificate } from '../../support/certificate.ts'
import { clientHello } from '../../support/client-hello.ts'
import { startL4, sum } from '../../support/l4.ts'
import { within } from '../../support/raw-peer.ts'
import { refusingPort } from '../../support/raw-upstream.ts'

/** A TLS server that says its name and the protocol that was agreed on. */
async function tlsMember(name: string, host: string, port = 0) {
  const server = createServer({ ...certificate(name), ALPNProtocols: ['h2', 'http/1.1'] }, socket => {
    socket.end(`${name} ${socket.alpnProtocol || 'nothing'}`)
  })
  server.on('tlsClientError', () => undefined)
  server.listen(port, host)
  await once(server, 'listening')
  return { server, port: (server.address() as { port: number }).port }
}

async function ask(
  port: number,
  options: { servername?: string; ALPNProtocols?: string[]; ca?: string },
): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, checkServerIdentity: () => undefined, ...options })
  let text = ''
  socket.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  const failed = once(socket, 'error').then(([error]) => String((error as NodeJS.ErrnoException).code))
  const ended = once(socket, 'end').then(() => text)
  const said = await within(Promise.race([ended, failed]), 'an answer')
  socket.destroy()
  return said
}

test('connections go by name and protocol, end to end: nothing of TLS is ours', async t => {
  const one = await tlsMember('one.example.org', '127.0.0.2')
  const two = await tlsMember('two.example.org', '127.0.0.3', one.port)
  const common = { protocol: 'tls', listener: 'pass', gateway_port: one.port } as const
  await using l4 = await startL4(
    {
      gateways: [
        { name: 'a', address: '127.0.0.2' },
        { name: 'b', address: '127.0.0.3' },
      ],
      pools: [
        { name: 'p', members: ['a'] },
        { name: 'q', members: ['b'] },
      ],
      routes: [
        { ...common, name: 'exact', match: { sni: 'one.example.org' }, target: { pool: 'p' } },
        { ...common, name: 'wide', match: { sni: '*.example.org' }, target: { pool: 'q' } },
        { ...common, name: 'h2', match: { sni: 'one.example.org', alpn: ['h2'] }, target: { pool: 'q' } },
        { ...common, name: 'rest', match: { sni: 'nobody.test' }, target: { pool: 'p' } },
      ],
    },
    { listeners: [{ name: 'pass' }, { name: 'open', default_route: 'rest' }] },
  )
  const port = l4.port('pass')
  const ca = certificate('one.example.org').cert
  t.equal(await ask(port, { servername: 'one.example.org', ca }), 'one.example.org nothing', 'its own certificate')
  t.equal(
    await ask(port, { servername: 'two.example.org', ca: certificate('two.example.org').cert }),
    'two.example.org nothing',
  )
  t.equal(
    await ask(port, { servername: 'one.example.org', ALPNProtocols: ['h2'], ca: certificate('two.example.org').cert }),
    'two.example.org h2',
  )
  t.equal(await ask(port, { servername: 'else.test' }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME')
  t.equal(await ask(port, {}), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'no name, no route')
  t.equal(await ask(l4.port('open'), { servername: 'else.test', ca }), 'one.example.org nothing', 'the default route')
  t.equal(await ask(l4.port('open'), { ca }), 'one.example.org nothing')
  for (const { server } of [one, two]) server.close()
})

test('the ClientHello may come in any pieces; what is none is told so', async t => {
  const one = await tlsMember('one.example.org', '127.0.0.2')
  await using l4 = await startL4(
    {
      gateways: [{ name: 'a', address: '127.0.0.2' }],
      routes: [
        {
          name: 'r',
          protocol: 'tls',
          listener: 'pass',
          match: { sni: 'one.example.org' },
          gateway_port: one.port,
          target: { gateway: 'a' },
        },
      ],
    },
    { listeners: [{ name: 'pass', accept_proxy: true, trusted_proxies: ['127.0.0.1'] }] },
  )
  const hello = clientHello({ sni: 'one.example.org' }).toString('latin1')
  const slow = await l4.connect('pass')
  await slow.dribble(`PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\r\n${hello}`)
  // The server finds nothing that it likes in our simple hello, and says so with an alert of its own.
  t.equal(await slow.take(() => (slow.unread.length >= 7 ? 2 : undefined), 'an answer'), '\x15\x03')
  t.equal(sum(l4.l4.numbers.bytes(), { direction: 'to_upstream' }), hello.length)
  const plain = await l4.connect('pass')
  plain.send('PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: one.example.org\r\n\r\n')
  t.equal(await plain.text('\x02\x32'), '\x15\x03\x03\x00\x02\x02\x32')
  t.equal(await plain.ended(), 'end')
  t.equal(sum(l4.l4.numbers.connectionsRefused(), { reason: 'malformed' }), 1)
  const gone = await l4.connect('pass')
  gone.send('PROXY UNKNOWN\r\n')
  gone.end()
  t.not(await gone.ended(), 'open')
  one.server.close()
})

test('with nobody left to serve it a client is told so', async t => {
  const route = { name: 'r', protocol: 'tls', listener: 'pass', match: { sni: 'one.example.org' } } as const
  const port = await refusingPort()
  await using l4 = await startL4(
    {
      gateways: [{ name: 'a', address: '127.0.0.2' }],
      routes: [{ ...route, gateway_port: port, target: { gateway: 'a' } }],
    },
    { listeners: [{ name: 'pass' }] },
  )
  t.equal(await ask(l4.port('pass'), { servername: 'one.example.org' }), 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR')
  t.equal(sum(l4.l4.numbers.connectionsRefused(), { reason: 'outage' }), 1)
  t.equal(l4.inFlight(), 0)
})

test('listeners for TLS come, change and go with the configuration; one that cannot be had changes nothing', async t => {
  await using l4 = await startL4({}, { listeners: [{ name: 'pass' }] })
  const port = l4.port('pass')
  const written = (name: string, listen: string) => listener.parse({ name, protocol: 'tls', listen })
  const kept = written('pass', '127.0.0.1:0')
  t.match(await l4.l4.apply([kept, written('taken', `127.0.0.1:${port}`)]), {
    code: 'listen_failed',
    detail: `listener taken cannot listen on 127.0.0.1:${port}: the address is in use`,
  })
  t.strictSame(
    l4.l4.listeners().map(({ name }) => name),
    ['pass'],
  )
  t.equal(await l4.l4.apply([kept, written('more', '127.0.0.1:0')]), null)
  t.equal(l4.port('pass'), port)
  t.equal(await l4.l4.apply([written('more', '127.0.0.1:0')]), null)
  t.strictSame(
    l4.l4.listeners().map(({ name }) => name),
    ['more'],
  )
})
