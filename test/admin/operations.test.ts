import { test } from 'tap'
import { SAMPLE, testAdmin } from '../support/admin.ts'

const json = async (response: Response) => (await response.json()) as Record<string, unknown>

test('resources: the routes that the list of pools counts, and what falls back to it', async t => {
  await using it = await testAdmin()
  const main = await json(await it.ask('/api/v1/gateway-pools/main/resources'))
  t.strictSame(main, {
    routes: [
      { name: 'pinned', via: 'gateway', gateway: 'home', link: '/api/v1/routes/pinned' },
      { name: 'app', via: 'pool', gateway: null, link: '/api/v1/routes/app' },
    ],
    fallback_of: [],
  })
  const { items } = (await json(await it.ask('/api/v1/gateway-pools'))) as { items: { name: string; routes: number }[] }
  for (const { name, routes } of items) {
    const of = (await json(await it.ask(`/api/v1/gateway-pools/${name}/resources`))) as { routes: { link: string }[] }
    t.equal(of.routes.length, routes, `${name} has as many as it counts`)
    for (const { link } of of.routes) t.equal((await it.ask(link)).status, 200)
  }
  t.equal((await it.ask('/api/v1/gateway-pools/none/resources')).status, 404)
})

test('resources: a pool that falls back to it', async t => {
  await using it = await testAdmin()
  const { world } = it.state.snapshot
  const pools = world.definitions.value.pools.map(pool =>
    pool.name === 'all' ? { ...pool, on_all_down: { action: 'fallback' as const, pool: 'main' } } : pool,
  )
  const definitions = { ...world.definitions.value, pools }
  it.state.apply({ kind: 'loaded', definitions, changed: ['pool:all'], at: it.clock.now() })
  const { fallback_of } = await json(await it.ask('/api/v1/gateway-pools/main/resources'))
  t.strictSame(fallback_of, [{ name: 'all', link: '/api/v1/gateway-pools/all' }])
})

test('presets are those that definitions take', async t => {
  await using it = await testAdmin()
  const { failback_cooldown, gateway_down_threshold } = await json(await it.ask('/api/v1/presets'))
  t.match(failback_cooldown, [
    { name: 'container', cooldown: '1m', seconds: 60 },
    { name: 'vm', cooldown: '3m', seconds: 180 },
    { name: 'hypervisor', seconds: 600 },
    { name: 'nas', seconds: 900 },
    { name: 'windows', seconds: 1_800 },
    { name: 'conservative', cooldown: '1h', seconds: 3_600 },
  ])
  t.match(gateway_down_threshold, [{ threshold: '30s', seconds: 30 }])
})

test('pick: the first that is ready, a preferred one, the least bad, and nobody', async t => {
  await using it = await testAdmin()
  const pick = async (body: object, pool = 'main') => it.send('POST', `/api/v1/gateway-pools/${pool}/pick`, body)
  await it.beat('home')
  await it.beat('nas')
  t.strictSame(await json(await pick({})), {
    pool: 'main',
    gateway: 'home',
    address: '127.0.0.1',
    port: 9101,
    ready: true,
  })
  t.match(await json(await pick({ gateway: 'nas' })), { gateway: 'nas', port: 9102 })
  t.match(await json(await pick({ gateway: 'spare' })), { code: 'unknown_reference' })
  t.match(await json(await pick({ address: 'nowhere' })), { code: 'bad_request' })
  await it.pass(100_000, ['home'])
  t.match(await json(await pick({ gateway: 'nas' })), { gateway: 'home' }, 'its sibling')
  await it.pass(100_000)
  const nobody = await pick({})
  t.equal(nobody.status, 503)
  t.equal(nobody.headers.get('retry-after'), '10', 'the time between two beats')
  t.match(await json(nobody), { code: 'pool_outage', retry: true, retry_after: 10 })
  await it.beat('nas')
  t.match(await json(await pick({})), { gateway: 'nas', ready: false }, 'returning, and nobody else is left')
})

test('pick: turns in a balanced pool, and always the same for the same client by ip_hash', async t => {
  await using it = await testAdmin({}, SAMPLE.replace('members: [home, spare]', 'members: [home, nas, spare]'))
  await it.beat('home')
  await it.beat('nas')
  const pick = async (body: object) =>
    String((await json(await it.send('POST', '/api/v1/gateway-pools/all/pick', body))).gateway)
  const turns = [await pick({}), await pick({}), await pick({})]
  t.strictSame(turns.toSorted(), ['home', 'nas', 'spare'])
  await using hashed = await testAdmin(
    {},
    SAMPLE.replace('mode: load_balancing', 'mode: load_balancing, lb_policy: ip_hash'),
  )
  await hashed.beat('home')
  const who = async (address: string) =>
    String((await json(await hashed.send('POST', '/api/v1/gateway-pools/all/pick', { address }))).gateway)
  const clients = Array.from({ length: 20 }, (_, i) => `203.0.113.${i}`)
  const first = await Promise.all(clients.map(who))
  t.strictSame(await Promise.all(clients.map(who)), first)
  t.equal(new Set(first).size, 2, 'both have clients')
})

test('pick: least_conn looks at what traffic has in flight', async t => {
  const sample = SAMPLE.replace('mode: load_balancing', 'mode: load_balancing, lb_policy: least_conn')
  await using it = await testAdmin({ inFlight: (_, gateway) => (gateway === 'home' ? 5 : 1) }, sample)
  await it.beat('home')
  const response = await it.send('POST', '/api/v1/gateway-pools/all/pick', {})
  t.match(await json(response), { gateway: 'spare', address: '::1' })
})

test('simulate: where everything would go, and nothing changes', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  const before = it.state.snapshot
  const simulate = (body: object) => it.send('POST', '/api/v1/simulate', body)
  t.match(await json(await simulate({ down: ['home'], held: ['spare'] })), {
    pools: [
      { name: 'all', serving: [], serving_as: 'nobody', was: ['home', 'spare'], moved: true },
      { name: 'main', serving: ['nas'], serving_as: 'failover', original: 'home', was: ['home'], moved: true },
    ],
    routes: [
      { name: 'app', serving: ['nas'], was: ['home'], moved: true },
      { name: 'pinned', serving: ['nas'], was: ['home'], moved: true },
    ],
  })
  t.match(await json(await simulate({ down: ['spare'] })), {
    pools: [
      { name: 'all', serving: ['home'], moved: true },
      { name: 'main', moved: false },
    ],
  })
  t.match(await json(await simulate({ down: ['home', 'x'], held: ['y'] })), {
    code: 'unknown_reference',
    unknown: ['x', 'y'],
  })
  t.equal(it.state.snapshot, before)
})
