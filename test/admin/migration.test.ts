import { test } from 'tap'
import { SAMPLE, testAdmin } from '../support/admin.ts'

const json = async (response: Response) => (await response.json()) as Record<string, unknown>
const MIGRATE = '/api/v1/gateway-pools/main/migrate-routes'

const config = `${SAMPLE}
  - { name: local, match: { host: local.example.com }, target: { gateway: nas }, backend: "127.0.0.1:5000" }
  - { name: lan, match: { host: lan.example.com }, target: { gateway: nas }, backend: "192.168.1.5:5001" }
  - { name: far, match: { host: far.example.com }, target: { gateway: spare } }
`

test('candidates: the pinned routes of each gateway, those with a loopback backend marked', async t => {
  await using it = await testAdmin({}, config)
  t.strictSame(await json(await it.ask('/api/v1/gateway-pools/migration-candidates?limit=2')), {
    items: [
      {
        gateway: 'home',
        pools: ['main', 'all'],
        routes: [{ name: 'pinned', backend: null, loopback: false, link: '/api/v1/routes/pinned' }],
      },
      {
        gateway: 'nas',
        pools: ['main'],
        routes: [
          { name: 'lan', backend: '192.168.1.5:5001', loopback: false, link: '/api/v1/routes/lan' },
          { name: 'local', backend: '127.0.0.1:5000', loopback: true, link: '/api/v1/routes/local' },
        ],
      },
    ],
    next: 'nas',
  })
})

test('migration: all or none', async t => {
  await using it = await testAdmin({}, config)
  const before = it.state.snapshot.world.definitions
  const refused = async (body: object) => json(await it.send('POST', MIGRATE, body))
  t.match(await refused({ routes: ['pinned', 'none'] }), { code: 'unknown_reference', routes: ['none'] })
  t.match(await refused({ routes: ['pinned', 'app', 'far'] }), { code: 'not_migratable', routes: ['app', 'far'] })
  t.match(await refused({ routes: ['pinned', 'local'] }), { code: 'loopback_backend', routes: ['local'] })
  t.match(await refused({ routes: [] }), { code: 'bad_request' })
  t.equal(it.state.snapshot.world.definitions, before)

  t.match(await refused({ routes: ['pinned', 'lan'] }), {
    revision: before.revision + 1,
    routes: [
      { name: 'lan', target: 'pool:main' },
      { name: 'pinned', target: 'pool:main' },
    ],
  })
  t.match(await refused({ routes: ['local'], allow_loopback: true }), { routes: [{ target: 'pool:main' }] })
  const { items } = (await json(await it.ask('/api/v1/audit'))) as { items: object[] }
  t.match(items.at(-1), { action: 'migrate_routes', subject: 'route:local' })
})

test('a pool may be called as a path is', async t => {
  await using it = await testAdmin()
  const name = 'migration-candidates'
  t.equal((await it.send('POST', '/api/v1/gateway-pools', { name, members: ['home'] })).status, 201)
  t.equal((await it.send('PATCH', `/api/v1/gateway-pools/${name}`, { title: 'It' })).status, 200)
  t.equal((await it.ask(`/api/v1/gateway-pools/${name}`, { method: 'DELETE' })).status, 204)
})
