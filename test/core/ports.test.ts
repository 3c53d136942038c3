import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import type { FailureReason, Snapshot } from '../../src/core/nouns.ts'
import { upstreamOf } from '../../src/core/passive.ts'
import { portOf, targetKey } from '../../src/core/plan.ts'
import { buildSnapshot, viewAt, viewOf } from '../../src/core/snapshot.ts'
import { define, down, drained, START, up, worldOf } from '../support/world.ts'

const gateway = (name: string) => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const })
const gateways = [gateway('a'), gateway('b')]
const records = { a: up, b: up }
const pools = [{ name: 'p', members: ['a', 'b'] }]
const rdp = {
  name: 'rdp',
  protocol: 'tcp',
  listen: '127.0.0.1:3389',
  gateway_port: 13389,
  target: { pool: 'p' },
} as const
const dns = { name: 'dns', protocol: 'udp', listen: '127.0.0.1:53', gateway_port: 53, target: { pool: 'p' } } as const
const dnsByTcp = { ...dns, name: 'dns-tcp', protocol: 'tcp' } as const
const web = { name: 'web', target: { pool: 'p' } } as const

const mixed = define({ gateways, pools, routes: [web, rdp, dns, dnsByTcp] })
const alone = define({ gateways, pools, routes: [rdp, dns] })
const fresh = (value = mixed) => begin(worldOf(value, { records }))

/** The snapshot after `times` such outcomes, and what they told. */
function after(
  snapshot: Snapshot,
  gateway: string,
  port: string,
  times: number,
  result: 'ok' | FailureReason = 'reset',
) {
  const kinds: string[] = []
  let now = snapshot
  for (let i = 0; i < times; i++) {
    const upstream = { key: `p/${gateway}/127.0.0.1:${port}`, pool: 'p', gateway }
    const step = advance(now, { kind: 'outcome', upstream, route: 'r', result, at: START })
    now = step?.snapshot ?? now
    kinds.push(...(step?.facts ?? []).map(({ kind }) => kind))
  }
  return { snapshot: now, kinds }
}

const first = (snapshot: Snapshot, target: string) => viewAt(snapshot, target)?.plan.choices[0]?.gateway

test('a route of another protocol asks for the plan on its port, and dials that port', t => {
  t.strictSame(mixed.routes.map(targetKey), ['pool:p', 'pool:p@13389', 'pool:p@53/udp', 'pool:p@53'])
  t.strictSame(mixed.routes.map(portOf), [null, '13389', '53/udp', '53'])
  const snapshot = fresh()
  const [http, tcp, udp, both] = mixed.routes.map(route => viewOf(snapshot, route)?.plan.choices[0]?.upstreams[0])
  t.match(http, { key: 'p/a/127.0.0.1:8080', port: 8080 })
  t.match(tcp, { key: 'p/a/127.0.0.1:13389', port: 13389 })
  t.match(udp, { key: 'p/a/127.0.0.1:53/udp', port: 53 })
  t.match(both, { key: 'p/a/127.0.0.1:53', port: 53 })
  t.end()
})

test('an upstream that is out on one port serves on the others', t => {
  const { snapshot, kinds } = after(fresh(), 'a', '13389', 3)
  t.strictSame(kinds, ['member_ejected'], 'HTTP goes on where it was: the pool has not moved')
  t.equal(first(snapshot, 'pool:p@13389'), 'b')
  for (const target of ['pool:p', 'pool:p@53', 'pool:p@53/udp']) t.equal(first(snapshot, target), 'a', target)
  t.match(snapshot.pools.p, { health: 'green', serving: { kind: 'first' } })
  t.end()
})

test('TCP and UDP on the same port are judged apart', t => {
  const { snapshot } = after(fresh(), 'a', '53/udp', 3)
  t.equal(first(snapshot, 'pool:p@53/udp'), 'b')
  t.equal(first(snapshot, 'pool:p@53'), 'a')
  t.end()
})

test('what the cluster agreed on holds for every port', t => {
  const keys = ['pool:p', 'pool:p@13389', 'pool:p@53', 'pool:p@53/udp']
  const dead = begin(worldOf(mixed, { records: { a: down, b: up } }))
  const held = begin(worldOf(mixed, { records, holds: { a: [drained] } }))
  for (const snapshot of [dead, held]) for (const key of keys) t.equal(first(snapshot, key), 'b', key)
  t.end()
})

test('a pool without HTTP routes is judged and told by the port of its first route', t => {
  const before = fresh(alone)
  t.equal(before.pools.p?.port, '13389')
  t.equal(before.pools.p, before.ports['p@13389'])
  const { snapshot, kinds } = after(before, 'a', '13389', 3)
  t.strictSame(kinds, ['member_ejected', 'pool_failover_activated'])
  t.match(snapshot.pools.p, { health: 'yellow', serving: { kind: 'failover', gateway: 'b' } })
  const last = after(snapshot, 'b', '13389', 3)
  t.strictSame(last.kinds, ['pool_outage_started'], 'the last one stays, and the pool is failing')
  t.equal(first(last.snapshot, 'pool:p@13389'), 'b')
  const elsewhere = after(after(before, 'a', '53/udp', 3).snapshot, 'b', '53/udp', 3)
  t.strictSame(elsewhere.kinds, [], 'on another port of it the last one stays, and the pool is judged as before')
  t.match(elsewhere.snapshot.pools.p, { health: 'green', failing: null })
  t.equal(first(elsewhere.snapshot, 'pool:p@53/udp'), 'b')
  t.end()
})

test('routes that are not enabled do not decide by what a pool is judged', t => {
  const off = define({ gateways, pools, routes: [{ ...web, enabled: false }, { ...dns, enabled: false }, rdp] })
  t.equal(fresh(off).pools.p?.port, '13389')
  t.equal(fresh(define({ gateways, pools, routes: [{ ...rdp, enabled: false }] })).pools.p?.port, null)
  t.end()
})

test('an HTTP request that outlives its route finds no plan, and no port of another protocol', t => {
  const snapshot = fresh(alone)
  t.equal(viewAt(snapshot, 'pool:p'), undefined)
  const pin = { name: 'pin', target: { gateway: 'a' } } as const
  const off = fresh(define({ gateways, pools, routes: [{ ...pin, enabled: false }, rdp] }))
  t.equal(off.pools.p?.port, '13389')
  t.match(viewAt(off, 'gateway:a')?.plan.choices, [{ upstreams: [{ port: 8080 }] }])
  t.end()
})

test('a pinned route moves to its siblings on its own port', t => {
  const pin = { ...rdp, name: 'pin', target: { gateway: 'a' } } as const
  const stays = { ...pin, name: 'stays', listen: '127.0.0.1:3390', failover: 'never' } as const
  const before = fresh(define({ gateways, pools, routes: [web, pin, stays] }))
  t.equal(first(before, 'gateway:a@13389'), 'a')
  const { snapshot } = after(before, 'a', '13389', 3)
  t.match(viewAt(snapshot, 'gateway:a@13389')?.plan.choices, [{ gateway: 'b', upstreams: [{ port: 13389 }] }])
  t.strictSame(viewAt(snapshot, 'only:a@13389')?.plan.choices, [])
  t.equal(first(snapshot, 'pool:p'), 'a')
  const inNone = fresh(define({ gateways, routes: [pin] }))
  t.match(viewAt(inNone, 'gateway:a@13389')?.plan.choices, [{ pool: '-', upstreams: [{ port: 13389 }] }])
  t.end()
})

test('where HTTP and another route share a port they share its record, and the last one of either stays', t => {
  const shared = define({
    gateways: [gateway('a'), { ...gateway('b'), http_port: 9000 }],
    pools,
    routes: [web, { ...rdp, gateway_port: 8080 }],
  })
  const { snapshot } = after(begin(worldOf(shared, { records })), 'a', '8080', 3)
  t.equal(first(snapshot, 'pool:p'), 'b')
  t.equal(first(snapshot, 'pool:p@8080'), 'b')
  const bOut = after(snapshot, 'b', '8080', 3)
  t.equal(first(bOut.snapshot, 'pool:p@8080'), 'b', 'nobody else is left on that port')
  t.end()
})

test('what is held against an upstream goes with the last route to its port', t => {
  const { snapshot } = after(fresh(), 'a', '13389', 1)
  const key = 'p/a/127.0.0.1:13389'
  t.ok(snapshot.world.sight.passive[key])
  t.match(upstreamOf(snapshot.world, key), { key, address: '127.0.0.1', port: 13389 })
  const loaded = (routes: Parameters<typeof define>[0]['routes']) =>
    advance(snapshot, { kind: 'loaded', definitions: define({ gateways, pools, routes }), changed: [], at: START })
  t.ok(loaded([web, { ...rdp, name: 'other' }])?.snapshot.world.sight.passive[key])
  const without = loaded([web])?.snapshot
  t.strictSame(without?.world.sight.passive, {})
  t.equal(without && upstreamOf(without.world, key), undefined)
  t.equal(upstreamOf(snapshot.world, 'q/a/127.0.0.1:13389'), undefined)
  t.equal(upstreamOf(snapshot.world, 'p/c/127.0.0.1:13389'), undefined)
  t.end()
})

test('a step rebuilds the ports of the pools that it names, and only those', t => {
  const two = define({
    gateways: [...gateways, gateway('c')],
    pools: [...pools, { name: 'q', members: ['c'] }],
    routes: [rdp, dns, { ...rdp, name: 'other', listen: '127.0.0.1:3391', target: { pool: 'q' } }],
  })
  const before = begin(worldOf(two, { records: { ...records, c: up } }))
  const { snapshot } = after(before, 'a', '13389', 3)
  t.not(snapshot.ports['p@13389'], before.ports['p@13389'])
  t.equal(snapshot.ports['q@13389'], before.ports['q@13389'])
  t.strictSame(snapshot, buildSnapshot(snapshot.world, null, 'all'))
  t.end()
})
