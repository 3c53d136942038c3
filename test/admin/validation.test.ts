import { test } from 'tap'
import { testAdmin } from '../support/admin.ts'

const json = async (response: Response) => (await response.json()) as Record<string, unknown>
const wiki = { name: 'wiki', match: { host: 'wiki.example.com' }, target: { pool: 'main' } }

test('a route is tried out up to a connection through a healthy member', async t => {
  const dead = new Set<number>()
  await using it = await testAdmin({ connects: async ({ port }) => !dead.has(port) })
  const validate = async (route: object) => json(await it.send('POST', '/api/v1/routes/validate', route))
  const before = it.state.snapshot.world.definitions
  t.match(await validate(wiki), {
    valid: false,
    problems: [{ at: 'body.target', code: 'route_unreachable', message: 'nobody who would serve it is ready' }],
    connected: null,
  })
  await it.beat('home')
  await it.beat('nas')
  t.match(await validate(wiki), {
    valid: true,
    problems: [],
    connected: { gateway: 'home', address: '127.0.0.1', port: 9101 },
  })
  dead.add(9101)
  t.match(await validate(wiki), { valid: true, connected: { gateway: 'nas', port: 9102 } }, 'the next one in order')
  dead.add(9102)
  t.match(await validate(wiki), {
    valid: false,
    problems: [{ message: /^no connection to home at 127\.0\.0\.1 port 9101/ }],
  })
  t.match(await validate({ ...wiki, target: { redirect: { to: 'https://example.com/' } } }), {
    valid: true,
    connected: null,
  })
  t.match(await validate({ ...wiki, target: { pool: 'none' } }), {
    valid: false,
    problems: [{ at: 'body.target.pool', code: 'unknown_reference' }],
  })
  t.match(await validate({ ...wiki, match: { host: 'nas.example.com' } }), {
    valid: false,
    problems: [{ code: 'equal_routes' }],
  })
  t.match(
    await validate({ ...wiki, name: 'pinned', match: { host: 'nas.example.com' }, target: { gateway: 'spare' } }),
    {
      valid: true,
      connected: { gateway: 'spare', port: 9103 },
    },
  )
  t.equal(it.state.snapshot.world.definitions, before, 'and nothing changes')
})

test('?validate=true: what cannot be reached is not saved', async t => {
  let alive = false
  await using it = await testAdmin({ connects: async () => alive })
  await it.beat('home')
  const before = it.state.snapshot.world.definitions
  const ask = (method: string, path: string, body: object) =>
    it.send(method, `/api/v1/routes${path}?validate=true`, body)
  const calls = [
    ['POST', '', wiki],
    ['PUT', '/pinned', { target: { pool: 'main' } }],
    ['PATCH', '/pinned', { title: 'Pinned' }],
  ] as const
  for (const [method, path, body] of calls) {
    const response = await ask(method, path, body)
    t.equal(response.status, 409, method)
    t.match(await json(response), { code: 'route_unreachable' })
  }
  t.equal(it.state.snapshot.world.definitions, before)
  t.match(await json(await ask('POST', '', { ...wiki, target: { pool: 'none' } })), { code: 'unknown_reference' })
  t.match(await json(await ask('PUT', '/none', { target: { pool: 'main' } })), { code: 'not_found' })
  alive = true
  for (const [method, path, body] of calls) t.ok((await ask(method, path, body)).ok, method)
})

test('a route may be called as a path is', async t => {
  await using it = await testAdmin()
  t.equal((await it.send('POST', '/api/v1/routes', { ...wiki, name: 'validate' })).status, 201)
  t.equal((await it.ask('/api/v1/routes/validate')).status, 200)
  t.equal((await it.ask('/api/v1/routes/validate', { method: 'DELETE' })).status, 204)
})
