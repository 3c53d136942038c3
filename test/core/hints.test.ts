import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import type { Fact } from '../../src/core/events.ts'
import type { FailureReason, Snapshot } from '../../src/core/nouns.ts'
import { define, START, worldOf } from '../support/world.ts'

const SECOND = 1_000
const A = 'p/a/10.0.0.1:8080'

/** A replica that hears of another one. */
function replica() {
  const definitions = define({
    gateways: ['a', 'b'].map((name, i) => ({ name, address: `10.0.0.${i + 1}` })),
    pools: [{ name: 'p', members: ['a', 'b'] }],
    routes: [{ name: 'all', target: { pool: 'p' } }],
  })
  let snapshot: Snapshot = begin(worldOf(definitions))
  let told: string[] = []
  const apply = (event: Parameters<typeof advance>[1]) => {
    const step = advance(snapshot, event)
    snapshot = step?.snapshot ?? snapshot
    told = [...told, ...(step?.facts ?? []).map(({ kind }) => kind)]
  }
  return {
    /** The other one has told at `at` that it ejected `upstream`; that is heard at `heardAt`. */
    hears(at: number, { heardAt = at, upstream = A, kind = 'member_ejected' as const, by = 'two' } = {}) {
      const fact = {
        kind,
        at,
        subject: 'a',
        cause: 'reset',
        pool: 'p',
        upstream,
        id: `${by}-1`,
        cluster: 'c',
        replica: by,
      }
      apply({ kind: 'committed', documents: {}, facts: [], heard: [fact as Fact], at: heardAt })
    },
    request(at: number, result: 'ok' | FailureReason) {
      apply({ kind: 'outcome', upstream: { key: A, pool: 'p', gateway: 'a' }, route: 'all', result, at })
    },
    define(members: readonly string[], at: number) {
      const { value } = snapshot.world.definitions
      const pools = value.pools.map(pool => ({ ...pool, members: members.map(gateway => ({ gateway, weight: 1 })) }))
      apply({
        kind: 'committed',
        documents: { definitions: { revision: 9, value: { ...value, pools } } },
        facts: [],
        at,
      })
    },
    state: () => snapshot.pools.p?.members.find(({ gateway }) => gateway === 'a')?.state,
    hints: () => Object.keys(snapshot.world.sight.hints),
    told: () => told,
  }
}

test('what another replica has ejected is ejected after one failure instead of three, and never without one', t => {
  const it = replica()
  it.request(START, 'reset')
  t.equal(it.state(), 'up', 'one of three')
  it.request(START, 'ok')
  it.hears(START + SECOND)
  t.equal(it.state(), 'up', 'nobody takes it on another one’s word')
  t.strictSame(it.told(), [], 'and nobody repeats it')
  for (let n = 0; n < 100; n++) it.request(START + SECOND + n, 'ok')
  t.equal(it.state(), 'up', 'a replica that reaches it goes on')
  it.request(START + 2 * SECOND, 'reset')
  t.equal(it.state(), 'ejected')
  t.strictSame(it.told(), ['member_ejected', 'pool_failover_activated'])
  t.end()
})

test('a hint counts for 30 s from when the other ejected it, however late it is heard', t => {
  const it = replica()
  it.hears(START, { heardAt: START + 29 * SECOND })
  it.request(START + 30 * SECOND, 'reset')
  t.equal(it.state(), 'up', 'it has run out')
  const late = replica()
  late.hears(START, { heardAt: START + 30 * SECOND })
  t.strictSame(late.hints(), [])
  const soon = replica()
  soon.hears(START)
  soon.request(START + 30 * SECOND - 1, 'reset')
  t.equal(soon.state(), 'ejected')
  t.end()
})

test('hints are of one upstream, go with it, and do not pile up', t => {
  const it = replica()
  it.hears(START, { upstream: 'p/b/10.0.0.2:8080' })
  it.request(START, 'reset')
  t.equal(it.state(), 'up', 'a hint about another one')
  it.hears(START + 40 * SECOND)
  t.strictSame(it.hints(), [A], 'what has run out is let go')
  it.define(['b'], START + 41 * SECOND)
  t.strictSame(it.hints(), [])
  t.end()
})
