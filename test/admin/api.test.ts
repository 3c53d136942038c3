import { test } from 'tap'
import type { Answer } from '../../src/admin/contract/endpoints.ts'
import { refuse } from '../../src/errors.ts'
import { SAMPLE, TOKEN, testAdmin } from '../support/admin.ts'

const api = (path: string) => `/api/v1${path}`

test('without a token there is health, and nothing else', async t => {
  await using it = await testAdmin()
  const bare = (path: string, init: RequestInit = {}) => fetch(it.url + path, init)
  t.strictSame(await (await bare('/livez')).json(), { status: 'alive' })
  t.strictSame(await (await bare('/readyz')).json(), { status: 'ready', reasons: [], warnings: [] })
  const paths = ['/metrics', '/openapi.json', '/nothing', api('/status'), api('/gateways/home'), api('/events/stream')]
  for (const path of paths) {
    const response = await bare(path)
    t.equal(response.status, 401, path)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
    t.match(response.headers.get('www-authenticate'), /^Bearer/)
    t.match(await response.json(), { code: 'unauthorized', status: 401, type: 'urn:gatepool:error:unauthorized' })
  }
})

test('a wrong token is answered as no token is', async t => {
  await using it = await testAdmin()
  const answers = new Set<string>()
  for (const authorization of ['', 'Bearer', 'Bearer ', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, 'Bearer \u00ff', TOKEN]) {
    const response = await it.ask(api('/status'), { headers: { authorization } })
    const { request_id: _, ...problem } = (await response.json()) as Record<string, unknown>
    answers.add(JSON.stringify([response.status, problem, response.headers.get('www-authenticate')]))
  }
  t.equal(answers.size, 1)
  t.match([...answers][0], /^\[401,/)
  t.equal((await it.ask(api('/status'), { headers: { authorization: `bearer  ${TOKEN}` } })).status, 200)
})

test('readiness tells its reasons', async t => {
  await using it = await testAdmin({ ready: () => ['listener web is not open'] })
  const response = await fetch(`${it.url}/readyz`)
  t.equal(response.status, 503)
  t.strictSame(await response.json(), { status: 'not_ready', reasons: ['listener web is not open'], warnings: [] })
  t.equal((await fetch(`${it.url}/livez`)).status, 200)
})

test('metrics are text for Prometheus', async t => {
  await using it = await testAdmin()
  const response = await it.ask('/metrics')
  t.match(response.headers.get('content-type'), 'text/plain; version=0.0.4')
  t.equal(await response.text(), 'up 1\n')
})

test('every beat is answered by the definitions that hold when it comes', async t => {
  await using it = await testAdmin()
  const answers = async () => [await (await it.beat('home')).json(), await (await it.beat('home')).json()]
  const before = { interval: '10s', definitions_revision: 1, accepted: true }
  t.strictSame(await answers(), [before, before])
  const init = {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: '{"gateway_down_threshold":"9s"}',
  }
  t.equal((await it.ask(api('/settings'), init)).status, 200)
  const after = { interval: '3s', definitions_revision: 3, accepted: true }
  t.strictSame(await answers(), [after, after])
})

test('a beat is taken, and tells when the next is expected', async t => {
  await using it = await testAdmin()
  const response = await it.beat('home', {
    hostname: 'nas.lan',
    os: 'linux',
    arch: 'x64',
    version: '1.0',
    connections: 4,
  })
  t.equal(response.status, 200)
  t.strictSame(await response.json(), { interval: '10s', definitions_revision: 1, accepted: true })
  const gateway = (await (await it.ask(api('/gateways/home'))).json()) as Answer<'get_gateway'>
  t.match(gateway, { name: 'home', title: 'Home', state: 'up', since: it.clock.now(), newest_beat: it.clock.now() })
  t.strictSame(gateway.instances, [
    {
      instance: 'home-1',
      since: it.clock.now(),
      newest_beat: it.clock.now(),
      stale_at: it.clock.now() + 90_000,
      state: 'ready',
      held: false,
      weight: 100,
      out_of: [],
      connections: 4,
      hostname: 'nas.lan',
      os: 'linux',
      arch: 'x64',
      version: '1.0',
    },
  ])
  t.match(gateway.pools, [
    { pool: 'main', priority: 1, ready: true },
    { pool: 'all', ready: true },
  ])
})

test('where heartbeats are taken there is nothing else but life', async t => {
  await using it = await testAdmin()
  const { host, port } = await it.admin.takeBeats({ host: '127.0.0.1', port: 0 })
  const there = `http://${host}:${port}`
  const ask = (method: string, path: string, body?: object) =>
    fetch(there + path, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
  const beat = { instance: 'home-1', state: 'ready' }
  t.match(await (await ask('POST', api('/gateways/home/heartbeat'), beat)).json(), { accepted: true })
  t.match(await (await it.ask(api('/gateways/home'))).json(), { state: 'up', instances: [{ instance: 'home-1' }] })
  t.equal((await ask('POST', api('/gateways/home/heartbeat'), {})).status, 400, 'the shape is looked at')
  t.equal((await ask('POST', api('/gateways/nobody/heartbeat'), beat)).status, 404)
  const stranger = await fetch(`${there}${api('/gateways/home/heartbeat')}`, { method: 'POST' })
  t.equal(stranger.status, 401)
  t.strictSame(await (await fetch(`${there}/livez`)).json(), { status: 'alive' })
  for (const path of ['/readyz', '/metrics', '/openapi.json', api('/status'), api('/gateways/home'), api('/tokens')])
    t.match(await (await ask('GET', path)).json(), { code: 'not_found' }, path)
  t.match(await (await ask('GET', api('/gateways/home/heartbeat'))).json(), { code: 'method_not_allowed' })
  await t.rejects(it.admin.takeBeats({ host, port }), { code: 'EADDRINUSE' })
})

test('a beat may say what the definition says, and no more', async t => {
  await using it = await testAdmin()
  t.equal((await it.beat('home', { address: '127.0.0.1', http_port: 9101, weight: 100 })).status, 200)
  const moved = await it.beat('home', { address: '10.0.0.1' })
  t.equal(moved.status, 409)
  t.match(await moved.json(), { code: 'address_not_allowed' })
  t.equal((await it.beat('home', { max_connections: 10 })).status, 200)
  t.equal(it.state.snapshot.pools.main?.members[0]?.limit, 10, 'it takes no more than it says')
  t.equal((await it.beat('home', { max_connections: 0 })).status, 400)
})

test('a beat that announces a drain holds the gateway, and a ready one lifts it', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('home', { state: 'drain' })
  const held = (await (await it.ask(api('/gateways/home'))).json()) as Answer<'get_gateway'>
  t.match(held, { state: 'held', holds: [{ reason: 'drain', holder: 'home-1', instance: 'home-1' }] })
  await it.beat('home')
  t.match(await (await it.ask(api('/gateways/home'))).json(), { state: 'up', holds: [] })
})

test('a list comes in parts, by name', async t => {
  await using it = await testAdmin()
  const names: string[] = []
  for (let after = ''; ; ) {
    const part = (await (await it.ask(api(`/gateways?limit=2${after}`))).json()) as Answer<'list_gateways'>
    names.push(...part.items.map(({ name }) => name))
    t.ok(part.items.length <= 2)
    if (part.next === null) break
    after = `&after=${part.next}`
  }
  t.strictSame(names, ['home', 'nas', 'spare'])
  t.match(await (await it.ask(api('/gateways?after=zzz'))).json(), { items: [], next: null })
})

test('a pool is shown with its definition as it was written, its members and who serves', async t => {
  await using it = await testAdmin()
  await it.beat('nas')
  const pool = (await (await it.ask(api('/gateway-pools/main'))).json()) as Answer<'get_pool'>
  t.match(pool, { name: 'main', title: 'Main', health: 'yellow', text: '1/2 healthy', routes: ['pinned', 'app'] })
  t.match(pool, { serving: ['nas'], serving_as: 'failover', original: 'home', failing: null })
  t.match(pool.members, [
    { gateway: 'home', priority: 1, weight: 1, state: 'unknown', ready: false, cause: 'never_seen', since: null },
    { gateway: 'nas', priority: 2, weight: 2, state: 'up', ready: true, upstreams: ['127.0.0.1:9102'] },
  ])
  t.match(pool.definition, {
    failback_cooldown: '1m',
    members: ['home', { gateway: 'nas', weight: 2 }],
    passive: { max_ejected: '50%', fail_duration: '30s' },
  })
  const list = (await (await it.ask(api('/gateway-pools'))).json()) as Answer<'list_pools'>
  t.match(list.items, [
    { name: 'all', serving: ['spare'], serving_as: 'balanced', members: 2, routes: 0 },
    { name: 'main', members: 2, routes: 2 },
  ])
})

test('a route is shown with who serves it, since when, and until when', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  const start = it.clock.now()
  await it.pass(100_000, ['nas'])
  await it.beat('home')
  const pinned = (await (await it.ask(api('/routes/pinned'))).json()) as Answer<'get_route'>
  t.match(pinned, { target: 'gateway:home', serving: ['nas'], serving_as: 'failover', original: 'home' })
  t.ok(pinned.since !== null && pinned.since >= start + 90_000 && pinned.since <= start + 92_000)
  t.equal(pinned.back_at, it.clock.now() + 60_000)
  t.match(pinned.definition, { match: { host: 'nas.example.com', path: '/' }, connect_timeout: '2s' })
  await it.pass(60_000, ['home', 'nas'])
  t.match(await (await it.ask(api('/routes/pinned'))).json(), {
    serving: ['home'],
    serving_as: 'first',
    original: null,
  })
  t.match(await (await it.ask(api('/routes'))).json(), { items: [{ name: 'app' }, { name: 'pinned' }], next: null })
})

test('a route that answers by itself is served by nobody and is no outage', async t => {
  const routes = `
  - { name: moved, target: { redirect: { to: "https://www.example.com{path}", status: 301 } } }
  - { name: robots, match: { path: /robots.txt }, target: { respond: { body: "x" } }, allow: ["10.0.0.0/8"] }
`
  await using it = await testAdmin({}, SAMPLE.trimEnd() + routes)
  const here = { serving: [], serving_as: 'here', original: null, since: null, back_at: null }
  const list = (await (await it.ask(api('/routes'))).json()) as Answer<'list_routes'>
  t.match(list.items.at(1), { name: 'moved', target: 'redirect:301', ...here })
  t.match(list.items.at(3), { name: 'robots', target: 'respond:200', ...here })
  const robots = (await (await it.ask(api('/routes/robots'))).json()) as Answer<'get_route'>
  t.match(robots.definition, { target: { respond: { status: 200, body: 'x' } }, allow: ['10.0.0.0/8'] })
  t.match(await (await it.ask(api('/gateway-pools/main'))).json(), { routes: ['pinned', 'app'] })
})

test('members are replaced at once, in order', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  const response = await it.send('PUT', api('/gateway-pools/main/members'), ['spare', { gateway: 'home', weight: 7 }])
  t.equal(response.status, 200)
  const answer = (await response.json()) as Answer<'replace_members'>
  t.match(answer.items, [
    { gateway: 'spare', priority: 1, weight: 1 },
    { gateway: 'home', priority: 2, weight: 7 },
  ])
  t.strictSame(answer.warnings, [])
  const { definitions } = await it.store.read()
  t.equal(answer.revision, definitions.revision)
  t.strictSame(definitions.value.pools.find(({ name }) => name === 'main')?.members, [
    { gateway: 'spare', weight: 1 },
    { gateway: 'home', weight: 7 },
  ])
  t.match(await (await it.ask(api('/gateway-pools/main/members'))).json(), { items: answer.items, next: null })
  t.match(await (await it.ask(api('/routes/app'))).json(), { serving: ['spare'], serving_as: 'first' })
})

test('members that are not healthy are taken, with a warning', async t => {
  await using it = await testAdmin()
  const response = await it.send('PUT', api('/gateway-pools/all/members'), ['home', 'nas'])
  t.equal(response.status, 200)
  const { warnings } = (await response.json()) as Answer<'replace_members'>
  t.strictSame(warnings, ['home is not ready: unknown (never_seen)', 'nas is not ready: unknown (never_seen)'])
})

test('a change of members that is refused changes nothing', async t => {
  await using it = await testAdmin()
  const path = api('/gateway-pools/main/members')
  const cases: [body: unknown, status: number, code: string][] = [
    [['home', 'nobody'], 422, 'unknown_reference'],
    [['home', 'home'], 422, 'duplicate_member'],
    [[], 409, 'last_member_in_use'],
    [{ members: ['home'] }, 400, 'bad_request'],
    [[{ gateway: 'home', wait: 3 }], 400, 'bad_request'],
    [[{ gateway: 'home', weight: 0 }], 400, 'bad_request'],
    [['HOME'], 400, 'bad_request'],
    [Array.from({ length: 257 }, (_, i) => `g${i}`), 400, 'bad_request'],
    [null, 400, 'bad_request'],
  ]
  for (const [body, status, code] of cases) {
    const response = await it.send('PUT', path, body)
    t.equal(response.status, status, JSON.stringify(body).slice(0, 60))
    t.match(await response.json(), { code })
  }
  t.equal((await it.send('PUT', api('/gateway-pools/none/members'), ['home'])).status, 404)
  t.equal(it.state.snapshot.world.definitions.revision, 1)
})

test('definitions that come from the file are changed there', async t => {
  await using it = await testAdmin({ definitionsMode: 'file' })
  const response = await it.send('PUT', api('/gateway-pools/main/members'), ['nas'])
  t.equal(response.status, 409)
  t.match(await response.json(), { code: 'defined_by_file' })
  t.equal((await it.beat('home')).status, 200)
})

test('status tells what there is and who serves', async t => {
  await using it = await testAdmin()
  const status = (await (await it.ask(api('/status'))).json()) as Answer<'status'>
  t.match(status, {
    replica: 'one',
    cluster: 'test',
    version: '1.2.3',
    now: it.clock.now(),
    store: { available: true },
    definitions: { mode: 'store', revision: 1 },
    listeners: [{ name: 'web', protocol: 'http', address: '127.0.0.1:8080', open: true }],
    pools: [{ name: 'all' }, { name: 'main' }],
    routes: [{ name: 'app' }, { name: 'pinned' }],
  })
  t.match(status.uptime, /^9\ds$/)
})

test('a reload is passed on, with what it changed or why not', async t => {
  await using good = await testAdmin()
  t.strictSame(await (await good.ask(api('/reload'), { method: 'POST' })).json(), { changed: ['pool:main'] })
  const no = refuse('config_rejected', 'the file has a problem', { problems: ['gatepool.yaml:1:1: no'] })
  await using bad = await testAdmin({ reload: async () => no })
  const response = await bad.ask(api('/reload'), { method: 'POST' })
  t.equal(response.status, 422)
  t.match(await response.json(), {
    code: 'config_rejected',
    detail: 'the file has a problem',
    problems: no.extra?.problems,
  })
})

test('events are told oldest first, in parts, by kind and by subject', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  const events = async (query: string) =>
    (await (await it.ask(api(`/events?${query}`))).json()) as Answer<'list_events'>
  const all = await events('')
  t.match(all.items, [
    { kind: 'definitions_changed' },
    { kind: 'first_alive', subject: 'home', cause: 'beat', text: 'home was heard for the first time' },
    { kind: 'instance_joined', subject: 'home', instance: 'home-1', text: 'home has the instance home-1' },
    { kind: 'first_alive', subject: 'nas', cluster: 'test', at: it.clock.now() },
    { kind: 'instance_joined', subject: 'nas' },
  ])
  t.equal(all.next, null)
  t.match(await events('limit=1'), { items: [{ subject: 'nas' }], next: null })
  const [first, second] = all.items.map(({ id }) => id)
  const [fourth, fifth] = all.items.slice(-2).map(({ id }) => id)
  t.match(await events(`limit=1&after=${first}`), { items: [{ id: second }], next: second })
  t.match(await events(`limit=1&after=${fourth}`), { items: [{ id: fifth }], next: null })
  t.match(await events('kind=first_alive&subject=home'), { items: [{ id: second }] })
  t.match(await events('kind=gateway_down'), { items: [] })
  t.match(await events('kind=first_alive,gateway_down&subject=home'), { items: [{ id: second }] })
  const at = it.clock.now()
  t.match(await events(`since=${at + 1}`), { items: [] })
  t.match(await events(`until=${new Date(at + 1).toISOString()}&limit=1`), { items: [{ subject: 'nas' }] })
  t.equal((await it.ask('/api/v1/events?since=yesterday')).status, 400)
})

test('what is not there is said to be not there', async t => {
  await using it = await testAdmin()
  const paths = [
    '/gateways/none',
    '/gateways/constructor',
    '/gateway-pools/__proto__',
    '/gateway-pools/none/members',
    '/gateway-pools/none/members/home/why',
    '/gateway-pools/main/members/spare/why',
    '/routes/none',
    `/routes/${'x'.repeat(90)}`,
    '/else',
  ]
  for (const path of paths) {
    const response = await it.ask(api(path))
    t.equal(response.status, 404, path)
    t.match(await response.json(), { code: 'not_found' })
  }
  t.equal((await it.send('POST', api('/gateways/none/heartbeat'), { instance: 'a', state: 'ready' })).status, 404)
})
