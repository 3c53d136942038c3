import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import type { Event } from '../../src/core/events.ts'
import type { Definitions, GatewayRecord, Snapshot } from '../../src/core/nouns.ts'
import { passiveAgenda } from '../../src/core/passive.ts'
import { define, down, drained, type Known, livenessOf, returning, START, up, worldOf } from '../support/world.ts'

const SECOND = 1_000
const gateways = ['a', 'b'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const balanced = { name: 'p', mode: 'load_balancing' as const, members: [{ gateway: 'a', weight: 4 }, 'b'] }

function replica(definitions: Definitions, known: Known) {
  let snapshot: Snapshot = begin(worldOf(definitions, known))
  const apply = (event: Event) => {
    snapshot = advance(snapshot, event)?.snapshot ?? snapshot
  }
  return {
    apply,
    become: (records: Record<string, GatewayRecord>, at: number) =>
      apply({ kind: 'committed', documents: { liveness: { revision: 2, value: livenessOf(records) } }, facts: [], at }),
    tick: (at: number) => apply({ kind: 'tick', at }),
    next: (at: number) => passiveAgenda(snapshot, at).next - START,
    weights: () => snapshot.pools.p?.plan.choices.map(({ gateway, weight }) => `${gateway} ${weight}`),
    ramps: () => Object.keys(snapshot.world.sight.ramps),
  }
}

test('a member that comes back gets its share back in ten steps', t => {
  const it = replica(define({ gateways, pools: [balanced] }), { records: { a: down, b: up } })
  t.strictSame(it.weights(), ['b 1'])
  it.become({ a: returning(START), b: up }, START)
  t.strictSame(it.weights(), ['a 0.4', 'b 1'])
  t.equal(it.next(START), SECOND)
  it.tick(START + SECOND - 1)
  t.strictSame(it.weights(), ['a 0.4', 'b 1'])
  it.tick(START + SECOND)
  t.strictSame(it.weights(), ['a 0.8', 'b 1'])
  it.tick(START + 5 * SECOND)
  t.strictSame(it.weights(), ['a 2.4', 'b 1'], 'also after steps that were missed')
  it.tick(START + 9 * SECOND)
  t.strictSame(it.weights(), ['a 4', 'b 1'])
  t.strictSame(it.ramps(), [])
  t.equal(it.next(START), Number.POSITIVE_INFINITY)
  t.end()
})

test('it goes on where it was when the cooldown ends, and begins anew when the member went again', t => {
  const it = replica(define({ gateways, pools: [{ ...balanced, failback_cooldown: '2s' }] }), {
    records: { a: down, b: up },
  })
  it.become({ a: returning(START), b: up }, START)
  it.tick(START + 2 * SECOND)
  it.become({ a: up, b: up }, START + 2 * SECOND)
  t.strictSame(it.weights(), ['a 1.2', 'b 1'])
  it.become({ a: down, b: up }, START + 3 * SECOND)
  t.strictSame(it.ramps(), [])
  it.become({ a: returning(START), b: up }, START + 4 * SECOND)
  t.strictSame(it.weights(), ['a 0.4', 'b 1'])
  t.end()
})

test('one that passed its trial starts slowly too', t => {
  const key = 'p/a/127.0.0.1:8080'
  const it = replica(define({ gateways, pools: [balanced] }), { records: { a: up, b: up } })
  const upstream = { key, pool: 'p', gateway: 'a' }
  for (let n = 0; n < 3; n++) it.apply({ kind: 'outcome', upstream, route: 'r', result: 'reset', at: START })
  t.strictSame(it.weights(), ['b 1'])
  it.apply({ kind: 'trial', upstream, ok: true, at: START + 30 * SECOND })
  t.strictSame(it.weights(), ['a 0.4', 'b 1'])
  t.end()
})

for (const [what, pool] of Object.entries({
  'with ip_hash': { ...balanced, lb_policy: 'ip_hash' as const },
  'where it is switched off': { ...balanced, slow_start: 0 },
})) {
  test(`nobody starts slowly ${what}`, t => {
    const it = replica(define({ gateways, pools: [pool] }), { records: { a: down, b: up } })
    it.become({ a: returning(START), b: up }, START)
    t.strictSame(it.weights(), ['a 4', 'b 1'])
    t.end()
  })
}

test('whoever is seen for the first time, or released, has its whole share', t => {
  const it = replica(define({ gateways, pools: [balanced] }), { records: { b: up }, holds: { b: [drained] } })
  it.become({ a: up, b: up }, START)
  t.strictSame(it.weights(), ['a 4'])
  const holds = { revision: 3, value: { gateways: {}, windows: {}, failovers: {} } }
  it.apply({ kind: 'committed', documents: { holds }, facts: [], at: START })
  t.strictSame(it.weights(), ['a 4', 'b 1'])
  t.end()
})

test('with hold_out a returning member waits for its cooldown, and then starts slowly', t => {
  const it = replica(define({ gateways, pools: [{ ...balanced, hold_out: true }] }), { records: { a: down, b: up } })
  it.become({ a: returning(START), b: up }, START)
  t.strictSame(it.weights(), ['b 1'])
  it.become({ a: up, b: up }, START + 60 * SECOND)
  t.strictSame(it.weights(), ['a 0.4', 'b 1'])
  t.end()
})
