/** Routes with ports of their own that come and go by the API, while others carry traffic. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type Test, test } from 'tap'
import { type Dispatcher, request } from 'undici'
import { stringify } from 'yaml'
import { ADMIN_TOKEN, type Program, runProgram } from '../support/program.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { type RawUpstream, rawUpstreamAt } from '../support/raw-upstream.ts'
import { until } from '../support/until.ts'

const CONNECTIONS = 100
const ROUTES = 200

interface Listening {
  readonly name: string
  readonly address: string
  readonly open: boolean
}

async function start(t: Test): Promise<{ readonly program: Program; readonly member: RawUpstream }> {
  const member = await rawUpstreamAt('127.0.0.2', 0, peer => void peer.socket.pipe(peer.socket))
  t.teardown(() => member[Symbol.asyncDispose]())
  const written = {
    version: 1,
    admin: { listen: '127.0.0.1:0', token: `\${GATEPOOL_ADMIN_TOKEN}` },
    definitions: 'store',
    gateways: [{ name: 'a', address: '127.0.0.2' }],
    pools: [{ name: 'all', members: ['a'] }],
    routes: [routeOf('steady', member.port)],
  }
  return { program: await runProgram(t, stringify(written)), member }
}

const routeOf = (name: string, port: number, listen = '127.0.0.1:0', protocol = 'tcp') => ({
  name,
  protocol,
  listen,
  gateway_port: port,
  target: { pool: 'all' },
})

function apiOf(t: Test, { url }: Program) {
  const ask = async (method: Dispatcher.HttpMethod, path: string, body?: object) => {
    const authorization = `Bearer ${ADMIN_TOKEN}`
    const sent =
      body === undefined
        ? { headers: { authorization } }
        : { headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const answer = await request(`${url.admin}/api/v1${path}`, { method, ...sent })
    const text = await answer.body.text()
    if (answer.statusCode >= 300) t.fail(`${method} ${path}: ${answer.statusCode} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }
  return {
    ask,
    listeners: async () => ((await ask('GET', '/status')) as { listeners: readonly Listening[] }).listeners,
  }
}

/** Asks and is answered, over and over. */
async function keepBusy(port: number, isOver: () => boolean): Promise<number> {
  const peer = await RawPeer.to(port)
  let asked = 0
  while (!isOver()) {
    const text = `${asked++};`
    peer.send(text)
    if ((await peer.text(';')) !== text) throw new Error(`not ${text}`)
  }
  peer.close()
  return asked
}

test(`${ROUTES} routes open and close while ${CONNECTIONS} connections run on another: none of those is touched`, async t => {
  const { program, member } = await start(t)
  const { ask, listeners } = apiOf(t, program)
  const steady = Number(new URL(program.url.steady ?? '').port)
  let isOver = false
  const busy = Array.from({ length: CONNECTIONS }, () => keepBusy(steady, () => isOver))
  await member.connection(CONNECTIONS - 1)

  const names = Array.from({ length: ROUTES }, (_, i) => `r${i}`)
  const protocolOf = (i: number) => (i % 4 === 3 ? 'udp' : 'tcp')
  await Promise.all(
    names.map((name, i) => ask('POST', '/routes', routeOf(name, member.port, undefined, protocolOf(i)))),
  )
  await until('all of them are open', async () => (await listeners()).filter(({ open }) => open).length > ROUTES)
  const [, port] = (await listeners()).find(({ name }) => name === 'r0')?.address.split(':') ?? []
  const visitor = await RawPeer.to(Number(port))
  visitor.send('hello;')
  t.equal(await visitor.text(';'), 'hello;')
  await Promise.all(names.map(name => ask('DELETE', `/routes/${name}`)))
  await until('all of them are closed', async () => (await listeners()).length === 1)
  visitor.send('still;')
  t.equal(await visitor.text(';'), 'still;', 'its route is gone, the connection goes on')
  visitor.close()

  isOver = true
  const asked = await Promise.all(busy)
  t.ok(Math.min(...asked) > 2, `each was answered ${Math.min(...asked)} times or more`)
})

test('a port in use is said, and taken as soon as it is free', async t => {
  const { program, member } = await start(t)
  const { ask, listeners } = apiOf(t, program)
  const thief = createServer().listen(0, '127.0.0.1')
  await once(thief, 'listening')
  const { port } = thief.address() as AddressInfo
  await ask('POST', '/routes', routeOf('late', member.port, `127.0.0.1:${port}`))
  t.match(await program.fact('listener_failed', 'late'), { cause: 'the address is in use' })
  t.match(
    (await listeners()).find(({ name }) => name === 'late'),
    { open: false },
  )
  thief.close()
  await once(thief, 'close')
  const isOpen = async () => (await listeners()).some(({ name, open }) => name === 'late' && open)
  await until('it is open', isOpen, 60_000)
  const client = await RawPeer.to(port)
  client.send('x;')
  t.equal(await client.text(';'), 'x;')
  client.close()
})
