import { test } from 'tap'
import { datagramMembers, datagrams } from '../../support/datagrams.ts'
import { startL4, sum, tcpPool } from '../../support/l4.ts'
import { rest, until } from '../../support/raw-peer.ts'
import { down, drained, up } from '../../support/world.ts'

type Parts = Parameters<typeof tcpPool>[2]

/** One UDP route to members on that port. */
const udpPool = (gateways: readonly string[], port: number, { pool, route }: NonNullable<Parts> = {}) =>
  tcpPool(gateways, port, { ...(pool && { pool }), route: { name: 'udp', protocol: 'udp', ...route } })

const dropped = (l4: Awaited<ReturnType<typeof startL4>>) =>
  Object.fromEntries([...l4.l4.numbers.udpDropped()].map(({ labels, value }) => [labels.reason, value]))

test('a datagram and its answer; clients are told apart', async t => {
  const [member] = await datagramMembers(1)
  if (member === undefined) throw new Error('no member')
  await using l4 = await startL4(udpPool(['a'], member.port))
  await using one = await datagrams()
  await using two = await datagrams()
  const port = l4.port('udp')
  one.send('from one', port)
  t.equal(await one.next(), '0 from one')
  two.send('from two', port)
  t.equal(await two.next(), '0 from two')
  one.send('', port)
  t.equal(await one.next(), '0 ')
  t.equal(sum(l4.l4.numbers.udpSessions()), 2)
  t.equal(l4.inFlight(), 2)
  t.equal(sum(l4.l4.numbers.bytes(), { direction: 'to_upstream', protocol: 'udp' }), 16)
  t.equal(sum(l4.l4.numbers.bytes(), { direction: 'to_client', protocol: 'udp' }), 22)
  t.match(l4.l4.listeners(), [{ name: 'udp', protocol: 'udp', open: true }])
  member.close()
})

test('the largest datagram arrives unharmed, both ways, and none overtakes another', async t => {
  const member = await datagrams('127.0.0.2', 0, text => text)
  await using l4 = await startL4(udpPool(['a'], member.port))
  await using client = await datagrams()
  const largest = Buffer.alloc(65_507, 'x\0\xff', 'latin1')
  client.send(largest, l4.port('udp'))
  t.ok(Buffer.from(await client.next(), 'latin1').equals(largest))
  for (let i = 0; i < 100; i++) client.send(`${i}`, l4.port('udp'))
  const answers: string[] = []
  for (let i = 0; i < 100; i++) answers.push(await client.next())
  t.strictSame(
    answers,
    Array.from({ length: 100 }, (_, i) => `${i}`),
  )
  member.close()
})

test('a closed port is passed over and what was sent is sent again; it is ejected for the next', async t => {
  const members = await datagramMembers(2)
  members[0]?.close()
  await using l4 = await startL4(udpPool(['a', 'b'], members[1]?.port ?? 0))
  await using client = await datagrams()
  client.send('one', l4.port('udp'))
  t.equal(await client.next(), '1 one', 'the kernel said that nobody is there')
  client.send('two', l4.port('udp'))
  t.equal(await client.next(), '1 two')
  for (let i = 0; i < 2; i++) {
    await using other = await datagrams()
    other.send('x', l4.port('udp'))
    t.equal(await other.next(), '1 x')
  }
  await until(() => l4.facts.length > 0, 'it was told')
  t.match(l4.facts[0], { kind: 'member_ejected', subject: 'a', cause: 'connect_refused' })
  t.match(l4.facts[0], { upstream: `all/a/127.0.0.2:${members[1]?.port}/udp` })
  t.strictSame(dropped(l4), {})
  members[1]?.close()
})

test('a member that dies takes at most what was in its hands: every client goes on with the other', async t => {
  const members = await datagramMembers(2)
  await using l4 = await startL4(udpPool(['a', 'b'], members[0]?.port ?? 0))
  const clients = await Promise.all(Array.from({ length: 10 }, () => datagrams()))
  for (const client of clients) {
    client.send('hello', l4.port('udp'))
    t.equal(await client.next(), '0 hello')
  }
  members[0]?.close()
  for (const client of clients) {
    client.send('again', l4.port('udp'))
    t.equal(await client.next(), '1 again')
    client.close()
  }
  members[1]?.close()
})

test('a session whose member goes down moves with its next datagram; a drained member keeps its sessions', async t => {
  const members = await datagramMembers(2)
  const heard = udpPool(['a', 'b'], members[0]?.port ?? 0)
  const gateways = (heard.gateways ?? []).map(one => ({ ...one, liveness: 'heartbeat' as const }))
  const records = { a: up, b: up }
  await using l4 = await startL4({ ...heard, gateways }, { known: { records } })
  await using client = await datagrams()
  const ask = async (text: string) => {
    client.send(text, l4.port('udp'))
    return client.next()
  }
  t.equal(await ask('x'), '0 x')
  const commit = (documents: object) => l4.state.apply({ kind: 'committed', documents, facts: [], at: Date.now() })
  const { holds, liveness } = l4.state.snapshot.world
  commit({ holds: { revision: 2, value: { ...holds.value, gateways: { a: [drained] } } } })
  t.equal(await ask('y'), '0 y')
  await using other = await datagrams()
  other.send('z', l4.port('udp'))
  t.equal(await other.next(), '1 z', 'what is new goes elsewhere')
  commit({ holds: { revision: 3, value: holds.value } })
  commit({ liveness: { revision: 2, value: { ...liveness.value, gateways: { a: down, b: up } } } })
  t.equal(await ask('moved'), '1 moved')
  for (const member of members) member.close()
})

test('a pool that wants its sessions closed at a drain has them begin anew', async t => {
  const members = await datagramMembers(2)
  const pool = { sessions: { on_drain: 'close' } } as const
  await using l4 = await startL4(udpPool(['a', 'b'], members[0]?.port ?? 0, { pool }))
  await using client = await datagrams()
  client.send('x', l4.port('udp'))
  t.equal(await client.next(), '0 x')
  const { holds } = l4.state.snapshot.world
  const value = { ...holds.value, gateways: { a: [drained] } }
  l4.state.apply({ kind: 'committed', documents: { holds: { revision: 2, value } }, facts: [], at: Date.now() })
  client.send('y', l4.port('udp'))
  t.equal(await client.next(), '1 y')
  for (const member of members) member.close()
})

test('with nobody left nothing is answered', async t => {
  const members = await datagramMembers(1)
  members[0]?.close()
  await using l4 = await startL4(udpPool(['a'], members[0]?.port ?? 0))
  await using client = await datagrams()
  client.send('hello', l4.port('udp'))
  await until(() => (dropped(l4).outage ?? 0) > 0, 'it was given up')
  t.equal(await rest(() => client.received.length), 0)
  t.equal(sum(l4.l4.numbers.udpSessions()), 0)
})

test('nothing reaches a client that did not come from its upstream', async t => {
  const froms: number[] = []
  const member = await datagrams('127.0.0.2', 0, (_, from) => {
    froms.push(from.port)
    return null
  })
  await using l4 = await startL4(udpPool(['a'], member.port))
  await using client = await datagrams()
  await using stranger = await datagrams('127.0.0.3')
  client.send('hello', l4.port('udp'))
  await until(() => froms.length > 0, 'it arrived')
  stranger.send('forged', froms[0] ?? 0)
  member.send('true', froms[0] ?? 0)
  t.equal(await client.next(), 'true')
  t.equal(await rest(() => client.received.length), 0)
  member.close()
})

test('responses: a session ends with its last answer; with 0 nothing is passed back', async t => {
  const [member] = await datagramMembers(1)
  const port = member?.port ?? 0
  await using l4 = await startL4(udpPool(['a'], port, { route: { responses: 1 } }))
  await using client = await datagrams()
  client.send('one', l4.port('udp'))
  client.send('two', l4.port('udp'))
  t.strictSame([await client.next(), await client.next()].sort(), ['0 one', '0 two'])
  t.equal(sum(l4.l4.numbers.udpSessions()), 0)
  await l4.define(udpPool(['a'], port, { route: { responses: 0 } }))
  client.send('log line', l4.port('udp'))
  await until(() => member?.received.at(-1) === 'log line', 'it arrived')
  t.equal(await rest(() => client.received.length), 0)
  member?.close()
})

test('per_packet: each datagram picks anew, and a closed port is passed over', async t => {
  const members = await datagramMembers(3)
  const more = { pool: { mode: 'load_balancing' as const }, route: { per_packet: true } }
  await using l4 = await startL4(udpPool(['a', 'b', 'c'], members[0]?.port ?? 0, more))
  await using client = await datagrams()
  const ask = async (count: number) => {
    const answers: string[] = []
    for (let i = 0; i < count; i++) {
      client.send('x', l4.port('udp'))
      answers.push(await client.next())
    }
    return answers.sort()
  }
  t.strictSame(await ask(6), ['0 x', '0 x', '1 x', '1 x', '2 x', '2 x'])
  t.equal(sum(l4.l4.numbers.udpSessions()), 1)
  members[1]?.close()
  t.notOk((await ask(12)).includes('1 x'))
  t.match(l4.facts, [{ kind: 'member_ejected', subject: 'b' }])
  for (const member of members) member.close()
})

test('clients are kept in one place by their address', async t => {
  const members = await datagramMembers(3)
  const pool = { mode: 'load_balancing', lb_policy: 'ip_hash' } as const
  await using l4 = await startL4(udpPool(['a', 'b', 'c'], members[0]?.port ?? 0, { pool }))
  const seen = new Set<string>()
  for (let i = 1; i <= 30; i++) {
    const answers = new Set<string>()
    for (let times = 0; times < 3; times++) {
      await using client = await datagrams(`127.0.2.${i}`)
      client.send('', l4.port('udp'))
      answers.add(await client.next())
    }
    t.equal(answers.size, 1)
    for (const answer of answers) seen.add(answer)
  }
  t.equal(seen.size, 3)
  for (const member of members) member.close()
})

test('limits: the oldest that nobody answered gives way, an answered one never', async t => {
  const member = await datagrams('127.0.0.2', 0, text => (text === 'quiet' ? null : text))
  await using l4 = await startL4(udpPool(['a'], member.port, { route: { max_sessions: 3 } }))
  const clients = await Promise.all(Array.from({ length: 6 }, () => datagrams()))
  const [first, second, third, fourth, fifth, sixth] = clients
  const port = l4.port('udp')
  first?.send('hello', port)
  t.equal(await first?.next(), 'hello')
  for (const [i, client] of [second, third].entries()) {
    client?.send('quiet', port)
    await until(() => member.received.length === i + 2, 'it arrived')
  }
  fourth?.send('fourth', port)
  t.equal(await fourth?.next(), 'fourth', 'in the place of the second')
  third?.send('third', port)
  t.equal(await third?.next(), 'third', 'which is not the third')
  fifth?.send('fifth', port)
  await until(() => dropped(l4).limited === 1, 'nobody gives way any more')
  first?.send('still', port)
  t.equal(await first?.next(), 'still')
  t.equal(sum(l4.l4.numbers.udpSessions()), 3)
  await l4.define(udpPool(['a'], member.port, { route: { max_sessions_per_address: 1, deny: ['127.0.0.9'] } }))
  sixth?.send('sixth', port)
  await until(() => dropped(l4).limited === 2, 'that address has enough')
  await using elsewhere = await datagrams('127.0.0.8')
  elsewhere.send('else', port)
  t.equal(await elsewhere.next(), 'else')
  await using denied = await datagrams('127.0.0.9')
  denied.send('x', port)
  await until(() => dropped(l4).denied === 1, 'that one may not')
  for (const client of clients) client.close()
  member.close()
})

test('whoever comes in the place of another gets nothing that was meant for that one', async t => {
  const froms: number[] = []
  const member = await datagrams('127.0.0.2', 0, (text, from) => {
    froms.push(from.port)
    return text === 'quiet' ? null : text
  })
  await using l4 = await startL4(udpPool(['a'], member.port, { route: { max_sessions: 1 } }))
  await using one = await datagrams()
  await using two = await datagrams()
  one.send('quiet', l4.port('udp'))
  await until(() => froms.length === 1, 'it arrived')
  two.send('quiet', l4.port('udp'))
  await until(() => froms.length === 2, 'this one too')
  t.not(froms[0], froms[1], 'by another socket')
  member.send('late', froms[0] ?? 0)
  t.equal(await rest(() => two.received.length + one.received.length), 0)
  two.send('mine', l4.port('udp'))
  t.equal(await two.next(), 'mine')
  member.close()
})

test('a flood stays within the limits, and who was answered before goes on being answered', async t => {
  const most = 50
  const member = await datagrams('127.0.0.2', 0, text => (text === 'flood' ? null : text))
  await using l4 = await startL4(udpPool(['a'], member.port, { route: { max_sessions: most } }))
  const port = l4.port('udp')
  await using client = await datagrams()
  client.send('hello', port)
  t.equal(await client.next(), 'hello')
  let largest = 0
  for (let round = 0; round < 10; round++) {
    const flood = await Promise.all(Array.from({ length: 100 }, (_, i) => datagrams(`127.1.0.${(i % 64) + 1}`)))
    for (const one of flood) one.send('flood', port)
    client.send(`${round}`, port)
    t.equal(await client.next(), `${round}`)
    largest = Math.max(largest, sum(l4.l4.numbers.udpSessions()))
    for (const one of flood) one.close()
  }
  t.equal(largest, most)
  t.strictSame(dropped(l4), {})
  member.close()
})

test('all listeners together have no more sessions than there are descriptors for', async t => {
  const [member] = await datagramMembers(1)
  await using l4 = await startL4(udpPool(['a'], member?.port ?? 0), { most: 1 })
  await using one = await datagrams()
  await using two = await datagrams()
  one.send('one', l4.port('udp'))
  t.equal(await one.next(), '0 one')
  two.send('two', l4.port('udp'))
  await until(() => dropped(l4).limited === 1, 'there is no room')
  member?.close()
})

test('a session that is idle ends; datagrams of both directions keep it', async t => {
  let push = () => undefined as unknown
  const member = await datagrams('127.0.0.2', 0, (text, from) => {
    push = () => member.send('more', from.port, from.address)
    return text
  })
  await using l4 = await startL4(udpPool(['a'], member.port, { route: { idle_timeout: '1s' } }))
  await using client = await datagrams()
  client.send('hello', l4.port('udp'))
  t.equal(await client.next(), 'hello')
  const since = performance.now()
  while (performance.now() - since < 2000) {
    push()
    t.equal(await client.next(), 'more')
    await new Promise(resolve => setTimeout(resolve, 99))
  }
  t.equal(sum(l4.l4.numbers.udpSessions()), 1)
  await until(() => sum(l4.l4.numbers.udpSessions()) === 0, 'it has ended')
  member.close()
})

test('PROXY: the first datagram to an upstream says for whom it is; of a trusted proxy the first has to', async t => {
  const member = await datagrams('127.0.0.2', 0, text => text)
  const send = { send_proxy: 'v2' as const }
  await using l4 = await startL4(udpPool(['a'], member.port, { route: send }))
  await using client = await datagrams()
  const port = l4.port('udp')
  client.send('one', port)
  const first = await client.next()
  t.equal(first.slice(0, 12), '\r\n\r\n\0\r\nQUIT\n')
  t.equal(first.charCodeAt(13), 0x12, 'of datagrams')
  t.equal(first.slice(28), 'one')
  client.send('two', port)
  t.equal(await client.next(), 'two')
  const header = `${first.slice(0, 16)}\xc0\0\x02\x01${first.slice(20, 28)}`
  const trusting = { accept_proxy: true, trusted_proxies: ['127.0.0.1'], deny: ['192.0.2.2'] }
  await l4.define(udpPool(['a'], member.port, { route: { ...trusting, ...send } }))
  await using proxy = await datagrams()
  proxy.send('without', port)
  await until(() => dropped(l4).malformed === 1, 'that was no header')
  proxy.send(`${header}three`, port)
  t.equal(await proxy.next(), `${header}three`)
  proxy.send('four', port)
  t.equal(await proxy.next(), 'four')
  await using other = await datagrams()
  other.send(`${header.slice(0, 19)}\x02${header.slice(20)}x`, port)
  await until(() => dropped(l4).denied === 1, 'that client may not')
  member.close()
})

test('at a shutdown answers that are under way still come', async t => {
  let answer = () => undefined as unknown
  const member = await datagrams('127.0.0.2', 0, (text, from) => {
    answer = () => member.send(text, from.port, from.address)
    return null
  })
  await using l4 = await startL4(udpPool(['a'], member.port))
  await using client = await datagrams()
  client.send('late', l4.port('udp'))
  await until(() => member.received.length === 1, 'it arrived')
  const drained = l4.l4.drain()
  answer()
  t.equal(await client.next(), 'late')
  await drained
  t.equal(sum(l4.l4.numbers.udpSessions()), 0)
  member.close()
})

test('IPv6, from listener to upstream', async t => {
  const member = await datagrams('::1', 0, text => text)
  const route = { name: 'udp', protocol: 'udp', listen: '[::]:0', gateway_port: member.port } as const
  const gateways = [{ name: 'a', address: '::1' }]
  await using l4 = await startL4({ gateways, routes: [{ ...route, target: { gateway: 'a' } }] })
  await using six = await datagrams('::1')
  six.send('six', l4.port('udp'), '::1')
  t.equal(await six.next(), 'six')
  await using four = await datagrams()
  four.send('four', l4.port('udp'))
  t.equal(await four.next(), 'four', 'and IPv4 on a listener for both')
  member.close()
})

test('a trial asks the UDP port: closed it stays out, open it comes back', async t => {
  const members = await datagramMembers(2)
  const port = members[0]?.port ?? 0
  const pool = { mode: 'load_balancing', passive: { max_fails: 1, ejection: '100ms', max_ejection: '100ms' } } as const
  await using l4 = await startL4(udpPool(['a', 'b'], port, { pool }), { trials: true })
  const state = () => l4.state.snapshot.ports[`all@${port}/udp`]?.members[0]?.state
  members[0]?.close()
  await using client = await datagrams()
  await using other = await datagrams()
  for (const one of [client, other]) {
    one.send('x', l4.port('udp'))
    t.equal(await one.next(), '1 x')
  }
  t.equal(state(), 'ejected')
  const tried = () => Object.values(l4.state.snapshot.world.sight.passive)[0]
  const first = tried()
  await until(() => tried() !== first, 'a trial was made')
  t.equal(state(), 'ejected')
  await using back = await datagrams('127.0.0.2', port, text => `back ${text}`)
  await until(() => state() === 'up', 'it is back')
  t.ok(back.received.includes(''), 'it was asked')
  members[1]?.close()
})
