/**
 * Definitions that are changed by the API while traffic runs, and what is left of them when the process is killed. All parts are real:
 * gatepool is a process of its own, with its store on the disk.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Agent, request } from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import type { Answer } from '../../src/admin/contract/endpoints.ts'
import { realClock } from '../../src/clock.ts'
import type { Definitions } from '../../src/core/nouns.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { load } from '../support/cannon.ts'
import { folder } from '../support/launch.ts'
import { ADMIN_TOKEN, type Program, runProgram } from '../support/program.ts'
import { define } from '../support/world.ts'

const WRITES = 500
/** Acknowledged writes after which the process is killed. */
const ENOUGH = 150
const CHANGES = 100

const yaml = (ports: readonly number[], listeners = ['web']) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
definitions: store
listeners:
${listeners.map(name => `  - { name: ${name}, listen: 127.0.0.1:0 }`).join('\n')}
gateways:
${ports.map((port, i) => `  - { name: g${i}, address: 127.0.0.1, http_port: ${port} }`).join('\n')}
pools:
  - { name: main, members: [${ports.map((_, i) => `g${i}`).join(', ')}] }
routes:
  - { name: all, target: { pool: main } }
`

interface Api {
  /** Sends `body`, and holds that it is taken. */
  change(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<void>
  send(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: string }>
  get<T>(path: string): Promise<T>
}

function apiOf(t: Test, { url }: Program): Api {
  const dispatcher = new Agent({ connections: WRITES, pipelining: 0 })
  t.teardown(() => dispatcher.destroy())
  const send: Api['send'] = async (method, path, body) => {
    const { statusCode: status, body: answer } = await request(`${url.admin}/api/v1${path}`, {
      method,
      dispatcher,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status, body: await answer.text() }
  }
  return {
    send,
    async change(method, path, body) {
      const answer = await send(method, path, body)
      if (answer.status >= 300) t.fail(`${method} ${path}: ${answer.status} ${answer.body}`)
    },
    async get(path) {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
      const { statusCode, body } = await request(`${url.admin}/api/v1${path}`, { dispatcher, headers })
      t.equal(statusCode, 200, path)
      return (await body.json()) as never
    },
  }
}

test('killed in the middle of 500 writes: every acknowledged one is there, and no half one', async t => {
  const home = folder(t)
  const program = await runProgram(t, yaml([1]), home)
  const { send } = apiOf(t, program)
  const acknowledged = new Map<string, number>()
  let killed = false
  const write = async (_: unknown, i: number) => {
    const name = `r${i}`
    const route = { name, match: { host: `${name}.example` }, target: { pool: 'main' }, title: `Route ${i}` }
    const { status, body } = await send('POST', '/routes', route)
    if (status !== 201) throw new Error(body)
    acknowledged.set(name, (JSON.parse(body) as Answer<'create_route'>).revision)
    if (acknowledged.size < ENOUGH || killed) return
    killed = true
    program.signal('SIGKILL')
  }
  const results = await Promise.allSettled(Array.from({ length: WRITES }, write))
  t.match(await program.ended, { signal: 'SIGKILL' })
  t.ok(
    results.some(({ status }) => status === 'rejected'),
    'it died with writes in its hands',
  )

  const api = apiOf(t, await runProgram(t, yaml([1]), home))
  const { routes = [] } = await api.get<Answer<'get_definitions'>>('/definitions')
  const there = new Map(routes.map(route => [route.name, route]))
  t.comment(`${acknowledged.size} acknowledged, ${there.size - 1} written, of ${WRITES}`)
  for (const name of acknowledged.keys()) if (!there.has(name)) t.fail(`${name} is lost`)
  for (const [name, { title, match }] of there) {
    if (name !== 'all')
      t.match({ title, match }, { title: `Route ${name.slice(1)}`, match: { host: `${name}.example` } })
  }
  // What goes into the store with a change went in with each of them.
  const { items } = await api.get<Answer<'list_events'>>('/events?kind=definitions_changed&limit=1000')
  const told = items.flatMap(event => event.changed as string[]).filter(name => name.startsWith('route:r'))
  t.strictSame(
    told.toSorted(),
    [...there.keys()]
      .filter(name => name !== 'all')
      .map(name => `route:${name}`)
      .toSorted(),
  )
  const history = await api.get<Answer<'list_history'>>('/history?limit=1')
  t.equal(history.items[0]?.changed.length, 1)
  t.match(await api.get('/audit/verify'), { unbroken: true })
})

/** Answers; keeps a stream of events open that says what it is told; echoes on WebSockets. */
async function origin(t: Test) {
  const streams = new Set<{ write(text: string): void }>()
  const server = createServer((request, response) => {
    if (request.url !== '/events') return response.end('ok')
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: open\n\n')
    streams.add(response)
    return response
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => socket.on('message', data => socket.send(String(data))))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close().closeAllConnections()
  })
  return {
    port: (server.address() as AddressInfo).port,
    say: (text: string) => {
      for (const stream of streams) stream.write(`data: ${text}\n\n`)
    },
  }
}

/** A route on the listeners that are there, and one that opens a listener of its own. */
const PLACES = [{ match: { host: 'round.example' } }, { protocol: 'tcp', listen: '127.0.0.1:0', gateway_port: 22 }]

/** One round of changes of everything that is defined; what a round makes, it also takes away. */
const ROUND: readonly ((api: Api, n: number, ports: readonly number[]) => Promise<void>)[] = [
  ({ change }, n) => change('PUT', '/gateway-pools/main/members', [{ gateway: 'g0', weight: n + 2 }, 'g1']),
  ({ change }, n) =>
    change('PATCH', '/gateway-pools/main', { title: `Round ${n}`, mode: n % 2 === 0 ? 'load_balancing' : null }),
  ({ change }, n) => change('POST', '/routes', { name: `r${n}`, target: { gateway: 'g0' }, ...PLACES[n % 2] }),
  ({ change }, n) => change('PATCH', '/routes/all', { listener: n % 2 === 0 ? 'web' : null }),
  ({ change }, n) => change('PATCH', '/settings', { gateway_down_threshold: `${60 + n}s` }),
  ({ change }, n) => change('POST', '/gateways', { name: `x${n}`, address: '127.0.0.1', http_port: 1 + n }),
  ({ change }, n, ports) => change('PATCH', '/gateways/g1', { http_port: ports[2 - (n % 2)] }),
  ({ change }) => change('DELETE', '/gateway-pools/main/members/g1'),
  ({ change }, n) => change('DELETE', `/routes/r${n}`),
  ({ change }) => change('POST', '/gateway-pools/main/members', { gateway: 'g1', position: 1 }),
]

test('a hundred changes under load: no request fails, no stream is cut', async t => {
  const origins = await Promise.all([origin(t), origin(t), origin(t)])
  const ports = origins.map(({ port }) => port)
  const program = await runProgram(t, yaml(ports.slice(0, 2)))
  const web = String(program.url.web)
  const api = apiOf(t, program)

  const socket = new WebSocket(web.replace('http', 'ws'))
  const cut: string[] = []
  socket.on('close', code => cut.push(`WebSocket ${code}`))
  await once(socket, 'open')
  const { body: events } = await request(`${web}/events`)
  let heard = ''
  events.setEncoding('utf8').on('data', (text: string) => {
    heard += text
    events.emit('heard')
  })
  events.on('close', () => cut.push('stream'))
  const hears = async (text: string) => {
    for (const { say } of origins) say(text)
    while (!heard.includes(`data: ${text}\n`)) await once(events, 'heard')
  }
  await hears('before')

  const flow = await load(t, web)
  for (let n = 0; n < CHANGES / ROUND.length; n++) {
    for (const change of ROUND) await change(api, n, ports)
    socket.send(`round ${n}`)
    t.equal(String((await once(socket, 'message'))[0]), `round ${n}`)
    await hears(`round ${n}`)
  }
  await flow.endsWithoutLoss()
  t.strictSame(cut, [])
  const { items } = await api.get<Answer<'list_history'>>('/history?limit=100')
  t.equal(items.length, CHANGES)
  t.match(items[0], { by: 'bootstrap', changed: ['pool:main'] })
  const { revision } = await api.get<Answer<'status'>>('/status').then(({ definitions }) => definitions)
  t.strictSame(
    items.map(item => item.revision),
    Array.from({ length: CHANGES }, (_, i) => revision - i),
    'each is a revision, and nobody else made one',
  )
})

/** A store in `home` that holds `definitions`, as some version wrote it. */
async function stored(home: string, definitions: unknown): Promise<void> {
  const path = join(home, 'gatepool.db')
  await using store = await openEmbeddedStore({ path, cluster: 'default', clock: realClock() })
  const documents = { definitions: definitions as Definitions }
  await store.write({ expect: { definitions: 0 }, documents, facts: [], at: 1, by: 'test' })
}

const OLD = define({
  gateways: [{ name: 'g0', address: '127.0.0.1' }],
  pools: [{ name: 'main', members: ['g0'], failback_cooldown: '7m' }],
  routes: [{ name: 'old', target: { pool: 'main' } }],
})

test('what an older version stored is completed, and goes before the file', async t => {
  const home = folder(t)
  const [pool] = OLD.pools
  const { passive: _, slow_start: __, ...older } = { ...pool }
  await stored(home, { ...OLD, pools: [older] })
  const api = apiOf(t, await runProgram(t, yaml([1]), home))
  const { definition } = await api.get<Answer<'get_pool'>>('/gateway-pools/main')
  t.match(definition, { failback_cooldown: '7m', passive: { max_fails: 3 }, slow_start: '10s' })
  const { routes } = await api.get<Answer<'get_definitions'>>('/definitions')
  t.strictSame(
    routes?.map(({ name }) => name),
    ['old'],
  )
  t.match(await api.get('/status'), { definitions: { revision: 1 } })
})

test('stored definitions that this version does not know are a reason not to start, and are left alone', async t => {
  const home = folder(t)
  const [pool] = OLD.pools
  const newer = { ...OLD, pools: [{ ...pool, mode: 'quantum', entangled: true }] }
  await stored(home, newer)
  await t.rejects(runProgram(t, yaml([1]), home), /store do not fit.*pools\[0\]\.mode.*pools\[0\]\.entangled/)
  await using store = await openEmbeddedStore({
    path: join(home, 'gatepool.db'),
    cluster: 'default',
    clock: realClock(),
  })
  t.strictSame((await store.read()).definitions, { revision: 1, value: newer })
})

test('a listener that routes of the store need is not taken away by a reload', async t => {
  const program = await runProgram(t, yaml([1], ['web', 'side']))
  const api = apiOf(t, program)
  await api.change('PATCH', '/routes/all', { listener: 'side' })
  program.configure(yaml([1], ['web']))
  const refused = await api.send('POST', '/reload')
  t.equal(refused.status, 422)
  t.match(JSON.parse(refused.body), { code: 'config_rejected', problems: [{ route: 'all' }] })
  t.ok((await api.get<Answer<'status'>>('/status')).listeners.some(({ name }) => name === 'side'))
  await api.change('PATCH', '/routes/all', { listener: null })
  await api.change('POST', '/reload')
  t.notOk((await api.get<Answer<'status'>>('/status')).listeners.some(({ name }) => name === 'side'))
})
