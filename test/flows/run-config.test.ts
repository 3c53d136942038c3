/**
 * A configuration file from its first start over reloads to the end of the process, under load.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { load } from '../support/cannon.ts'
import { type Program, runProgram } from '../support/program.ts'

interface Origin {
  readonly port: number
  /** A request for `/slow`, which the test answers itself. */
  slow(): Promise<ServerResponse>
}

/** Answers with its name and what it was asked. */
async function origin(t: Test, name: string): Promise<Origin> {
  const slow = Promise.withResolvers<ServerResponse>()
  const server = createServer((request, response) => {
    if (request.url === '/slow') slow.resolve(response)
    else response.setHeader('x-served-by', name).end(`${name} ${request.headers.host} ${request.url}`)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return { port: (server.address() as AddressInfo).port, slow: () => slow.promise }
}

/** The form of the documented sample, with what this version runs. */
const sample = (home: number, ds918: number) => `
version: 1
cluster: home                      # replicas with the same cluster and store share one view
store: { kind: embedded, path: ./data/gatepool.db }
admin:
  listen: 127.0.0.1:0
  token: \${GATEPOOL_ADMIN_TOKEN}   # bootstrap administrator
metrics: { listen: 127.0.0.1:0 }
heartbeats: { listen: 127.0.0.1:0 }
definitions: store
settings: { gateway_down_threshold: 90s }
listeners:
  - { name: web, protocol: http, listen: 127.0.0.1:0, trusted_proxies: [10.0.0.0/8] }
gateways:
  - { name: home,  title: Home, address: 127.0.0.1, http_port: ${home}, liveness: heartbeat }
  - { name: ds918, address: localhost, http_port: ${ds918}, liveness: assumed }
pools:
  - name: home-network
    title: Home network
    mode: failover
    lb_policy: round_robin
    failback_cooldown: nas
    outage_message: "We are back in a minute."
    members: [home, ds918]
    passive: { max_fails: 3, fail_duration: 30s }
    on_all_down: { action: fail_closed }
routes:
  - { name: nas, match: { host: nas.example.com, path: / }, target: { gateway: ds918 }, backend: 192.168.1.5:5001 }
  - { name: app, match: { host: "*.example.org" }, target: { pool: home-network } }
`

/** What can be reloaded: a route for each of `hosts`, all to one gateway. */
const routed = (port: number, hosts: readonly string[]) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
drain_timeout: 5m
listeners:
  - { name: web, listen: 127.0.0.1:0 }
gateways:
  - { name: home, address: 127.0.0.1, http_port: ${port} }
pools:
  - { name: main, members: [home] }
routes:
${hosts.map((host, n) => `  - { name: r${n}, match: { host: ${host} }, target: { pool: main } }`).join('\n')}
`

interface Answer {
  readonly status: number | undefined
  readonly connection: string | undefined
  readonly body: string
}

/** GET by a connection of its own; fetch would not let the host be chosen. */
async function get(url: string | undefined, host: string): Promise<Answer> {
  const sent = request(String(url), { headers: { host }, agent: false }).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: answer.statusCode, connection: answer.headers.connection, body: await text(answer) }
}

test('a file in the form of the sample runs, and answers by host', async t => {
  const [home, ds918] = await Promise.all([origin(t, 'home'), origin(t, 'ds918')])
  const { url, signal, ended } = await runProgram(t, sample(home.port, ds918.port))
  t.match(await get(`${url.web}/x`, 'nas.example.com'), { status: 200, body: 'ds918 nas.example.com /x' })
  t.match(
    await get(`${url.web}/y?z`, 'app.example.org'),
    { status: 200, body: 'ds918 app.example.org /y?z' },
    'home never beat',
  )
  t.match(await get(url.web, 'example.net'), { status: 404, body: /no_route/ })
  t.match(await get(`${url.metrics}/metrics`, 'localhost'), { status: 200, body: /^gatepool_build_info/m })
  t.match(await get(`${url.heartbeats}/livez`, 'localhost'), { status: 200, body: /alive/ })
  t.match(await get(`${url.heartbeats}/metrics`, 'localhost'), { status: 401 })
  signal('SIGTERM')
  t.hasStrict(await ended, { code: 0, signal: null })
})

test('a hundred reloads under load drop nothing', async t => {
  const { port } = await origin(t, 'home')
  const hosts = ['one.test', 'two.test']
  const program = await runProgram(t, routed(port, hosts))
  const flow = await load(t, String(program.url.web), { host: 'one.test' })
  for (let n = 0; n < 100; n++) {
    program.configure(routed(port, n % 2 === 0 ? ['one.test'] : hosts))
    program.signal('SIGHUP')
    await program.fact('definitions_changed')
  }
  await flow.endsWithoutLoss()
  t.match(await get(program.url.web, 'two.test'), { status: 200 }, 'the last file is in force')
})

test('a bad file changes nothing, and says where it is wrong', async t => {
  const { port } = await origin(t, 'home')
  const program = await runProgram(t, routed(port, ['one.test']))
  program.configure(routed(port, ['two.test']).replace('members: [home]', 'members: [hone]'))
  program.signal('SIGHUP')
  const { cause } = await program.fact('config_rejected')
  t.match(cause, /gatepool\.yaml:\d+:\d+: .*hone.*home/)
  t.match(await get(program.url.web, 'one.test'), { status: 200 })
  t.match(await get(program.url.web, 'two.test'), { status: 404 })
  program.configure(routed(port, ['two.test']))
  program.signal('SIGHUP')
  await program.fact('definitions_changed')
  t.match(await get(program.url.web, 'two.test'), { status: 200 })
})

/** Resolves when nobody listens at `url` any more. */
async function untilClosed(url: string | undefined): Promise<void> {
  const { hostname: host, port } = new URL(String(url))
  for (;;) {
    const socket = connect({ host, port: Number(port) })
    try {
      await once(socket, 'connect')
      await once(socket, 'close')
    } catch {
      return
    }
  }
}

/** A program with one request under way that its gateway has not answered, and a first signal: twice, as a terminal and npm send it. */
async function stopping(t: Test): Promise<{ program: Program; running: Promise<Answer>; slow: ServerResponse }> {
  const home = await origin(t, 'home')
  const program = await runProgram(t, routed(home.port, ['one.test']))
  const running = get(`${program.url.web}/slow`, 'one.test')
  const slow = await home.slow()
  program.signal('SIGINT')
  program.signal('SIGTERM')
  await untilClosed(program.url.web)
  return { program, running, slow }
}

test('a signal lets a running request finish, takes no other, and ends with status 0', async t => {
  const { program, running, slow } = await stopping(t)
  slow.end('at last')
  t.match(await running, { status: 200, body: 'at last', connection: 'close' })
  t.hasStrict(await program.ended, { code: 0, signal: null })
})

test('another signal later on cuts what runs', async t => {
  const { program, running } = await stopping(t)
  // Later than a signal that is the first one once more; and only one, since a process that is about to end hears none.
  const since = performance.now()
  while (performance.now() - since < 400) await sleep(50)
  program.signal('SIGTERM')
  await t.rejects(running, { code: 'ECONNRESET' })
  t.hasStrict(await program.ended, { code: 0, signal: null })
})
