import { test } from 'tap'
import type { AdminOptions } from '../../src/admin/server.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'

const TOKENS = '/api/v1/tokens'

interface Made {
  readonly token: string
  readonly id: string
  readonly warnings: string[]
  readonly expires_at: number | null
}

/** Makes a token with the bootstrap administrator's, or with `by`. */
async function make(it: TestAdmin, body: object, by = TOKEN): Promise<Made> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${by}` }
  const response = await it.ask(TOKENS, { method: 'POST', headers, body: JSON.stringify(body) })
  const made = (await response.json()) as Made
  if (response.status !== 201) throw new Error(JSON.stringify(made))
  return made
}

const as = (it: TestAdmin, { token }: { token: string }, path: string, method = 'GET', body?: unknown) =>
  it.ask(path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const list = async (it: TestAdmin, by = { token: TOKEN }) =>
  ((await (await as(it, by, TOKENS)).json()) as { items: { name: string; state: string; last_used: number | null }[] })
    .items

const code = async (response: Response) => ((await response.json()) as { code: string }).code

test('a token is told once, works at once, and is listed with what it may and when it was used', async t => {
  await using it = await testAdmin()
  const response = await it.send('POST', TOKENS, { name: 'dashboard', role: 'viewer', pools: ['main'], expires: '90d' })
  t.equal(response.status, 201)
  t.equal(response.headers.get('location'), `${TOKENS}/dashboard`)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const made = (await response.json()) as Made
  t.match(made.token, new RegExp(`^gp_${made.id}_.{43}$`))
  const row = {
    name: 'dashboard',
    id: made.id,
    role: 'viewer',
    pools: ['main'],
    state: 'valid',
    created_at: it.clock.now(),
    expires_at: it.clock.now() + 90 * 86_400_000,
  }
  t.match(made, { ...row, last_used: null, warnings: [] })
  t.strictSame(await (await it.ask(`${TOKENS}/dashboard`)).json(), { ...row, last_used: null })

  it.clock.advance(1_000)
  t.equal((await as(it, made, '/api/v1/gateway-pools/main')).status, 200)
  const shown = await (await it.ask(TOKENS)).text()
  t.match(JSON.parse(shown), { items: [{ ...row, last_used: it.clock.now() }] })
  t.notMatch(shown, made.token.slice(16))
  const stored = it.state.snapshot.world.access.value.tokens
  t.notMatch(JSON.stringify(stored), made.token.slice(16))
  t.match(stored, [{ hash: /^[0-9a-f]{64}$/ }])
})

test('a token ends when it is deleted, or when its time is over; until it is deleted it stays in the list', async t => {
  await using it = await testAdmin()
  const short = await make(it, { name: 'short', role: 'viewer', expires: '60s' })
  const other = await make(it, { name: 'other', role: 'viewer' })
  it.clock.advance(59_999)
  t.equal((await as(it, short, '/api/v1/status')).status, 200)
  it.clock.advance(1)
  t.equal((await as(it, short, '/api/v1/status')).status, 401)
  t.match(await list(it), [
    { name: 'other', state: 'valid' },
    { name: 'short', state: 'expired' },
  ])
  const deleted = await it.ask(`${TOKENS}/short`, { method: 'DELETE' })
  t.equal(deleted.status, 204)
  t.equal((await it.ask(`${TOKENS}/short`, { method: 'DELETE' })).status, 404)
  t.equal((await it.ask(`${TOKENS}/short`)).status, 404)
  t.equal((await as(it, other, '/api/v1/status')).status, 200)
  await it.ask(`${TOKENS}/other`, { method: 'DELETE' })
  t.equal((await as(it, other, '/api/v1/status')).status, 401)
})

test('tokens work while the store is away', async t => {
  await using it = await testAdmin()
  const viewer = await make(it, { name: 'viewer', role: 'viewer' })
  await it.store[Symbol.asyncDispose]()
  t.equal((await as(it, viewer, '/api/v1/routes')).status, 200)
  const refused = await it.send('POST', TOKENS, { name: 'more', role: 'viewer' })
  t.equal(refused.status, 503)
  t.equal(await code(refused), 'store_unavailable')
})

test('a new token that makes no sense is refused, and nothing is made', async t => {
  await using it = await testAdmin()
  await make(it, { name: 'taken', role: 'viewer' })
  const cases: [body: object, status: number, code: string][] = [
    [{ name: 'taken', role: 'viewer' }, 422, 'duplicate_name'],
    [{ name: 'bootstrap', role: 'viewer' }, 422, 'duplicate_name'],
    [{ name: 'system', role: 'viewer' }, 422, 'duplicate_name'],
    [{ name: 'x', role: 'gateway', gateway: 'stranger' }, 422, 'unknown_reference'],
    [{ name: 'x', role: 'gateway' }, 400, 'bad_request'],
    [{ name: 'x', role: 'gateway', gateway: 'home', pools: ['main'] }, 400, 'bad_request'],
    [{ name: 'x', role: 'viewer', gateway: 'home' }, 400, 'bad_request'],
    [{ name: 'x', role: 'viewer', pools: [] }, 400, 'bad_request'],
    [{ name: 'x', role: 'viewer', pools: ['main', 'main'] }, 400, 'bad_request'],
    [{ name: 'x', role: 'viewer', expires: '0s' }, 400, 'bad_request'],
    [{ name: 'x', role: 'viewer', expires: '500d' }, 400, 'bad_request'],
    [{ name: 'x', role: 'root' }, 400, 'bad_request'],
    [{ name: 'X', role: 'viewer' }, 400, 'bad_request'],
    [{ name: 'x', role: 'viewer', token: 'mine' }, 400, 'bad_request'],
  ]
  for (const [body, status, expected] of cases) {
    const response = await it.send('POST', TOKENS, body)
    t.equal(response.status, status, JSON.stringify(body))
    t.equal(await code(response), expected)
  }
  t.equal((await list(it)).length, 1)
})

test('a thousand tokens are enough', async t => {
  await using it = await testAdmin()
  const tokens = Array.from({ length: 999 }, (_, n) => ({
    name: `t-${n}`,
    id: `${n}`,
    hash: '',
    role: 'viewer' as const,
    created_at: 0,
  }))
  const { access } = it.state.snapshot.world
  const written = await it.store.write({
    expect: {},
    documents: { access: { webhooks: [], tokens } },
    facts: [],
    at: 0,
    by: 'test',
  })
  if (written.kind !== 'written') throw new Error(written.kind)
  it.state.apply({ kind: 'committed', documents: written.documents, facts: [], at: 0 })
  t.not(it.state.snapshot.world.access, access)
  await make(it, { name: 'last', role: 'viewer' })
  const refused = await it.send('POST', TOKENS, { name: 'one-more', role: 'viewer' })
  t.equal(refused.status, 409)
  t.equal(await code(refused), 'limit_reached')
})

test('a gateway’s token beats for it and does nothing else; when the gateway is no more, it is listed as orphaned', async t => {
  await using it = await testAdmin()
  const agent = await make(it, { name: 'agent-home', role: 'gateway', gateway: 'home' })
  const beat = { instance: 'home-1', state: 'ready' }
  t.equal((await as(it, agent, '/api/v1/gateways/home/heartbeat', 'POST', beat)).status, 200)
  const other = await as(it, agent, '/api/v1/gateways/nas/heartbeat', 'POST', beat)
  t.equal(other.status, 403)
  t.match(await other.json(), { code: 'forbidden', detail: 'this token is for another gateway' })
  t.equal((await as(it, agent, '/api/v1/gateways/home')).status, 403)
  t.equal((await as(it, agent, '/api/v1/status')).status, 403)

  const { definitions } = it.state.snapshot.world
  const gateways = definitions.value.gateways.filter(({ name }) => name !== 'home')
  const without = { revision: definitions.revision + 1, value: { ...definitions.value, gateways } }
  it.state.apply({ kind: 'committed', documents: { definitions: without }, facts: [], at: it.clock.now() })
  t.match(await list(it), [{ name: 'agent-home', state: 'orphaned' }])
  t.equal((await as(it, agent, '/api/v1/gateways/home/heartbeat', 'POST', beat)).status, 404)
})

test('a token that is limited to pools makes only tokens that are as limited, and sees no others', async t => {
  await using it = await testAdmin()
  await make(it, { name: 'whole', role: 'viewer' })
  const admin = await make(it, { name: 'main-admin', role: 'admin', pools: ['main'] })
  const made = await make(it, { name: 'main-viewer', role: 'viewer', pools: ['main'] }, admin.token)
  t.equal((await as(it, made, '/api/v1/gateway-pools/main')).status, 200)
  const refused: object[] = [
    { name: 'x', role: 'viewer' },
    { name: 'x', role: 'viewer', pools: ['main', 'all'] },
    { name: 'x', role: 'viewer', pools: ['all'] },
    { name: 'x', role: 'gateway', gateway: 'home' },
  ]
  for (const body of refused) {
    const response = await as(it, admin, TOKENS, 'POST', body)
    t.equal(response.status, 403, JSON.stringify(body))
    t.equal(await code(response), 'forbidden')
  }
  t.equal((await as(it, admin, TOKENS, 'POST', { name: 'nas', role: 'gateway', gateway: 'nas' })).status, 201)
  t.strictSame(
    (await list(it, admin)).map(({ name }) => name),
    ['main-admin', 'main-viewer', 'nas'],
  )
  t.equal((await as(it, admin, `${TOKENS}/whole`)).status, 404)
  t.equal((await as(it, admin, `${TOKENS}/whole`, 'DELETE')).status, 404)
  t.equal((await as(it, admin, `${TOKENS}/main-viewer`, 'DELETE')).status, 204)
})

test('a token ends no later than the one that made it; a pool that is not there is a warning', async t => {
  await using it = await testAdmin()
  const admin = await make(it, { name: 'for-today', role: 'admin', expires: '1d' })
  const forever = await make(it, { name: 'forever', role: 'viewer', pools: ['later'] }, admin.token)
  t.equal(forever.expires_at, admin.expires_at)
  t.strictSame(forever.warnings, ['it ends when the token that made it ends', 'there is no pool later yet'])
  const hour = await make(it, { name: 'hour', role: 'viewer', expires: '1h' }, admin.token)
  t.equal(hour.expires_at, it.clock.now() + 3_600_000)
  t.strictSame(hour.warnings, [])
})

test('too many wrong guesses lock out guesses of that address, and no token that cannot be guessed', async t => {
  await using it = await testAdmin()
  const viewer = await make(it, { name: 'viewer', role: 'viewer' })
  const status = async (headers: Record<string, string>) => (await fetch(`${it.url}/api/v1/status`, { headers })).status
  for (let n = 0; n < 40; n++) t.equal(await status({}), 401, 'no token is no guess')
  for (let n = 0; n < 40; n++)
    t.equal(await status({ authorization: `Bearer gp_${'0'.repeat(12)}_${'x'.repeat(43)}` }), 401)
  for (let n = 0; n < 20; n++) t.equal(await status({ authorization: `Bearer guess-${n}` }), 401)
  const refused = await it.ask('/api/v1/status')
  t.equal(refused.status, 429, 'the right one is not looked at either')
  t.equal(await code(refused), 'too_many_requests')
  t.equal(refused.headers.get('retry-after'), '1')
  t.equal((await as(it, viewer, '/api/v1/status')).status, 200)
  t.equal((await fetch(`${it.url}/readyz`)).status, 200)
})

test('a reload by the API leaves a record, and one that is refused leaves none', async t => {
  let reload: AdminOptions['reload'] = async () => ({ changed: ['pool:main'] })
  await using it = await testAdmin({ reload: () => reload() })
  t.equal((await it.ask('/api/v1/reload', { method: 'POST' })).status, 200)
  reload = async () => ({ kind: 'refusal', code: 'needs_restart', detail: 'no' })
  t.equal((await it.ask('/api/v1/reload', { method: 'POST' })).status, 409)
  const { links } = await it.store.audit({ limit: 10 })
  t.match(
    links.map(({ text }) => JSON.parse(text)),
    [{ by: 'bootstrap', action: 'reload', subject: 'configuration', before: null, after: { changed: ['pool:main'] } }],
  )
  t.equal(links.length, 1)
})
