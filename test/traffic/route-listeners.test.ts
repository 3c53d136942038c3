import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'tap'
import { handClock } from '../support/hand-clock.ts'
import { startL4, tcpPool } from '../support/l4.ts'
import { RawPeer, until } from '../support/raw-peer.ts'
import { rawMembers, refusingPort, type Script } from '../support/raw-upstream.ts'

const echo: Script = peer => {
  peer.socket.pipe(peer.socket)
}
const echoes = async (peer: RawPeer, text: string) => {
  peer.send(text)
  return peer.text(text)
}

test('listeners open and close with their routes; no other connection notices', async t => {
  const members = await rawMembers(echo)
  const base = tcpPool(['a'], members[0]?.port ?? 0)
  const [steady] = base.routes ?? []
  if (steady === undefined) throw new Error('no route')
  await using l4 = await startL4(base)
  const clients = await Promise.all(Array.from({ length: 20 }, () => l4.connect('tcp')))
  const port = l4.port('tcp')
  for (let round = 0; round < 4; round++) {
    const more = Array.from({ length: 50 }, (_, i) => ({ ...steady, name: `r${round}-${i}` }))
    await l4.define({ ...base, routes: [steady, ...more] })
    t.equal(l4.l4.listeners().length, 51)
    const visitor = await l4.connect(`r${round}-7`)
    t.equal(await echoes(visitor, 'hello'), 'hello')
    await l4.define(base)
    t.equal(await echoes(visitor, 'still'), 'still', 'its route is gone, the connection goes on')
    visitor.close()
  }
  t.strictSame(
    l4.l4.listeners().map(({ name }) => name),
    ['tcp'],
  )
  t.equal(l4.port('tcp'), port)
  for (const client of clients) t.equal(await echoes(client, 'x'), 'x')
  for (const client of clients) client.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a route that changes keeps its socket; another name at the same address keeps it too', async t => {
  const members = await rawMembers(echo)
  const listen = `127.0.0.1:${await refusingPort()}`
  const at = (more: object) => tcpPool(['a'], members[0]?.port ?? 0, { route: { listen, ...more } })
  await using l4 = await startL4(at({}))
  const client = await l4.connect('tcp')
  await echoes(client, 'x')
  await l4.define(at({ name: 'renamed', connect_timeout: '1s' }))
  t.strictSame(l4.l4.listeners(), [{ name: 'renamed', protocol: 'tcp', address: listen, open: true }])
  await echoes(client, 'y')
  await echoes(await l4.connect('renamed'), 'z')
  await l4.define(at({ enabled: false }))
  t.strictSame(l4.l4.listeners(), [])
  await t.rejects(RawPeer.to(Number(listen.split(':')[1])), 'nobody listens any more')
  await echoes(client, 'still')
  client.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a port in use is said once and tried again, later and later, until it is free', async t => {
  const members = await rawMembers(echo)
  const thief = createServer().listen(0, '127.0.0.1')
  await once(thief, 'listening')
  const { port } = thief.address() as { port: number }
  const clock = handClock()
  const written = tcpPool(['a'], members[0]?.port ?? 0, { route: { listen: `127.0.0.1:${port}` } })
  await using l4 = await startL4(written, { clock })
  t.match(l4.facts, [{ kind: 'listener_failed', subject: 'tcp', cause: 'the address is in use' }])
  t.match(l4.l4.listeners(), [{ name: 'tcp', open: false }])
  // A new try ends some turns of the loop after it was begun.
  const settled = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    clock.advance(wait)
    await settled()
  }
  t.equal(l4.facts.length, 1)
  thief.close()
  await once(thief, 'close')
  clock.advance(30_000)
  await until(() => l4.l4.listeners()[0]?.open === true, 'it listens')
  const client = await l4.connect('tcp')
  await echoes(client, 'x')
  client.close()
  for (const member of members) await member[Symbol.asyncDispose]()
})

test('a route that goes while its port is in use is tried no more', async t => {
  const thief = createServer().listen(0, '127.0.0.1')
  await once(thief, 'listening')
  const { port } = thief.address() as { port: number }
  const clock = handClock()
  await using l4 = await startL4(tcpPool(['a'], 1, { route: { listen: `127.0.0.1:${port}` } }), { clock })
  const waiting = clock.waiting
  await l4.define({})
  t.equal(clock.waiting, waiting - 1)
  t.strictSame(l4.l4.listeners(), [])
  thief.close()
})
