import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'tap'
import { startL4, sum, tcpPool } from '../../support/l4.ts'
import { RawPeer, until } from '../../support/raw-peer.ts'
import { rawMembers, rawUpstreamAt, type Script } from '../../support/raw-upstream.ts'

const echo: Script = peer => {
  peer.socket.pipe(peer.socket)
}
const idle: Script = () => undefined
const accepting = { accept_proxy: true, trusted_proxies: ['127.0.0.1'] }
const header = 'PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\r\n'

test('the upstream is told of the client: version 1 and 2, in one segment with the first bytes', async t => {
  const members = await rawMembers(idle)
  const port = members[0]?.port ?? 0
  await using l4 = await startL4(tcpPool(['a'], port, { pool: { send_proxy: 'v1' } }))
  const client = await l4.connect('tcp')
  client.send('hello')
  const first = await members[0]?.connection(0)
  const { localPort } = client.socket
  t.equal(await first?.text('hello'), `PROXY TCP4 127.0.0.1 127.0.0.1 ${localPort} ${l4.port('tcp')}\r\nhello`)
  await l4.define(tcpPool(['a'], port, { pool: { send_proxy: 'v1' }, route: { send_proxy: 'v2' } }))
  const other = await l4.connect('tcp')
  const second = await members[0]?.connection(1)
  await until(() => (second?.unread.length ?? 0) >= 28, 'the header is there, before the client said a word')
  t.equal(second?.unread.slice(0, 12), '\r\n\r\n\0\r\nQUIT\n')
  t.equal(second?.unread.charCodeAt(13), 0x11)
  other.close()
  client.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a header of a trusted proxy is taken off, in pieces too, and says who the client is', async t => {
  const members = await rawMembers(idle)
  const route = { ...accepting, send_proxy: 'v1' as const, deny: ['203.0.113.0/24'] }
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0, { route }))
  const client = await l4.connect('tcp')
  await client.dribble(`${header}hel`)
  client.send('lo')
  const upstream = await members[0]?.connection(0)
  t.equal(await upstream?.text('hello'), `${header}hello`)
  const local = await l4.connect('tcp')
  local.send(`PROXY UNKNOWN\r\nx`)
  const second = await members[0]?.connection(1)
  t.match(await second?.text('x'), /^PROXY TCP4 127\.0\.0\.1 /)
  const denied = await l4.connect('tcp')
  denied.send('PROXY TCP4 203.0.113.9 198.51.100.7 4567 443\r\nhello')
  t.not(await denied.ended(), 'open')
  t.equal(members[0]?.connections.length, 2)
  for (const peer of [client, local]) peer.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('IPv6 from client to upstream; an IPv4 client of a listener for both is what it is', async t => {
  await using member = await rawUpstreamAt('::1', 0, idle)
  const deny = ['127.0.0.9']
  const pool = tcpPool(['a'], member.port, { route: { listen: '[::]:0', send_proxy: 'v1', deny } })
  await using l4 = await startL4({ ...pool, gateways: [{ name: 'a', address: '::1' }] })
  const port = l4.port('tcp')
  const ask = async (host: string, nth: number, localAddress = host) => {
    const socket = connect({ port, host, localAddress })
    await once(socket, 'connect')
    socket.write('x')
    return { socket, said: await (await member.connection(nth)).text('x') }
  }
  const six = await ask('::1', 0)
  t.equal(six.said, `PROXY TCP6 ::1 ::1 ${six.socket.localPort} ${port}\r\nx`)
  const four = await ask('127.0.0.1', 1)
  t.equal(four.said, `PROXY TCP4 127.0.0.1 127.0.0.1 ${four.socket.localPort} ${port}\r\nx`)
  const denied = new RawPeer(connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9' }))
  t.not(await denied.ended(), 'open')
  t.equal(sum(l4.l4.numbers.connectionsRefused(), { reason: 'denied' }), 1)
  for (const { socket } of [six, four]) socket.destroy()
})

test('a trusted proxy that sends no header is closed; of anybody else none is expected, nor taken', async t => {
  const members = await rawMembers(echo)
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0, { route: accepting }))
  const client = await l4.connect('tcp')
  client.send('GET / HTTP/1.1\r\n')
  t.not(await client.ended(), 'open')
  t.equal(sum(l4.l4.numbers.connectionsRefused(), { reason: 'malformed' }), 1)
  const stranger = new RawPeer(connect({ port: l4.port('tcp'), host: '127.0.0.1', localAddress: '127.0.0.9' }))
  stranger.send(header)
  t.equal(await stranger.text(header), header, 'its header is data like any other')
  stranger.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('half a header is waited for 3 seconds, a limit counts the client and not the proxy', async t => {
  const members = await rawMembers(echo)
  const route = { ...accepting, max_sessions_per_address: 1 }
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0, { route }))
  const half = await l4.connect('tcp')
  half.send('PROXY TCP4 192')
  const since = performance.now()
  for (const client of ['192.0.2.1', '192.0.2.2']) {
    const peer = await l4.connect('tcp')
    peer.send(`PROXY TCP4 ${client} 198.51.100.7 4567 443\r\nx`)
    t.equal(await peer.text('x'), 'x')
  }
  const again = await l4.connect('tcp')
  again.send('PROXY TCP4 192.0.2.1 198.51.100.7 4568 443\r\nx')
  t.not(await again.ended(), 'open')
  t.equal(sum(l4.l4.numbers.connectionsRefused(), { reason: 'limited' }), 1)
  t.not(await half.ended(), 'open')
  t.ok(performance.now() - since >= 3000)
  for (const member of members) await member[Symbol.asyncDispose]()
})
