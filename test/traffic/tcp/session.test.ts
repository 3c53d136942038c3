import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { test } from 'tap'
import { startL4, sum, tcpPool } from '../../support/l4.ts'
import { RawPeer, rest, until } from '../../support/raw-peer.ts'
import { rawMembers, type Script, silentPort } from '../../support/raw-upstream.ts'

/** Sends back what comes, and ends when the client does. */
const echo: Script = peer => {
  peer.socket.pipe(peer.socket)
}
const idle: Script = () => undefined

test('bytes go both ways, untouched', async t => {
  const [member] = await rawMembers(echo)
  if (member === undefined) throw new Error('no member')
  await using l4 = await startL4(tcpPool(['a'], member.port))
  const client = await l4.connect('tcp')
  client.send('hello')
  t.equal(await client.text('hello'), 'hello')
  client.end('\0\xff\r\n\r\n')
  t.equal(await client.text('\0\xff\r\n\r\n'), '\0\xff\r\n\r\n')
  t.equal(await client.ended(), 'end')
  await until(() => l4.inFlight() === 0, 'it is over')
  t.equal(sum(l4.l4.numbers.bytes(), { direction: 'to_upstream' }), 11)
  t.equal(sum(l4.l4.numbers.bytes(), { direction: 'to_client' }), 11)
  t.strictSame([...l4.l4.numbers.connectionsTotal()], [{ labels: { listener: 'tcp', protocol: 'tcp' }, value: 1 }])
  await member[Symbol.asyncDispose]()
})

test('an upstream that speaks first is heard; a client that ends first still hears all', async t => {
  const members = await rawMembers(async peer => {
    peer.send('SSH-2.0\r\n')
    await peer.ended()
    peer.end('goodbye')
  })
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0))
  const client = await l4.connect('tcp')
  t.equal(await client.text('SSH-2.0\r\n'), 'SSH-2.0\r\n')
  client.end()
  t.equal(await client.text('goodbye'), 'goodbye')
  t.equal(await client.ended(), 'end')
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('an upstream that ends first still hears all of the client', async t => {
  const members = await rawMembers(peer => peer.end('that is all'))
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0))
  const client = await l4.connect('tcp')
  await client.text('that is all')
  t.equal(await client.ended(), 'end')
  client.send('but ')
  const upstream = await members[0]?.connection(0)
  t.equal(await upstream?.text('but '), 'but ')
  client.end('not mine')
  t.equal(await upstream?.text('not mine'), 'not mine')
  t.equal(await upstream?.ended(), 'end')
  await until(() => l4.inFlight() === 0, 'it is over')
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a reset of either side is a reset on the other', async t => {
  const members = await rawMembers(idle)
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0))
  const first = await l4.connect('tcp')
  first.send('x')
  const upstream = await members[0]?.connection(0)
  await upstream?.text('x')
  first.reset()
  t.equal(await upstream?.ended(), 'reset')
  const second = await l4.connect('tcp')
  const other = await members[0]?.connection(1)
  other?.reset()
  t.equal(await second.ended(), 'reset')
  await until(() => l4.inFlight() === 0, 'both are over')
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a member that refuses is passed over before a byte of the client is lost, and is ejected', async t => {
  const members = await rawMembers(idle, echo)
  await members[0]?.[Symbol.asyncDispose]()
  await using l4 = await startL4(tcpPool(['a', 'b'], members[1]?.port ?? 0))
  for (let i = 0; i < 5; i++) {
    const client = await l4.connect('tcp')
    client.send(`hello ${i}`)
    t.equal(await client.text(`hello ${i}`), `hello ${i}`)
    client.close()
  }
  t.strictSame(l4.retries(), [{ labels: { pool: 'all', reason: 'connect_refused' }, value: 3 }])
  await until(() => l4.facts.length > 0, 'it was told')
  t.match(l4.facts[0], { kind: 'member_ejected', subject: 'a', cause: 'connect_refused' })
  t.match(l4.facts[1], { kind: 'pool_failover_activated', subject: 'all', to: 'b' })
  await members[1]?.[Symbol.asyncDispose]()
})

test('a member that does not answer is given up after connect_timeout', async t => {
  await using silent = await silentPort()
  const spare = await rawMembers(echo)
  const { port = 0 } = spare[0] ?? {}
  const written = {
    gateways: [
      { name: 'silent', address: '127.0.0.1' },
      { name: 'spare', address: '127.0.0.2' },
    ],
    pools: [{ name: 'all', members: ['silent', 'spare'] }],
    routes: [
      {
        name: 'tcp',
        protocol: 'tcp' as const,
        listen: '127.0.0.1:0',
        gateway_port: silent.port,
        target: { pool: 'all' },
        connect_timeout: '20ms',
      },
    ],
  }
  await using l4 = await startL4(written)
  const client = await l4.connect('tcp')
  // Nobody listens on that port of the spare one: both fail.
  t.equal(await client.ended(), 'end')
  t.match(l4.retries(), [{ labels: { reason: 'connect_timeout' }, value: 1 }])
  t.match([...l4.l4.numbers.connectionsRefused()], [{ labels: { reason: 'outage' }, value: 1 }])
  t.ok(port > 0)
  for (const member of spare) await member[Symbol.asyncDispose]()
})

test('with nobody left a connection is closed, and the listener stays', async t => {
  const members = await rawMembers(echo)
  const { port = 0 } = members[0] ?? {}
  await members[0]?.[Symbol.asyncDispose]()
  await using l4 = await startL4(tcpPool(['a'], port))
  const client = await l4.connect('tcp')
  t.equal(await client.ended(), 'end')
  t.strictSame(l4.l4.listeners()[0]?.open, true)
  const again = await rawMembers(echo)
  await l4.define(tcpPool(['a'], again[0]?.port ?? 0))
  const second = await l4.connect('tcp')
  second.send('back')
  t.equal(await second.text('back'), 'back')
  for (const member of again) await member[Symbol.asyncDispose]()
})

test('a reader that stalls holds up its writer, and nothing is lost', async t => {
  const bytes = randomBytes(24 * 1024 * 1024)
  const members = await rawMembers(peer => peer.end(bytes.toString('latin1')))
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0))
  const socket = connect({ port: l4.port('tcp'), host: '127.0.0.1' })
  socket.pause()
  const read = () => sum(l4.l4.numbers.bytes(), { direction: 'to_client' })
  await until(() => read() > 0, 'it flows')
  const stalled = await rest(read)
  t.ok(stalled < bytes.length / 2, `${stalled} bytes were read, and no more`)
  const hash = createHash('sha256')
  for await (const chunk of socket) hash.update(chunk as Buffer)
  t.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('an upstream that stalls holds up the client', async t => {
  const bytes = randomBytes(24 * 1024 * 1024)
  const hash = createHash('sha256')
  let go = () => undefined as unknown
  const members = await rawMembers(({ socket }) => {
    socket.removeAllListeners('data')
    socket.pause()
    go = () => {
      socket.on('data', chunk => hash.update(chunk as Buffer))
      socket.on('end', () => socket.end('got it'))
      socket.resume()
    }
  })
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0))
  const client = await l4.connect('tcp')
  client.socket.end(bytes)
  const sent = () => sum(l4.l4.numbers.bytes(), { direction: 'to_upstream' })
  await until(() => sent() > 0, 'it flows')
  const stalled = await rest(sent)
  t.ok(stalled < bytes.length / 2, `${stalled} bytes were read, and no more`)
  go()
  t.equal(await client.text('got it'), 'got it')
  t.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a connection without a byte either way is closed after idle_timeout; a byte of either side keeps it', async t => {
  const members = await rawMembers(echo)
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0, { route: { idle_timeout: '1s' } }))
  const quiet = await l4.connect('tcp')
  const busy = await l4.connect('tcp')
  const talking = (async () => {
    while (quiet.ending === 'open') {
      busy.send('.')
      await busy.text('.')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })()
  t.equal(await quiet.ended(), 'end')
  await talking
  t.equal(busy.ending, 'open')
  busy.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a client that leaves while its upstream is dialled is nobody’s fault', async t => {
  await using silent = await silentPort()
  const gateways = [{ name: 'a', address: '127.0.0.1' }]
  const route = { name: 'tcp', protocol: 'tcp', listen: '127.0.0.1:0', gateway_port: silent.port } as const
  await using l4 = await startL4({
    gateways,
    routes: [{ ...route, target: { gateway: 'a' }, connect_timeout: '50ms' }],
  })
  const client = await l4.connect('tcp')
  client.reset()
  await until(() => sum(l4.l4.numbers.connectionsActive()) === 0, 'it is over')
  t.strictSame(l4.facts, [])
})

test('a client that leaves while it waits for somebody to return, or for a connect, is noticed at once', async t => {
  const [member] = await rawMembers(echo)
  await member?.[Symbol.asyncDispose]()
  const pool = { on_all_down: { action: 'hold' as const, hold: '60s' } }
  await using held = await startL4(tcpPool(['a'], member?.port ?? 0, { pool }))
  await using silent = await silentPort()
  const route = { name: 'tcp', protocol: 'tcp', listen: '127.0.0.1:0', gateway_port: silent.port } as const
  await using dialling = await startL4({
    gateways: [{ name: 'a', address: '127.0.0.1' }],
    routes: [{ ...route, target: { gateway: 'a' }, connect_timeout: '60s' }],
  })
  for (const l4 of [held, dialling]) {
    const active = () => sum(l4.l4.numbers.connectionsActive())
    for (const said of ['', 'hello', 'x'.repeat(15_000)]) {
      const client = await RawPeer.to(l4.port('tcp'))
      if (said !== '') client.send(said)
      await until(() => active() === 1, 'it is there')
      await rest(active)
      t.equal(client.ending, 'open')
      client.reset()
      await until(() => active() === 0, 'it has gone')
    }
  }
  t.strictSame(dialling.facts, [], 'which is nobody’s fault')
})

test('limits: connections in all; those that are allowed', async t => {
  const members = await rawMembers(echo)
  const { port = 0 } = members[0] ?? {}
  await using l4 = await startL4(tcpPool(['a'], port, { route: { max_sessions: 2 } }))
  const two = [await l4.connect('tcp'), await l4.connect('tcp')]
  for (const client of two) client.send('x')
  for (const client of two) await client.text('x')
  const third = await l4.connect('tcp')
  t.not(await third.ended(), 'open')
  two[0]?.close()
  await until(() => sum(l4.l4.numbers.connectionsActive()) === 1, 'one has gone')
  const fourth = await l4.connect('tcp')
  fourth.send('y')
  await fourth.text('y')
  await l4.define(tcpPool(['a'], port, { route: { deny: ['127.0.0.0/8'] } }))
  const denied = await l4.connect('tcp')
  t.not(await denied.ended(), 'open')
  t.equal(two[1]?.ending, 'open', 'who was let in before stays')
  t.match(
    [...l4.l4.numbers.connectionsRefused()].map(({ labels, value }) => [labels.reason, value]),
    [
      ['limited', 1],
      ['denied', 1],
    ],
  )
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('at a shutdown what runs may finish, and then is cut', async t => {
  const members = await rawMembers(echo)
  await using l4 = await startL4(tcpPool(['a'], members[0]?.port ?? 0))
  const [first, second] = [await l4.connect('tcp'), await l4.connect('tcp')]
  for (const client of [first, second]) {
    client.send('x')
    await client.text('x')
  }
  const port = l4.port('tcp')
  const drained = l4.l4.drain().then(() => 'drained')
  await t.rejects(RawPeer.to(port), 'nothing new is taken')
  first.send('still here')
  t.equal(await first.text('still here'), 'still here')
  first.end()
  await first.ended()
  t.equal(await Promise.race([drained, Promise.resolve('waiting')]), 'waiting')
  second.end()
  t.equal(await drained, 'drained')
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('clients are kept in one place by their address', async t => {
  const members = await rawMembers(echo, echo)
  const pool = { mode: 'load_balancing', lb_policy: 'ip_hash' } as const
  await using l4 = await startL4(tcpPool(['a', 'b'], members[0]?.port ?? 0, { pool }))
  const counted = () => members.map(({ connections }) => connections.length)
  for (let client = 1; client <= 40; client++) {
    const before = counted()
    for (let times = 0; times < 2; times++) {
      const socket = connect({ port: l4.port('tcp'), host: '127.0.0.1', localAddress: `127.0.1.${client}` })
      const peer = new RawPeer(socket)
      peer.send('x')
      await peer.text('x')
      peer.close()
    }
    const moved = counted().map((count, i) => count - (before[i] ?? 0))
    if (!moved.includes(2)) t.fail(`client ${client} went to ${moved}`)
  }
  t.ok(
    counted().every(count => count > 0),
    'and not all to the same',
  )
  for (const member of members) await member[Symbol.asyncDispose]()
})
