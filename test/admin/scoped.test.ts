/** What a token that is limited to pools sees and changes, over HTTP. The sample has the pool `main` (home, nas) and `all` (home, spare). */
import { test } from 'tap'
import { type TestAdmin, testAdmin } from '../support/admin.ts'

type As = (method: string, path: string, body?: unknown) => Promise<Response>

/** Makes a token and answers the way to ask with it. */
async function as(it: TestAdmin, name: string, role: string, pools?: readonly string[]): Promise<As> {
  const made = await it.send('POST', '/api/v1/tokens', { name, role, ...(pools && { pools }) })
  const { token } = (await made.json()) as { token: string }
  return (method, path, body) =>
    it.ask(`/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
}

async function names(response: Promise<Response>): Promise<string[]> {
  const { items } = (await (await response).json()) as { items: { name: string }[] }
  return items.map(({ name }) => name)
}

test('lists and the status are cut to the pools of the token', async t => {
  await using it = await testAdmin()
  const main = await as(it, 'main', 'viewer', ['main'])
  t.strictSame(await names(main('GET', '/gateway-pools')), ['main'])
  t.strictSame(await names(main('GET', '/gateways')), ['nas'])
  t.strictSame(await names(main('GET', '/routes')), ['app'])
  const status = (await (await main('GET', '/status')).json()) as { pools: unknown[]; routes: unknown[] }
  t.match([status.pools, status.routes], [[{ name: 'main' }], [{ name: 'app' }]])
  t.equal(status.pools.length + status.routes.length, 2)
  const both = await as(it, 'both', 'viewer', ['main', 'all'])
  t.strictSame(await names(both('GET', '/gateways')), ['home', 'nas', 'spare'])
  t.strictSame(await names(both('GET', '/routes')), ['app', 'pinned'])
  const none = await as(it, 'none', 'viewer', ['later'])
  t.strictSame(await names(none('GET', '/gateway-pools')), [])
})

test('an administrator of a pool builds in it what it needs, and nothing in the pools of others', async t => {
  await using it = await testAdmin()
  const team = await as(it, 'team', 'admin', ['team'])
  const cases: readonly [method: string, path: string, body: unknown, status: number][] = [
    ['POST', '/gateways', { name: 'ours', address: '127.0.0.1' }, 201],
    ['POST', '/gateway-pools', { name: 'theirs', members: ['ours'] }, 403],
    ['POST', '/gateway-pools', { name: 'team', members: ['nas'] }, 403],
    ['POST', '/gateway-pools', { name: 'team', members: ['ours'] }, 201],
    ['POST', '/gateway-pools/team/members', { gateway: 'spare' }, 403],
    ['POST', '/gateway-pools/all/members', { gateway: 'ours' }, 403],
    ['POST', '/routes', { name: 'r', match: { host: 'team.test' }, target: { pool: 'main' } }, 403],
    ['POST', '/routes', { name: 'r', match: { host: 'team.test' }, target: { respond: { status: 200 } } }, 403],
    ['POST', '/routes', { name: 'r', match: { host: 'team.test' }, target: { pool: 'team' } }, 201],
    ['PATCH', '/routes/r', { target: { gateway: 'home', pool: null } }, 403],
    ['PATCH', '/routes/r', { target: { gateway: 'ours', pool: null } }, 200],
    ['PATCH', '/routes/app', { target: { pool: 'team' } }, 403],
    ['PATCH', '/gateways/ours', { title: 'Ours' }, 200],
    ['PATCH', '/gateways/nas', { title: 'Ours' }, 403],
    ['PATCH', '/settings', { gateway_down_threshold: '1s' }, 403],
    ['DELETE', '/gateway-pools/all', undefined, 403],
    ['DELETE', '/routes/r', undefined, 204],
    ['DELETE', '/gateways/ours', undefined, 204],
    ['DELETE', '/gateway-pools/team', undefined, 204],
  ]
  for (const [method, path, body, status] of cases) {
    const { world } = it.state.snapshot
    const response = await team(method, path, body)
    t.equal(response.status, status, `${method} ${path} ${JSON.stringify(body)} ${await response.text()}`)
    t.equal(it.state.snapshot.world.definitions === world.definitions, status === 403, 'refused is unchanged')
  }
})

test('an operator of a pool holds its gateways and fails it over, and no other', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  const main = await as(it, 'main', 'operator', ['main'])
  const all = await as(it, 'all', 'operator', ['all'])
  t.equal((await main('POST', '/gateway-pools/main/failover', { to: 'nas' })).status, 200)
  t.equal((await all('DELETE', '/gateway-pools/main/failover')).status, 403)
  t.equal((await all('POST', '/gateways/nas/drain', {})).status, 403)
  t.equal((await main('POST', '/gateways/home/drain', {})).status, 403, 'it is in another pool too')
  t.equal((await main('POST', '/gateways/nas/drain', {})).status, 200)
})

test('events are told to a limited token by subject', async t => {
  await using it = await testAdmin()
  await it.beat('nas')
  await it.beat('home')
  const main = await as(it, 'main', 'viewer', ['main'])
  t.equal((await main('GET', '/events')).status, 403)
  t.equal((await main('GET', '/events?subject=home')).status, 403)
  t.equal((await main('GET', '/events/stream')).status, 403)
  t.equal((await main('GET', '/events/stream?subject=all')).status, 403)
  const told = await main('GET', '/events?subject=nas')
  t.match(await told.json(), { items: [{ kind: 'first_alive', subject: 'nas' }] })
})

test('the live stream of a token ends when the token is deleted', async t => {
  await using it = await testAdmin()
  const viewer = await as(it, 'viewer', 'viewer')
  const other = await as(it, 'other', 'viewer')
  const readers = await Promise.all(
    [viewer, other].map(async ask => (await ask('GET', '/events/stream')).body?.getReader()),
  )
  const [mine, theirs] = readers
  if (mine === undefined || theirs === undefined) throw new Error('no stream')
  for (const reader of readers) t.match(Buffer.from((await reader?.read())?.value ?? []).toString(), /^retry/)
  await it.ask('/api/v1/tokens/viewer', { method: 'DELETE' })
  await t.rejects(mine.read(), 'it is cut')
  await it.beat('nas')
  t.match(Buffer.from((await theirs.read()).value ?? []).toString(), 'first_alive', 'the other one goes on')
  await theirs.cancel()
})
