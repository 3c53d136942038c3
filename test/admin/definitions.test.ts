import { test } from 'tap'
import type { Answer } from '../../src/admin/contract/endpoints.ts'
import { listener } from '../../src/config/schema.ts'
import { type TestAdmin, testAdmin } from '../support/admin.ts'

const api = (path: string) => `/api/v1${path}`

interface Problem {
  readonly code: string
  readonly detail: string
  readonly problems?: readonly { readonly at: string; readonly code: string }[]
}

/** Status, code and the places of all problems. */
async function refused(response: Response): Promise<string> {
  const { code, problems = [] } = (await response.json()) as Problem
  return [response.status, code, ...problems.map(({ at }) => at)].join(' ')
}

const conditional = (it: TestAdmin, method: string, path: string, tag: string | null, body?: unknown) =>
  it.ask(path, {
    method,
    headers: { 'if-match': String(tag), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const revisionOf = async (it: TestAdmin) => (await it.store.read()).definitions.revision

test('what is created has a place, a tag, and is what was sent with its defaults', async t => {
  await using it = await testAdmin()
  const cases: [path: string, body: { name: string }, definition: object][] = [
    ['/gateways', { name: 'attic', address: '10.0.0.9' } as { name: string }, { http_port: 8080, liveness: 'assumed' }],
    ['/gateway-pools', { name: 'office', members: ['nas'] } as { name: string }, { failback_cooldown: '1m' }],
    [
      '/routes',
      { name: 'wiki', listener: 'web', target: { pool: 'all' } } as { name: string },
      { match: { path: '/' } },
    ],
  ]
  for (const [path, body, definition] of cases) {
    const response = await it.send('POST', api(path), body)
    t.equal(response.status, 201)
    t.equal(response.headers.get('location'), api(`${path}/${body.name}`))
    const answer = (await response.json()) as { revision: number }
    t.match(answer, { name: body.name, revision: await revisionOf(it), definition: { ...body, ...definition } })
    t.equal(response.headers.get('etag'), `"${answer.revision}"`)
    const again = await it.ask(String(response.headers.get('location')))
    t.equal(again.headers.get('etag'), response.headers.get('etag'))
    t.match(await again.json(), { definition: { ...body, ...definition } })
    t.equal(await refused(await it.send('POST', api(path), body)), '422 duplicate_name')
  }
})

test('an object that was read may be sent back as it is, and nothing has changed', async t => {
  await using it = await testAdmin()
  for (const path of ['/gateways/home', '/gateway-pools/main', '/routes/app']) {
    const { definition } = (await (await it.ask(api(path))).json()) as { definition: { name: string } }
    const response = await it.send('PUT', api(path), definition)
    t.equal(response.status, 200, path)
    const { name: _, ...nameless } = definition
    t.match(await (await it.send('PUT', api(path), nameless)).json(), { definition, revision: 1 })
  }
  const all = await (await it.ask(api('/definitions'))).json()
  t.match(await (await it.send('PUT', api('/definitions'), all)).json(), { changed: [], revision: 1 })
  t.equal(await revisionOf(it), 1)
})

test('a patch says what changes, and null takes a field back to its default', async t => {
  await using it = await testAdmin()
  const patch = async (path: string, body: unknown, type = 'application/json') =>
    (await it.ask(api(path), { method: 'PATCH', body: JSON.stringify(body), headers: { 'content-type': type } })).json()
  t.match(await patch('/gateway-pools/main', { failback_cooldown: 'nas', title: null, passive: { max_fails: 7 } }), {
    definition: { failback_cooldown: '15m', title: undefined, passive: { max_fails: 7, fail_duration: '30s' } },
  })
  t.match(await patch('/gateway-pools/main', { passive: { max_fails: null } }, 'application/merge-patch+json'), {
    definition: { failback_cooldown: '15m', passive: { max_fails: 3 } },
  })
  t.match(await patch('/routes/pinned', { target: { gateway: null, pool: 'all' } }), { target: 'pool:all' })
  t.match(await patch('/gateways/home', { http_port: null }), { http_port: 8080 })
  t.match(await patch('/settings', { gateway_down_threshold: 45 }), { gateway_down_threshold: '45s' })
  t.match(await patch('/settings', { gateway_down_threshold: null }), { gateway_down_threshold: '90s' })
})

test('whatever is wrong with a body is told at its place, all at once, and changes nothing', async t => {
  await using it = await testAdmin()
  const cases: [method: string, path: string, body: unknown, expected: string][] = [
    ['POST', '/gateways', { name: 'A', adress: 'x' }, '400 bad_request body.name body.address body.adress'],
    ['POST', '/gateway-pools', { name: 'p', members: ['home', 7] }, '400 bad_request body.members[1]'],
    [
      'POST',
      '/gateway-pools',
      { name: 'p', members: ['home', 'x', 'home'] },
      '422 unknown_reference body.members[1] body.members[2]',
    ],
    ['POST', '/routes', { name: 'r', target: { pool: 'none' } }, '422 unknown_reference body.target.pool'],
    ['POST', '/routes', { name: 'r', listener: 'wub', target: { pool: 'all' } }, '422 unknown_reference body.listener'],
    [
      'POST',
      '/routes',
      { name: 'r', match: { host: 'nas.example.com' }, target: { pool: 'all' } },
      '422 equal_routes body',
    ],
    ['PUT', '/gateways/home', { name: 'nas', address: '127.0.0.1' }, '400 bad_request body.name'],
    ['PUT', '/routes/app', { target: { respond: {} }, backend: 'a:1' }, '400 bad_request body.backend'],
    ['PUT', '/gateways/none', { address: '127.0.0.1' }, '404 not_found'],
    ['PATCH', '/gateways/home', { name: 'nas' }, '400 bad_request body.name'],
    ['PATCH', '/gateways/home', { name: null }, '400 bad_request body.name'],
    ['PATCH', '/gateways/home', ['title'], '400 bad_request body'],
    ['PATCH', '/gateways/home', null, '400 bad_request body'],
    [
      'PATCH',
      '/gateway-pools/main',
      { passive: { max_fails: 0, x: 1 } },
      '400 bad_request body.passive.max_fails body.passive.x',
    ],
    ['PATCH', '/gateway-pools/main', { passive: [] }, '400 bad_request body.passive'],
    ['PATCH', '/gateway-pools/main', { members: [] }, '409 last_member_in_use'],
    ['PATCH', '/routes/none', { title: 'x' }, '404 not_found'],
    [
      'PATCH',
      '/settings',
      { threshold: 1, gateway_down_threshold: '1ms' },
      '400 bad_request body.gateway_down_threshold body.threshold',
    ],
    ['PUT', '/gateway-pools/main/members', ['home', 'x'], '422 unknown_reference body[1]'],
    ['POST', '/gateway-pools/main/members', 'x', '422 unknown_reference body.gateway'],
    ['POST', '/gateway-pools/main/members', { gateway: 'nas' }, '422 duplicate_member'],
    ['POST', '/gateway-pools/main/members', { gateway: 'spare', position: 0 }, '400 bad_request body.position'],
    ['PUT', '/gateway-pools/main/members/x', {}, '422 unknown_reference pools.main.members[2]'],
    [
      'PUT',
      '/definitions',
      { pools: [{ name: 'p', members: ['x'] }] },
      '422 unknown_reference body.pools[0].members[0]',
    ],
    [
      'PUT',
      '/definitions',
      { routes: [{ name: 'r' }], listeners: [] },
      '400 bad_request body.routes[0].target body.listeners',
    ],
    ['POST', '/history/7/restore', {}, '404 not_found'],
    ['POST', '/history/x/restore', {}, '404 not_found'],
    ['DELETE', '/gateways/home', {}, '409 gateway_in_use'],
    ['DELETE', '/gateway-pools/main', {}, '409 pool_in_use'],
    ['DELETE', '/gateway-pools/main/members/spare', {}, '404 not_found'],
    ['DELETE', '/routes/none', {}, '404 not_found'],
  ]
  for (const [method, path, body, expected] of cases)
    t.equal(
      await refused(await it.send(method, api(path), body)),
      expected,
      `${method} ${path} ${JSON.stringify(body)}`,
    )
  t.equal(await revisionOf(it), 1)
  t.equal(it.logged(), '')
})

test('a body may be as large as what it has to hold, and no larger', async t => {
  await using it = await testAdmin()
  const respond = { body: '\u0001'.repeat(65_536) }
  t.equal((await it.send('POST', api('/routes'), { name: 'large', target: { respond } })).status, 201)
  t.equal((await it.send('PATCH', api('/gateways/home'), { title: 'x'.repeat(70_000) })).status, 413)
  const gateways = Array.from({ length: 2_000 }, (_, i) => ({
    name: `g${i}`,
    address: '127.0.0.1',
    title: 'x'.repeat(60),
  }))
  t.equal((await it.send('PUT', api('/definitions'), { gateways })).status, 200)
})

test('deleting answers nothing, and tells what is in the way', async t => {
  await using it = await testAdmin()
  t.match(await (await it.ask(api('/gateway-pools/main'), { method: 'DELETE' })).json(), {
    code: 'pool_in_use',
    routes: ['app'],
    fallbacks: [],
  })
  t.match(await (await it.ask(api('/gateways/home'), { method: 'DELETE' })).json(), {
    code: 'gateway_in_use',
    routes: ['pinned'],
  })
  for (const path of ['/routes/app', '/gateway-pools/main', '/gateway-pools/all/members/home', '/gateways/nas']) {
    const response = await it.ask(api(path), { method: 'DELETE' })
    t.equal(response.status, 204, path)
    t.equal(await response.text(), '')
    t.equal((await it.ask(api(path))).status, 404)
  }
})

test('members are added, moved, weighed and taken out one by one', async t => {
  await using it = await testAdmin()
  const added = await it.send('POST', api('/gateway-pools/main/members'), { gateway: 'spare', position: 1, weight: 4 })
  t.equal(added.status, 201)
  const location = String(added.headers.get('location'))
  t.equal(location, api('/gateway-pools/main/members/spare'))
  t.match(await added.json(), { gateway: 'spare', priority: 1, weight: 4, ready: true, revision: 2 })
  t.match(await (await it.ask(location)).json(), { gateway: 'spare', priority: 1 })
  const moved = await it.send('PUT', location, { position: 3 })
  t.match(await moved.json(), { gateway: 'spare', priority: 3, weight: 4, warnings: { length: 2 } })
  t.equal(moved.headers.get('etag'), (await it.ask(api('/gateway-pools/main'))).headers.get('etag'))
  t.equal((await it.ask(location, { method: 'DELETE' })).status, 204)
  t.match(await (await it.send('POST', api('/gateway-pools/main/members'), 'spare')).json(), { priority: 3, weight: 1 })
})

test('two writers with the same tag: one is taken, the other is told', async t => {
  await using it = await testAdmin()
  const cases: [method: string, path: string, one: unknown, other: unknown][] = [
    ['PATCH', '/gateway-pools/main', { title: 'One' }, { title: 'Other' }],
    ['PUT', '/gateway-pools/main/members', ['home'], ['nas']],
    ['PATCH', '/settings', { gateway_down_threshold: '2m' }, { gateway_down_threshold: '3m' }],
    ['PUT', '/gateways/spare', { address: '::1' }, { address: '127.0.0.1' }],
  ]
  for (const [method, path, ...bodies] of cases) {
    const tag = (await it.ask(api(path))).headers.get('etag')
    // Something else changes meanwhile, which is nobody's business here.
    await it.send('PATCH', api('/routes/app'), { title: `${method} ${path}` })
    const responses = await Promise.all(bodies.map(body => conditional(it, method, api(path), tag, body)))
    t.strictSame(responses.map(({ status }) => status).sort(), [200, 412], `${method} ${path}`)
    const [good, bad] = responses.toSorted((a, b) => a.status - b.status) as [Response, Response]
    const now = good.headers.get('etag')
    t.match(await bad.json(), { code: 'precondition_failed', etag: now })
    t.equal((await it.ask(api(path))).headers.get('etag'), now)
  }
  t.equal((await conditional(it, 'DELETE', api('/routes/app'), '"1"')).status, 412)
  t.equal((await conditional(it, 'DELETE', api('/routes/app'), 'none')).status, 400)
  t.equal((await conditional(it, 'DELETE', api('/routes/app'), '*')).status, 204)
})

test('what is all in its tag is not sent twice', async t => {
  await using it = await testAdmin()
  for (const path of ['/settings', '/definitions', '/history/1']) {
    const etag = String((await it.ask(api(path))).headers.get('etag'))
    const again = await it.ask(api(path), { headers: { 'if-none-match': etag } })
    t.equal(again.status, 304, path)
    t.equal(await again.text(), '')
    t.equal(again.headers.get('etag'), etag)
    t.equal((await it.ask(api(path), { headers: { 'if-none-match': '"99"' } })).status, 200)
  }
  // Who serves a pool is not in its tag.
  t.equal((await it.ask(api('/gateway-pools/main'), { headers: { 'if-none-match': '"1"' } })).status, 200)
})

test('what is taken but does not work at the moment is said', async t => {
  await using it = await testAdmin()
  const warnings = async (method: string, path: string, body: unknown) =>
    ((await (await it.send(method, api(path), body)).json()) as { warnings: string[] }).warnings
  const notReady = ['home is not ready: unknown (never_seen)', 'nas is not ready: unknown (never_seen)']
  t.strictSame(await warnings('POST', '/routes', { name: 'r', target: { pool: 'main' } }), notReady)
  t.strictSame(await warnings('PATCH', '/routes/pinned', { title: 'x' }), [
    'home is not ready: spare serves in its place',
  ])
  t.strictSame(await warnings('POST', '/gateway-pools', { name: 'empty' }), ['nobody can serve empty'])
  t.strictSame(await warnings('PATCH', '/gateway-pools/main', { enabled: false }), [])
  t.strictSame(await warnings('POST', '/gateways', { name: 'new', address: '127.0.0.1' }), [])
})

test('history says who changed what and when, and any revision that is kept can be had again', async t => {
  await using it = await testAdmin()
  const before = await (await it.ask(api('/definitions'))).json()
  it.clock.advance(5_000)
  await it.send('POST', api('/routes'), { name: 'wiki', target: { pool: 'main' } })
  await it.ask(api('/gateway-pools/all/members/home'), { method: 'DELETE' })
  await it.send('PATCH', api('/settings'), { gateway_down_threshold: '2m' })
  const list = async (query: string) =>
    (await (await it.ask(api(`/history?${query}`))).json()) as Answer<'list_history'>
  const { items, next } = await list('limit=3')
  t.strictSame(items, [
    { revision: 4, at: it.clock.now(), by: 'bootstrap', changed: ['settings'] },
    { revision: 3, at: it.clock.now(), by: 'bootstrap', changed: ['pool:all'] },
    { revision: 2, at: it.clock.now(), by: 'bootstrap', changed: ['route:wiki'] },
  ])
  const rest = await list(`after=${next}`)
  t.match(rest, { items: [{ revision: 1, at: it.clock.now() - 5_000, by: 'system' }], next: null })
  t.ok(rest.items[0]?.changed.includes('gateway:home'), 'of the oldest, everything is new')
  const past = (await (await it.ask(api('/history/1'))).json()) as Answer<'get_revision'>
  t.strictSame(past.definitions, before)

  const restored = await it.ask(api('/history/1/restore'), { method: 'POST' })
  t.equal(restored.status, 200)
  t.match(await restored.json(), { revision: 5, changed: ['pool:all', 'route:wiki', 'settings'] })
  t.strictSame(await (await it.ask(api('/definitions'))).json(), before)
  t.match(await list('limit=1'), { items: [{ revision: 5, changed: ['pool:all', 'route:wiki', 'settings'] }] })
  t.match(await (await it.ask(api('/history/1/restore'), { method: 'POST' })).json(), { revision: 5, changed: [] })
  for (const query of ['limit=101', 'after=x', 'before=1'])
    t.equal((await it.ask(api(`/history?${query}`))).status, 400, query)
})

test('a stored route that no longer fits the file is in nobody’s way', async t => {
  const admin = { listen: { host: '127.0.0.1', port: 1 } }
  const listening = (...names: string[]) =>
    names.map((name, port) => listener.parse({ name, listen: `127.0.0.1:${port + 2}` }))
  let listeners = listening('web', 'old')
  const file = () => ({ admin, listeners })
  await using it = await testAdmin({ file })
  t.equal((await it.send('PATCH', api('/routes/app'), { listener: 'old' })).status, 200)
  listeners = listening('web')
  t.equal((await it.send('PATCH', api('/gateways/home'), { title: 'x' })).status, 200)
  t.equal((await it.send('PATCH', api('/routes/app'), { title: 'x' })).status, 200)
  t.equal(
    await refused(await it.send('PATCH', api('/routes/pinned'), { listener: 'old' })),
    '422 unknown_reference body.listener',
  )
  t.equal(
    await refused(await it.send('PATCH', api('/routes/app'), { listener: 'older' })),
    '422 unknown_reference body.listener',
  )
})

test('definitions that come from the file are changed there, and nowhere else', async t => {
  await using it = await testAdmin({ definitionsMode: 'file' })
  const calls: [method: string, path: string, body: unknown][] = [
    ['POST', '/gateways', { name: 'a', address: '127.0.0.1' }],
    ['PUT', '/gateways/home', { address: '127.0.0.1' }],
    ['PATCH', '/gateways/none', { title: 'x' }],
    ['DELETE', '/gateways/none', {}],
    ['DELETE', '/gateway-pools/main', {}],
    ['PUT', '/gateway-pools/main/members', []],
    ['POST', '/gateway-pools/main/members', 'spare'],
    ['PUT', '/gateway-pools/main/members/home', {}],
    ['DELETE', '/gateway-pools/main/members/home', {}],
    ['PATCH', '/routes/app', {}],
    ['PATCH', '/settings', {}],
    ['PUT', '/definitions', {}],
  ]
  for (const [method, path, body] of calls)
    t.equal(await refused(await it.send(method, api(path), body)), '409 defined_by_file', `${method} ${path}`)
  t.equal((await it.ask(api('/definitions'))).status, 200)
  t.match(await (await it.ask(api('/history'))).json(), { items: [], next: null })
})

test('each change leaves its audit record and its fact in the same write', async t => {
  await using it = await testAdmin()
  const written: unknown[] = []
  const { write } = it.store
  it.store.write = one => {
    written.push(one.audit)
    return write(one)
  }
  await it.send('PATCH', api('/gateway-pools/main'), { title: 'New' })
  await it.ask(api('/routes/app'), { method: 'DELETE' })
  t.match(written, [
    { by: 'bootstrap', action: 'patch_pool', subject: 'pool:main', before: { title: 'Main' }, after: { title: 'New' } },
    { action: 'delete_route', subject: 'route:app', before: { name: 'app' }, after: null },
  ])
  t.match(await (await it.ask(api('/events?kind=definitions_changed&limit=1'))).json(), {
    items: [{ cause: 'deleted', changed: ['route:app'] }],
  })
})
