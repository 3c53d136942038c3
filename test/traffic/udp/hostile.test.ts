/** What a stranger, a firewall or a routing table can do to a UDP route. */
import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { datagrams } from '../../support/datagrams.ts'
import { type L4, startL4, sum, tcpPool } from '../../support/l4.ts'
import { until } from '../../support/raw-peer.ts'

const dropped = ({ l4 }: L4) =>
  Object.fromEntries([...l4.numbers.udpDropped()].map(({ labels, value }) => [labels.reason, value]))

test('an address to which there is no way is passed over like a closed port, and stays out', async t => {
  const member = await datagrams('127.0.0.3', 0, text => `said ${text}`)
  const passive = { max_fails: 1, ejection: '100ms', max_ejection: '100ms' }
  const pool = { pool: { mode: 'load_balancing', passive }, route: { name: 'udp', protocol: 'udp' } } as const
  // Broadcasts need a permission that our sockets do not have.
  const gateways = ['127.255.255.255', '127.0.0.3'].map((address, i) => ({ name: i === 0 ? 'a' : 'b', address }))
  const written = { ...tcpPool(['a', 'b'], member.port, pool), gateways }
  await using l4 = await startL4(written, { trials: true })
  const clients = await Promise.all([datagrams(), datagrams()])
  for (const client of clients) {
    client.send('one', l4.port('udp'))
    t.equal(await client.next(), 'said one')
  }
  t.strictSame(dropped(l4), {})
  const state = () => l4.state.snapshot.ports[`all@${member.port}/udp`]?.members[0]?.state
  const tried = () => Object.values(l4.state.snapshot.world.sight.passive)[0]
  t.equal(state(), 'ejected')
  const first = tried()
  await until(() => tried() !== first, 'a trial was made')
  t.equal(state(), 'ejected')
  for (const one of [member, ...clients]) one.close()
})

test('a datagram that cannot be sent is counted, and its session goes on', async t => {
  const member = await datagrams('127.0.0.2', 0, text => `${text.length}`)
  // The largest there is, and a header in front of it.
  const route = { name: 'udp', protocol: 'udp', send_proxy: 'v2' } as const
  await using l4 = await startL4(tcpPool(['a'], member.port, { route }))
  await using client = await datagrams()
  client.send(Buffer.alloc(65_507), l4.port('udp'))
  await until(() => dropped(l4).lost === 1, 'it is counted')
  client.send('hello', l4.port('udp'))
  t.equal(await client.next(), '5')
  t.equal(sum(l4.l4.numbers.udpSessions()), 1)
  member.close()
})

/** Sends a datagram from port 0, which no ordinary socket can. Words: why not. */
function sendFromNowhere(port: number): string | null {
  const script = [
    'import socket, struct',
    'raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)',
    `raw.sendto(struct.pack("!HHHH", 0, ${port}, 13, 0) + b"hello", ("127.0.0.1", 0))`,
  ]
  const { status, error, stderr } = spawnSync('python3', ['-c', script.join('\n')], { encoding: 'utf8' })
  return status === 0 ? null : (error?.message ?? stderr.trim().split('\n').at(-1) ?? 'no python3')
}

test('a datagram from port 0, to which nobody can answer, is dropped', async t => {
  const member = await datagrams('127.0.0.2', 0, text => text)
  await using l4 = await startL4(tcpPool(['a'], member.port, { route: { name: 'udp', protocol: 'udp' } }))
  const why = sendFromNowhere(l4.port('udp'))
  if (why === null) await until(() => dropped(l4).malformed === 1, 'it is dropped')
  else t.comment(`NOT TESTED: ${why}`)
  t.equal(sum(l4.l4.numbers.udpSessions()), 0)
  await using client = await datagrams()
  client.send('hello', l4.port('udp'))
  t.equal(await client.next(), 'hello')
  t.strictSame(member.received, ['hello'])
  member.close()
})
