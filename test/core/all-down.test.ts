/** What a pool does when nobody of it is left: the plans that come of `on_all_down`. */
import { test } from 'tap'
import { buildSnapshot, viewAt } from '../../src/core/snapshot.ts'
import { define, down, drained, returning, up, worldOf } from '../support/world.ts'

const gateways = ['a', 'b', 'c', 'd'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const names = (choices: readonly { readonly gateway: string }[] = []) => choices.map(({ gateway }) => gateway)

test('a pool that fails open asks those that are down last, and never one that is held', t => {
  const definitions = define({
    gateways,
    pools: [{ name: 'p', members: ['a', 'b', 'c', 'd'], on_all_down: { action: 'fail_open' } }],
    routes: [{ name: 'pin', target: { gateway: 'b' } }],
  })
  const records = { a: down, b: returning(), c: down, d: up }
  const snapshot = buildSnapshot(worldOf(definitions, { records, holds: { d: [drained] } }), null, 'all')
  t.strictSame(names(snapshot.pools.p?.plan.emergency), ['b', 'a', 'c'])
  t.strictSame(names(snapshot.pinned['gateway:b']?.plan.emergency), ['b', 'a', 'c'])
  const silent = buildSnapshot(worldOf(definitions, { records: { a: down, b: down, c: down, d: down } }), null, 'all')
  t.match(silent.pools.p, { serving: { kind: 'nobody' }, health: 'red' }, 'nobody serves by that')
  t.strictSame(names(silent.pools.p?.plan.emergency), ['a', 'b', 'c', 'd'])
  t.end()
})

test('a pool that fails closed asks nobody who is down', t => {
  const definitions = define({ gateways, pools: [{ name: 'p', members: ['a', 'b'] }] })
  const snapshot = buildSnapshot(worldOf(definitions, { records: { a: down, b: down } }), null, 'all')
  t.match(snapshot.pools.p?.plan, { emergency: [], fallback: null, hold: 0 })
  t.end()
})

test('a fallback is the plan of another pool, on the same port', t => {
  const definitions = define({
    gateways,
    pools: [
      { name: 'p', members: ['a'], on_all_down: { action: 'fallback', pool: 'q' } },
      { name: 'q', members: ['b'], on_all_down: { action: 'fallback', pool: 'r' } },
      { name: 'r', members: ['c'] },
    ],
    routes: [
      { name: 'web', target: { pool: 'p' } },
      { name: 'pin', match: { path: '/pin' }, target: { gateway: 'a' } },
      { name: 'ssh', protocol: 'tcp', listen: '127.0.0.1:1022', gateway_port: 22, target: { pool: 'p' } },
    ],
  })
  const snapshot = buildSnapshot(worldOf(definitions, { records: { a: down, b: up, c: up } }), null, 'all')
  const chain = (key: string) => {
    const keys: string[] = []
    for (let next: string | null = key; next !== null; next = viewAt(snapshot, next)?.plan.fallback ?? null)
      keys.push(next)
    return keys
  }
  t.strictSame(chain('pool:p'), ['pool:p', 'pool:q', 'pool:r'])
  t.strictSame(chain('gateway:a'), ['gateway:a', 'pool:q', 'pool:r'])
  t.strictSame(chain('pool:p@22'), ['pool:p@22', 'pool:q@22', 'pool:r@22'])
  t.equal(viewAt(snapshot, 'pool:r@22')?.plan.choices[0]?.upstreams[0]?.port, 22)
  t.match(snapshot.pools.p?.serving, { kind: 'nobody' }, 'the pool itself is out all the same')
  t.end()
})
