import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import type { Event } from '../../src/core/events.ts'
import type { Definitions, FailureReason, GatewayRecord, Snapshot } from '../../src/core/nouns.ts'
import { passiveAgenda, put, targetOf } from '../../src/core/passive.ts'
import { define, down, drained, type Known, livenessOf, returning, START, up, worldOf } from '../support/world.ts'

const names = ['a', 'b', 'c', 'd']
const gateways = names.map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const failover = define({ gateways, pools: [{ name: 'p', members: ['a', 'b'] }] })
const balanced = define({ gateways, pools: [{ name: 'p', mode: 'load_balancing', members: names }] })
const records = { a: up, b: up, c: up, d: up }

const keyOf = (gateway: string) => `p/${gateway}/127.0.0.1:8080`
const target = (gateway: string, key = keyOf(gateway)) => ({ key, pool: 'p', gateway })

/** A replica whose upstreams answer, fail and are tried; the moment is in ms after the start. */
function replica(definitions: Definitions, known: Known = { records }) {
  let snapshot: Snapshot = begin(worldOf(definitions, known))
  const apply = (event: Event) => {
    const step = advance(snapshot, event)
    snapshot = step?.snapshot ?? snapshot
    return step?.facts ?? []
  }
  const outcome = (gateway: string, result: 'ok' | FailureReason, at: number, key?: string, route = 'r') =>
    apply({ kind: 'outcome', upstream: target(gateway, key), route, result, at: START + at })
  return {
    apply,
    ok: (gateway: string, at: number, key?: string) => outcome(gateway, 'ok', at, key),
    fail: (gateway: string, at: number, times = 3, key?: string) => {
      for (let i = 0; i < times; i++) outcome(gateway, 'reset', at, key)
    },
    status: (gateway: string, at: number, route: string) => outcome(gateway, 'status', at, undefined, route),
    trial: (gateway: string, ok: boolean, at: number) =>
      apply({ kind: 'trial', upstream: target(gateway), ok, at: START + at }),
    tick: (at: number) => apply({ kind: 'tick', at: START + at }),
    agenda: (at: number) => {
      const { trials, next } = passiveAgenda(snapshot, START + at)
      return { trials, next: next - START }
    },
    get states() {
      return snapshot.pools.p?.members.map(({ gateway, state }) => `${gateway} ${state}`).join(', ')
    },
    get pool() {
      return snapshot.pools.p
    },
    get snapshot() {
      return snapshot
    },
  }
}

test('three failures in a row eject, told once with pool, upstream and reason', t => {
  const it = replica(failover)
  it.fail('a', 0, 2)
  t.equal(it.states, 'a up, b up')
  const facts = it.apply({ kind: 'outcome', upstream: target('a'), route: 'r', result: 'connect_refused', at: START })
  t.match(facts, [
    { kind: 'member_ejected', subject: 'a', pool: 'p', upstream: keyOf('a'), cause: 'connect_refused', at: START },
    { kind: 'pool_failover_activated' },
  ])
  t.equal(it.states, 'a ejected, b up')
  t.strictSame(it.apply({ kind: 'outcome', upstream: target('a'), route: 'r', result: 'reset', at: START }), [])
  t.end()
})

test('failover: a passed trial starts the cooldown, and the first serves again at its end', t => {
  const it = replica(failover)
  it.fail('a', 0)
  t.strictSame(it.agenda(29_999), { trials: [], next: 30_000 })
  t.strictSame(it.agenda(30_000).trials, [keyOf('a')])
  t.strictSame(it.trial('a', true, 30_000), [])
  t.equal(it.states, 'a returning, b up')
  t.equal(it.pool?.plan.choices[0]?.gateway, 'b')
  t.strictSame(it.agenda(30_000), { trials: [], next: 40_000 })
  for (const at of [40_000, 50_000, 60_000, 70_000, 80_000]) it.trial('a', true, at)
  t.strictSame(it.tick(89_999), [])
  t.strictSame(
    it.tick(90_000).map(({ kind }) => kind),
    ['member_returned', 'pool_failover_restored'],
  )
  t.end()
})

test('a failed trial while it cools starts everything anew; the view shows when it may be back', t => {
  const it = replica(failover)
  it.fail('a', 0)
  t.equal(it.pool?.members[0]?.back_at, START + 90_000)
  it.trial('a', false, 30_000)
  t.equal(
    it.pool?.members[0]?.back_at,
    START + 30_000 + 60_000 + 60_000,
    'the second ejection in a row is twice as long',
  )
  it.trial('a', true, 90_000)
  t.equal(it.pool?.members[0]?.back_at, START + 150_000)
  it.trial('a', false, 100_000)
  t.match(it.pool?.members[0], { state: 'ejected', cause: 'trial', back_at: START + 100_000 + 90_000 + 60_000 })
  t.end()
})

test('load balancing: a passed trial brings it back at once', t => {
  const it = replica(balanced)
  it.fail('a', 0)
  t.strictSame(
    it.pool?.plan.choices.map(({ gateway }) => gateway),
    ['b', 'c', 'd'],
  )
  t.match(it.trial('a', true, 30_000), [{ kind: 'member_returned', subject: 'a', cause: 'reset' }])
  t.equal(it.pool?.plan.choices.length, 4)
  t.end()
})

test('load balancing: at most max_ejected of the members, rounded up, are out at once', t => {
  const it = replica(balanced)
  for (const name of ['a', 'b', 'c']) it.fail(name, 0)
  t.equal(it.states, 'a ejected, b ejected, c up, d up')
  t.equal(it.pool?.failing, null, 'others are ready: the pool is not failing')
  const third = define({
    gateways,
    pools: [{ name: 'p', mode: 'load_balancing', members: ['a', 'b', 'c'], passive: { max_ejected: '34%' } }],
  })
  const rounded = replica(third)
  for (const name of ['a', 'b', 'c']) rounded.fail(name, 0)
  t.equal(rounded.states, 'a ejected, b ejected, c up')
  t.end()
})

test('the last member that could serve stays, and the pool is failing', t => {
  for (const mode of ['failover', 'load_balancing'] as const) {
    const definitions = define({ gateways, pools: [{ name: 'p', mode, members: names }] })
    for (const others of [{ b: down, c: down }, {}]) {
      const it = replica(definitions, { records: { a: up, ...others }, holds: { d: [drained] } })
      it.fail('a', 0, 7)
      t.equal(it.pool?.members[0]?.state, 'up', `${mode}, beside down, held and unknown ones`)
      t.match(it.pool, { health: 'red', text: '1/4 healthy', plan: { choices: [{ gateway: 'a' }] } })
    }
  }
  t.end()
})

test('a returning member could serve, so that the last ready one may go', t => {
  const it = replica(failover, { records: { a: returning(), b: up } })
  it.fail('b', 0)
  t.equal(it.states, 'a returning, b ejected')
  t.match(it.pool?.serving, { kind: 'emergency', gateway: 'a' })
  t.end()
})

test('while nobody else could serve, one that is cooling is not ejected either; its cooldown starts anew', t => {
  const it = replica(failover)
  it.fail('a', 0)
  it.trial('a', true, 30_000)
  it.fail('b', 30_000)
  t.equal(it.states, 'a returning, b ejected')
  it.fail('a', 31_000, 1)
  t.equal(it.states, 'a returning, b ejected')
  t.equal(it.pool?.members[0]?.back_at, START + 91_000)
  t.match(it.pool?.failing, { upstream: keyOf('a') })
  it.trial('a', false, 41_000)
  t.equal(it.states, 'a returning, b ejected')
  t.equal(it.pool?.members[0]?.back_at, START + 101_000)
  t.end()
})

test('a failing member that may be ejected after all takes the failing with it', t => {
  const it = replica(failover)
  it.fail('a', 0)
  it.trial('a', true, 30_000)
  it.fail('b', 30_000)
  it.fail('a', 31_000, 1)
  t.match(it.pool?.failing, { upstream: keyOf('a') })
  it.trial('b', true, 60_000)
  it.fail('a', 60_000, 1)
  t.equal(it.states, 'a ejected, b returning')
  t.equal(it.pool?.failing, null)
  t.end()
})

test('a failing pool recovers after 10 s in which its member answered and did not reach max_fails again', t => {
  const it = replica(failover, { records: { a: up, b: down } })
  it.fail('a', 0)
  t.equal(it.agenda(0).next, 30_001, 'silence is no answer: nothing to wait for but the failures to grow old')
  it.ok('a', 1_000)
  t.equal(it.agenda(1_000).next, 10_000)
  it.fail('a', 9_000)
  t.strictSame(it.tick(10_000), [])
  it.ok('a', 12_000)
  t.strictSame(it.tick(18_999), [])
  t.match(it.tick(19_000), [{ kind: 'pool_outage_resolved' }])
  t.equal(it.pool?.failing, null)
  t.end()
})

test('an upstream is ejected alone while its member has another; the last one only if another member could serve', t => {
  const definitions = define({
    gateways: [{ name: 'a', address: 'a.lan' }, ...gateways.slice(1)],
    pools: [{ name: 'p', members: ['a', 'b'] }],
  })
  const key = (last: number) => `p/a/10.0.0.${last}:8080`
  const sight = { addresses: { 'a.lan': ['10.0.0.1', '10.0.0.2'] } }
  const it = replica(definitions, { records: { b: down }, sight })
  it.fail('a', 0, 3, key(1))
  t.match(it.pool?.members[0], { state: 'up', upstreams: [{ address: '10.0.0.2' }] })
  it.fail('a', 0, 3, key(2))
  t.match(it.pool, {
    failing: { upstream: key(2) },
    members: [{ state: 'up', upstreams: [{ address: '10.0.0.2' }] }, {}],
  })
  it.apply({ kind: 'trial', upstream: target('a', key(1)), ok: true, at: START + 30_000 })
  it.fail('a', 30_000, 3, key(2))
  t.equal(it.pool?.members[0]?.state, 'up', 'one that is cooling does not serve yet')
  const beside = replica(definitions, { records: { b: up }, sight })
  beside.fail('a', 0, 3, key(1))
  beside.fail('a', 0, 3, key(2))
  t.equal(beside.states, 'a ejected, b up')
  t.end()
})

test('statuses are counted per route', t => {
  const it = replica(failover)
  for (const route of ['x', 'y', 'x', 'y']) it.status('a', 0, route)
  t.equal(it.states, 'a up, b up')
  it.status('a', 0, 'y')
  t.equal(it.states, 'a ejected, b up')
  t.end()
})

test('two pools judge the same gateway on their own', t => {
  const pools = ['p', 'q'].map(name => ({ name, members: ['a', 'b'] }))
  const it = replica(define({ gateways, pools }))
  it.fail('a', 0)
  t.match(it.snapshot.pools, { p: { members: [{ state: 'ejected' }, {}] }, q: { members: [{ state: 'up' }, {}] } })
  t.end()
})

test('an outcome that changes nothing is null', t => {
  const it = replica(failover)
  const event = { kind: 'outcome', upstream: target('a'), route: 'r', result: 'ok', at: START } as const
  t.equal(advance(it.snapshot, event), null)
  it.fail('b', 0, 1)
  t.equal(advance(it.snapshot, event), null, 'also while another upstream has a record')
  const stranger = { key: 'x/a/1.1.1.1:1', pool: 'x', gateway: 'a' }
  t.equal(advance(it.snapshot, { ...event, upstream: stranger, result: 'reset' }), null, 'an unknown pool')
  t.equal(advance(it.snapshot, { kind: 'tick', at: START }), null)
  t.equal(advance(it.snapshot, { kind: 'trial', upstream: target('a'), ok: false, at: START }), null)
  t.end()
})

test('a failure that is only counted leaves the view of the pool as it is', t => {
  const it = replica(failover)
  const before = it.pool
  it.fail('a', 0, 2)
  t.equal(it.pool, before)
  t.equal(it.agenda(0).next, 30_001)
  it.tick(30_001)
  t.strictSame(it.snapshot.world.sight.passive, {})
  t.equal(it.pool, before)
  t.end()
})

test('keys name their pool and gateway, and records are put without copying in vain', t => {
  t.match(targetOf('p/home/[::1]:80'), { key: 'p/home/[::1]:80', pool: 'p', gateway: 'home' })
  const record = { a: 1 }
  t.equal(put(record, 'a', 1), record)
  t.equal(put(record, 'constructor', undefined), record)
  t.strictSame(put(record, 'a', undefined), {})
  t.strictSame(put(record, 'b', 2), { a: 1, b: 2 })
  t.end()
})

test('a gateway that goes down takes its ejection with it: on its return only the cooldown counts', t => {
  const it = replica(failover)
  it.fail('a', 0)
  t.match(it.pool, { members: [{ gateway: 'a', state: 'ejected' }, {}] })
  const commit = (record: GatewayRecord, revision: number) =>
    it.apply({
      kind: 'committed',
      documents: { liveness: { revision, value: livenessOf({ ...records, a: record }) } },
      facts: [],
      at: START + revision,
    })
  commit(down, 2)
  t.strictSame(it.snapshot.world.sight.passive, {})
  commit(returning(START + 3), 3)
  t.match(it.pool, { members: [{ gateway: 'a', state: 'returning', back_at: START + 3 + 60_000 }, {}] })
  commit(up, 4)
  t.match(it.pool, { serving: { kind: 'first', gateway: 'a' } })
  t.end()
})
