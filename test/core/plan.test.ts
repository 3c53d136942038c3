import { test } from 'tap'
import type { Definitions, GatewayRecord, Plan, Snapshot } from '../../src/core/nouns.ts'
import { homeOrder, isLoopback, targetKey } from '../../src/core/plan.ts'
import { buildSnapshot } from '../../src/core/snapshot.ts'
import { define, down, drained, type Known, returning, START, up, worldOf } from '../support/world.ts'

const names = ['a', 'b', 'c', 'd'] as const
const gateways = names.map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))

const built = (definitions: Definitions, known: Known): Snapshot =>
  buildSnapshot(worldOf(definitions, known), null, 'all')
const order = (plan: Plan | undefined) => ({
  choices: plan?.choices.map(({ gateway }) => gateway),
  emergency: plan?.emergency.map(({ gateway }) => gateway),
})

const failover = define({ gateways, pools: [{ name: 'p', members: ['a', 'b', 'c'] }] })
const serving = (records: Record<string, GatewayRecord>, more: Known = {}) => {
  const { serving, plan } = built(failover, { records, ...more }).pools.p ?? {}
  return { serving, ...order(plan) }
}

test('A → B → C, and back to whoever is first', t => {
  t.match(serving({ a: up, b: up, c: up }), { serving: { kind: 'first', gateway: 'a' }, choices: ['a', 'b', 'c'] })
  t.match(serving({ a: down, b: up, c: up }), {
    serving: { kind: 'failover', gateway: 'b', original: 'a', since: START },
    choices: ['b', 'c'],
    emergency: [],
  })
  t.match(serving({ a: down, b: down, c: up }), { serving: { kind: 'failover', gateway: 'c', original: 'a' } })
  t.match(serving({ a: down, b: up, c: up }).serving, { gateway: 'b' }, 'b is back while a stays down')
  t.strictSame(serving({ a: down, b: down, c: down }).serving, { kind: 'nobody' })
  t.end()
})

test('a returning first member waits, and the fail-over says when it is back', t => {
  const at = START + 1_000
  t.match(serving({ a: returning(at), b: up }), {
    serving: { kind: 'failover', gateway: 'b', original: 'a', since: START - 60_000, back_at: at + 60_000 },
    choices: ['b'],
    emergency: ['a', 'c'],
  })
  t.end()
})

test('emergency: the returning that is back first, then the ejected, then the never seen; never held, never down', t => {
  const members = ['a', 'b', 'c', 'd', 'e', 'f']
  const definitions = define({
    gateways: members.map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' })),
    pools: [{ name: 'p', members }],
  })
  const passive = {
    'p/c/127.0.0.1:8080': {
      kind: 'ejected' as const,
      since: START,
      until: START + 30_000,
      reason: 'reset' as const,
      history: { times: 1, forget_at: 0 },
    },
  }
  const records = { a: returning(START + 500), b: returning(START), c: up, e: down, f: up }
  const known: Known = { records, holds: { f: [drained] }, sight: { passive } }
  const { plan, serving } = built(definitions, known).pools.p ?? {}
  t.strictSame(order(plan), { choices: [], emergency: ['b', 'a', 'c', 'd'] })
  t.match(serving, { kind: 'emergency', gateway: 'b', original: 'a' })
  t.end()
})

test('emergency of equals goes by priority', t => {
  t.match(serving({ a: returning(), b: returning(), c: down }), {
    serving: { kind: 'emergency', gateway: 'a' },
    emergency: ['a', 'b'],
  })
  t.match(serving({}), { serving: { kind: 'emergency', gateway: 'a', original: 'a' }, emergency: ['a', 'b', 'c'] })
  t.end()
})

test('a disabled pool is served by nobody; a disabled gateway is no member to fall back from', t => {
  const pools = [{ name: 'p', enabled: false, members: ['a', 'b'] }]
  t.match(built(define({ gateways, pools }), { records: { a: up, b: up } }).pools.p, {
    serving: { kind: 'nobody' },
    plan: { choices: [], emergency: [] },
  })
  const without = gateways.map(one => ({ ...one, enabled: one.name !== 'a' }))
  const enabled = [{ name: 'p', members: ['a', 'b'] }]
  t.match(built(define({ gateways: without, pools: enabled }), { records: { a: up, b: up } }).pools.p, {
    serving: { kind: 'first', gateway: 'b' },
    text: '1/1 healthy',
  })
  t.end()
})

test('load balancing: everyone who is ready, the returning too, by the policy of the pool', t => {
  const definitions = define({
    gateways,
    pools: [
      { name: 'p', mode: 'load_balancing', lb_policy: 'least_conn', members: ['a', { gateway: 'b', weight: 3 }] },
    ],
  })
  const { plan, serving } = built(definitions, { records: { a: returning(), b: up } }).pools.p ?? {}
  t.match(plan, { policy: 'least_conn', pool: 'p', choices: [{ weight: 1 }, { weight: 3 }] })
  t.strictSame(serving, { kind: 'balanced', gateways: ['a', 'b'] })
  t.match(built(definitions, { records: { a: down } }).pools.p?.serving, { kind: 'emergency', gateway: 'b' })
  t.end()
})

test('the home pool: failover mode first, then the shortest cooldown, then the name; only enabled ones', t => {
  const pools = [
    { name: 'balanced', mode: 'load_balancing' as const, failback_cooldown: 1, members: ['a'] },
    { name: 'slow', failback_cooldown: '10m', members: ['a'] },
    { name: 'second', failback_cooldown: '1m', members: ['a'] },
    { name: 'first', failback_cooldown: '1m', members: ['a'] },
    { name: 'off', failback_cooldown: 0, enabled: false, members: ['a'] },
    { name: 'other', failback_cooldown: 0, members: ['b'] },
  ]
  const world = worldOf(define({ gateways, pools }))
  t.strictSame(
    homeOrder(world, 'a').map(({ name }) => name),
    ['first', 'second', 'slow', 'balanced'],
  )
  t.end()
})

const pinned = define({
  gateways,
  pools: [
    { name: 'near', failback_cooldown: '1m', members: ['b', 'a'] },
    { name: 'far', failback_cooldown: '5m', members: ['c', 'a', 'b'] },
    { name: 'wide', mode: 'load_balancing', failback_cooldown: 0, members: ['d', 'a'] },
  ],
  routes: [
    { name: 'moves', target: { gateway: 'a' }, match: { path: '/1' } },
    { name: 'stays', target: { gateway: 'a' }, match: { path: '/2' }, failover: 'never' },
    { name: 'local', target: { gateway: 'a' }, match: { path: '/3' }, backend: '127.0.0.1:80' },
    { name: 'forced', target: { gateway: 'a' }, match: { path: '/4' }, backend: 'localhost:80', failover: 'always' },
    { name: 'pooled', target: { pool: 'near' }, match: { path: '/5' }, failover: 'never' },
  ],
})
const plans = (records: Record<string, GatewayRecord>, known: Known = {}) => built(pinned, { records, ...known }).pinned

test('a route asks for the plan of its pool, of its gateway with its siblings, or of its gateway alone', t => {
  t.strictSame(
    pinned.routes.map(targetKey),
    ['gateway:a', 'only:a', 'only:a', 'gateway:a', 'pool:near'],
    'auto does not move a loopback backend, always does, never does not',
  )
  t.strictSame(Object.keys(plans({})).sort(), ['gateway:a', 'only:a'])
  t.end()
})

test('a pinned gateway serves while it is ready, though it is not the first of its home pool', t => {
  const { 'gateway:a': view } = plans({ a: up, b: up, c: up, d: up })
  t.match(view, { gateway: 'a', serving: { kind: 'first', gateway: 'a' }, plan: { pool: 'near', policy: 'ordered' } })
  t.strictSame(order(view?.plan), { choices: ['a', 'b', 'c', 'd'], emergency: [] })
  t.end()
})

test('then the first ready sibling by priority, pool after pool in home order; emergency only after all', t => {
  t.match(plans({ a: down, b: up, c: up, d: up })['gateway:a']?.serving, { kind: 'failover', gateway: 'b' })
  t.match(plans({ a: down, b: down, c: up, d: up })['gateway:a']?.serving, { kind: 'failover', gateway: 'c' })
  t.match(plans({ a: down, b: down, c: down, d: up })['gateway:a']?.serving, { kind: 'failover', gateway: 'd' })
  const { 'gateway:a': view } = plans({ a: returning(), b: returning(START - 1), c: down, d: up })
  t.strictSame(order(view?.plan), { choices: ['d'], emergency: ['b', 'a'] })
  t.match(plans({ a: down, b: down, c: down, d: down })['gateway:a']?.serving, { kind: 'nobody' })
  t.end()
})

test('its choices carry the pool whose settings and counters apply to each', t => {
  const { plan } = plans({ a: up, b: up, c: up, d: up })['gateway:a'] ?? {}
  t.strictSame(
    plan?.choices.map(({ pool, gateway, upstreams }) => [pool, gateway, upstreams[0]?.key]),
    [
      ['near', 'a', 'near/a/127.0.0.1:8080'],
      ['near', 'b', 'near/b/127.0.0.1:8080'],
      ['far', 'c', 'far/c/127.0.0.1:8080'],
      ['wide', 'd', 'wide/d/127.0.0.1:8080'],
    ],
  )
  t.end()
})

test('a route that must not move has its gateway alone, or nobody', t => {
  t.strictSame(order(plans({ a: up, b: up })['only:a']?.plan), { choices: ['a'], emergency: [] })
  t.strictSame(order(plans({ a: returning(), b: up })['only:a']?.plan), { choices: [], emergency: ['a'] })
  t.match(plans({ a: down, b: up })['only:a'], { serving: { kind: 'nobody' }, plan: { choices: [], emergency: [] } })
  t.match(plans({ a: up, b: up }, { holds: { a: [drained] } })['only:a']?.serving, { kind: 'nobody' })
  t.end()
})

test('a pinned gateway that is in no pool has no cooldown, no siblings and the default settings', t => {
  const alone = define({ gateways, routes: [{ name: 'r', target: { gateway: 'a' } }] })
  const view = (record: GatewayRecord) => built(alone, { records: { a: record } }).pinned['gateway:a']
  t.match(view(up), {
    serving: { kind: 'first', gateway: 'a' },
    plan: { pool: null, choices: [{ pool: '-', upstreams: [{ key: '-/a/127.0.0.1:8080' }] }] },
  })
  t.match(view(returning(START, 0)), { serving: { kind: 'first' } })
  t.match(view(down), { serving: { kind: 'nobody' } })
  t.end()
})

test('the earliest return is known where there is one', t => {
  const world = (records: Record<string, GatewayRecord>, known: Known = {}) =>
    built(failover, { records, ...known }).pools.p?.plan.back_at
  t.equal(world({ a: down, b: down, c: down }), null)
  t.equal(world({ a: returning(START + 5), b: returning(START + 1), c: down }), START + 60_001)
  t.equal(world({ a: down }, { holds: { b: [{ ...drained, until: START + 10 }] } }), START + 10)
  t.end()
})

test('loopback backends are known in every form', t => {
  for (const backend of [
    '127.0.0.1:80',
    '127.9.9.9:1',
    'localhost:80',
    'x.localhost:80',
    '[::1]:80',
    '[::ffff:127.0.0.1]:80',
  ])
    t.ok(isLoopback(backend), backend)
  for (const backend of [undefined, '192.168.1.5:5001', '128.0.0.1:80', 'localhost.example.com:80', '[::2]:80'])
    t.notOk(isLoopback(backend), String(backend))
  t.end()
})
