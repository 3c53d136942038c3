import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import { NO_BEATS } from '../../src/core/beats.ts'
import { probed } from '../../src/core/changes.ts'
import { checksOf, failingHere, limitOf, nextCheck } from '../../src/core/checks.ts'
import { evaluate } from '../../src/core/evaluate.ts'
import type { Definitions, Run, Snapshot } from '../../src/core/nouns.ts'
import { createDice } from '../support/dice.ts'
import { seed } from '../support/seed.ts'
import { define, down, type Known, livenessOf, returning, START, up, worldOf } from '../support/world.ts'

const SECOND = 1_000
const http = { kind: 'http' as const, fall: 3, rise: 2 }
const tcp = { kind: 'tcp' as const, fall: 2, rise: 1 }
const gateways = ['a', 'b'].map(name => ({ name, address: '127.0.0.1' }))
const pool = { name: 'p', members: ['a', 'b'], active: [http] }

const keyOf = (gateway: string, name = 'p') => `${name}/${gateway}/127.0.0.1:8080`

/** A replica to which results of checks are told. */
function replica(definitions: Definitions, known: Known = {}) {
  let snapshot: Snapshot = begin(worldOf(definitions, known))
  let time = START
  return {
    /** Results of one check of a gateway, `+` and `-`, a second apart; the kinds of the facts that came of them. */
    results(gateway: string, marks: string, check = 0, name = 'p', key = keyOf(gateway, name)) {
      const facts: string[] = []
      for (const mark of marks) {
        time += SECOND
        const upstream = { key, pool: name, gateway }
        const event = { kind: 'checked', upstream, check, passed: mark === '+', said: mark, at: time } as const
        const step = advance(snapshot, event)
        snapshot = step?.snapshot ?? snapshot
        facts.push(...(step?.facts ?? []).map(({ kind, cause }) => `${kind} ${cause}`))
      }
      return facts
    },
    /** A request that came to nothing. */
    fail(gateway: string) {
      const upstream = { key: keyOf(gateway), pool: 'p', gateway }
      const event = { kind: 'outcome', upstream, route: 'r', result: 'reset', at: time } as const
      snapshot = advance(snapshot, event)?.snapshot ?? snapshot
    },
    /** What its results change could not be committed. */
    unagreed(gateway: string) {
      const upstream = { key: keyOf(gateway), pool: 'p', gateway }
      const step = advance(snapshot, { kind: 'unagreed', upstream, at: time })
      snapshot = step?.snapshot ?? snapshot
      return (step?.facts ?? []).map(({ kind, cause }) => `${kind} ${cause}`)
    },
    /** `ms` later. */
    tick(ms: number) {
      time += ms
      const step = advance(snapshot, { kind: 'tick', at: time })
      snapshot = step?.snapshot ?? snapshot
      return (step?.facts ?? []).map(({ kind, cause }) => `${kind} ${cause}`)
    },
    state: (gateway: string, name = 'p') =>
      snapshot.pools[name]?.members.find(member => member.gateway === gateway)?.state,
    health: () => snapshot.pools.p?.health,
    commit() {
      const change = probed('a')(snapshot.world, time)
      if (change === null || 'kind' in change) return []
      const documents = change.documents.liveness && { liveness: { revision: 2, value: change.documents.liveness } }
      snapshot =
        advance(snapshot, { kind: 'committed', documents: { ...documents }, facts: [], at: time })?.snapshot ?? snapshot
      return change.facts.map(({ kind, cause }) => `${kind} ${cause}`)
    },
    become(definitions: Definitions) {
      const documents = { definitions: { revision: 9, value: definitions } }
      snapshot = advance(snapshot, { kind: 'committed', documents, facts: [], at: time })?.snapshot ?? snapshot
    },
    others(count: number, failing: Record<string, number>) {
      const step = advance(snapshot, { kind: 'others', others: { count, differ: false, failing }, at: time })
      snapshot = step?.snapshot ?? snapshot
    },
    get world() {
      return snapshot.world
    },
    get now() {
      return time
    },
  }
}

test('a verdict falls after `fall` failures in a row, and rises after `rise` passes in a row', t => {
  const balancing = define({ gateways, pools: [{ ...pool, mode: 'load_balancing' }] })
  const it = replica(balancing)
  t.strictSame(it.results('a', '+--+--'), [], 'never three in a row')
  t.strictSame(it.results('a', '-'), ['member_ejected probe'])
  t.equal(it.state('a'), 'ejected')
  t.strictSame(it.results('a', '-+-+-'), [])
  t.strictSame(it.results('a', '++'), ['member_returned probe'])
  t.equal(it.state('a'), 'up')
  t.end()
})

test('in failover mode a good verdict starts the cooldown, and one failed check is a gap', t => {
  const it = replica(define({ gateways, pools: [pool] }))
  t.strictSame(it.results('a', '+---'), ['member_ejected probe', 'pool_failover_activated ejected'])
  it.results('a', '++')
  t.equal(it.state('a'), 'returning')
  t.strictSame(it.results('a', '-'), [], 'it was told when it left')
  t.equal(it.state('a'), 'ejected')
  t.end()
})

test('the last member that could serve stays, and its pool is failing', t => {
  const it = replica(define({ gateways, pools: [pool] }))
  it.results('a', '+---')
  t.strictSame(it.results('b', '+---'), ['pool_outage_started passive'])
  t.equal(it.state('b'), 'up')
  t.equal(it.health(), 'red')
  t.end()
})

test('a pool that its checks made failing is that no more 10 s after they pass again, also without a request', t => {
  const it = replica(define({ gateways, pools: [pool] }))
  it.results('a', '+---')
  it.results('b', '+---+')
  t.strictSame(it.tick(20 * SECOND), [], 'one pass is no verdict')
  it.results('b', '+')
  t.strictSame(it.tick(0), ['pool_outage_resolved passive'])
  t.equal(it.health(), 'yellow')
  t.end()
})

test('a pool that requests made failing is not well because its checks pass', t => {
  const it = replica(define({ gateways, pools: [pool] }))
  it.results('a', '+---')
  it.results('b', '++')
  for (let n = 0; n < 3; n++) it.fail('b')
  t.equal(it.health(), 'red')
  it.results('b', '+++')
  t.strictSame(it.tick(20 * SECOND), [])
  t.equal(it.health(), 'red')
  t.end()
})

test('an ejection that requests began is not ended by checks that pass', t => {
  const it = replica(define({ gateways, pools: [{ ...pool, mode: 'load_balancing' }] }), {
    sight: {
      passive: {
        [keyOf('a')]: {
          kind: 'ejected',
          since: START,
          until: START + 30 * SECOND,
          reason: 'reset',
          history: { times: 1, forget_at: Number.MAX_SAFE_INTEGER },
        },
      },
    },
  })
  it.results('a', '+++++')
  t.equal(it.state('a'), 'ejected')
  t.end()
})

for (const [require, ejected] of [
  ['all', true],
  ['any', false],
] as const) {
  test(`of two checks that ${require} have to pass one fails`, t => {
    const it = replica(define({ gateways, pools: [{ ...pool, active: [http, tcp], require }] }))
    it.results('a', '++', 0)
    t.equal(it.results('a', '+--', 1).includes('member_ejected probe'), ejected)
    t.ok(it.results('a', '---', 0).includes('member_ejected probe') !== ejected, 'and then the other too')
    t.end()
  })
}

test('checks that are changed have said nothing yet, and those of others keep what they said', t => {
  const other = { ...pool, name: 'q' }
  const it = replica(define({ gateways, pools: [pool, other] }))
  it.results('a', '+--')
  it.results('a', '+--', 0, 'q')
  it.become(define({ gateways, pools: [{ ...pool, active: [{ ...http, path: '/new' }] }, other] }))
  t.strictSame(Object.keys(it.world.sight.checks), [keyOf('a', 'q')])
  t.ok(it.results('a', '-', 0, 'q').includes('member_ejected probe'))
  t.end()
})

test('a result of a check that is there no more changes nothing', t => {
  const it = replica(define({ gateways, pools: [pool] }))
  const before = it.world
  it.results('a', '---', 7)
  it.results('stranger', '---')
  t.equal(it.world, before)
  t.end()
})

const probing = gateways.map(gateway => ({ ...gateway, liveness: 'probe' as const }))

test('a gateway that lives by probes is up with the first pass, down when its checks fail everywhere, and back after `rise`', t => {
  const it = replica(define({ gateways: probing, pools: [pool] }))
  t.equal(it.state('a'), 'unknown')
  it.results('a', '-----')
  t.strictSame(it.commit(), [], 'never seen is not down')
  it.results('a', '++')
  t.strictSame(it.commit(), ['first_alive probe'])
  it.results('a', '--')
  t.strictSame(it.commit(), [])
  t.strictSame(it.results('a', '-'), [], 'nothing is ejected: it is down for everybody')
  t.strictSame(it.commit(), ['gateway_down probe'])
  t.equal(it.state('a'), 'down')
  it.results('a', '+')
  t.strictSame(it.commit(), [])
  it.results('a', '+')
  t.strictSame(it.commit(), ['down_to_cooldown probe'])
  it.results('a', '-')
  t.strictSame(it.commit(), ['cooldown_reset probe'], 'one failure while it returns is a gap')
  it.results('a', '-')
  t.strictSame(it.commit(), [], 'that its verdict was good brings it back no sooner')
  it.results('a', '+')
  t.strictSame(it.commit(), [])
  it.results('a', '+')
  t.strictSame(it.commit(), ['down_to_cooldown probe'])
  t.end()
})

test('of several replicas a majority decides that a gateway which lives by probes is dead, and that it is not', t => {
  const it = replica(define({ gateways: probing, pools: [pool] }))
  it.others(2, {})
  it.results('a', '+')
  t.strictSame(it.commit(), ['first_alive probe'])
  t.strictSame(failingHere(it.world), [])
  t.strictSame(it.results('a', '---'), ['pool_outage_started passive'], 'at once, and only here')
  t.strictSame(failingHere(it.world), ['a'])
  t.strictSame(it.commit(), [], 'one of three has lost its own way')
  it.others(2, { a: 1 })
  t.strictSame(it.commit(), ['gateway_down probe'])
  it.others(2, { a: 2 })
  it.results('a', '++')
  t.strictSame(it.commit(), [], 'two of three find it dead')
  it.others(2, { a: 1 })
  t.strictSame(it.commit(), ['down_to_cooldown probe'])
  it.others(2, {})
  it.results('a', '-')
  t.strictSame(it.commit(), [], 'one failure that only this replica saw')
  it.others(2, { a: 1 })
  t.strictSame(it.commit(), ['cooldown_reset probe'])
  it.others(1, {})
  it.results('a', '++')
  t.strictSame(it.commit(), ['down_to_cooldown probe'])
  it.results('a', '---')
  t.strictSame(it.commit(), [], 'one of two is no majority')
  t.end()
})

test('of two checks one that fails is a gap too, and where any is enough it is none', t => {
  for (const [require, facts] of [
    ['all', ['cooldown_reset probe']],
    ['any', []],
  ] as const) {
    const pools = [{ ...pool, active: [http, http], require }]
    const it = replica(define({ gateways: probing, pools }), { records: { a: returning() } })
    it.results('a', '++', 0)
    it.results('a', '++', 1)
    it.commit()
    it.results('a', '-', 0)
    t.strictSame(it.commit(), facts)
  }
  t.end()
})

test('a check that passes is no gap, though the last result of another one still is', t => {
  const pools = [{ ...pool, active: [{ ...http, fall: 1, rise: 1 }, http], failback_cooldown: '60s' }]
  const it = replica(define({ gateways, pools }))
  it.results('a', '++', 1)
  t.match(it.results('a', '-', 0), ['member_ejected probe'])
  it.results('a', '+', 0)
  t.equal(it.state('a'), 'returning')
  // The last that may not leave: its gap starts the cooldown anew.
  it.fail('b')
  it.results('b', '---', 0)
  it.results('a', '-', 1)
  const gap = it.now
  it.results('a', '+', 0)
  const told = ['member_returned probe', 'pool_outage_resolved passive', 'pool_failover_restored failback']
  t.strictSame(it.tick(gap + 60 * SECOND - it.now), told)
  t.end()
})

test('a gateway of a pool for another protocol is judged by the port that is checked', t => {
  const routes = [
    { name: 'ssh', protocol: 'tcp' as const, listen: '127.0.0.1:1022', gateway_port: 22, target: { pool: 'p' } },
  ]
  const it = replica(define({ gateways: probing, pools: [pool], routes }))
  const key = 'p/a/127.0.0.1:22'
  it.results('a', '+', 0, 'p', key)
  t.strictSame(it.commit(), ['first_alive probe'])
  it.results('a', '---', 0, 'p', key)
  t.strictSame(it.commit(), ['gateway_down probe'])
  t.end()
})

test('a gateway that fails the checks of one pool alone is ejected there', t => {
  const quick = { ...pool, name: 'q', active: [tcp] }
  const it = replica(define({ gateways: probing, pools: [pool, quick] }), { records: { a: up, b: up } })
  it.results('a', '++')
  t.strictSame(it.results('a', '+--', 0, 'q'), ['member_ejected probe', 'pool_failover_activated ejected'])
  t.strictSame(it.commit(), [])
  t.equal(it.state('a', 'q'), 'ejected')
  t.equal(it.state('a', 'p'), 'up')
  it.results('a', '---')
  t.strictSame(it.commit(), ['gateway_down probe'])
  t.end()
})

test('what probes found before this replica listened brings nobody back', t => {
  const definitions = define({ gateways: probing, pools: [pool] })
  const passed: Run = { verdict: true, passed: true, times: 2, at: START - 1, said: '' }
  const at = (pass: number) => ({ [keyOf('a')]: [{ ...passed, at: pass }] })
  const later = (checks: ReturnType<typeof at>) => {
    const seen = { beats: NO_BEATS, checks, observing_since: START }
    return evaluate(definitions, livenessOf({ a: returning() }), seen, START + 100 * SECOND).facts.map(
      ({ kind }) => kind,
    )
  }
  t.strictSame(later(at(START - 1)), [])
  t.strictSame(later(at(START)), ['gateway_alive'])
  const once = { [keyOf('a')]: [{ ...passed, verdict: false, times: 1, at: START }] }
  t.strictSame(later(once), [], 'nor does one pass of a check that has failed')
  t.strictSame(
    evaluate(
      definitions,
      livenessOf({ a: up, b: down }),
      { beats: NO_BEATS, checks: {}, observing_since: 0 },
      START * 2,
    ).facts,
    [],
    'silence says nothing about them',
  )
  t.end()
})

test('what a pool found before it was switched off brings nobody back', t => {
  const passed: Run = { verdict: true, passed: true, times: 2, at: START, said: '' }
  const back = (enabled: boolean) => {
    const definitions = define({ gateways: probing, pools: [{ ...pool, enabled }] })
    const seen = { beats: NO_BEATS, checks: { [keyOf('a')]: [passed] }, observing_since: START }
    const { liveness } = evaluate(definitions, livenessOf({ a: returning() }), seen, START + 100 * SECOND)
    return liveness.gateways.a?.state
  }
  t.equal(back(true), 'up')
  t.equal(back(false), 'returning')
  t.end()
})

test('checks come sooner while a verdict is open, and where nobody said how, a connection is made', t => {
  const { world } = replica(define({ gateways: probing, pools: [{ ...pool, active: [] }] }))
  const [gateway] = world.definitions.value.gateways
  const [check] = gateway === undefined ? [] : checksOf(world, 'p', gateway)
  if (check === undefined) throw new Error('nothing is checked')
  t.match(check, { kind: 'tcp', fall: 3 })
  const run = (verdict: boolean | null, passed: boolean) =>
    nextCheck({ verdict, passed, times: 1, at: 0, said: '' }, check, 0, 0)
  t.equal(nextCheck(null, check, 0, 0), 1_000)
  t.strictSame([run(true, true), run(true, false), run(false, true), run(false, false)], [10_000, 1_000, 1_000, 10_000])
  t.equal(nextCheck(null, check, 300, 0), 700, 'from the beginning of the last one')
  t.equal(nextCheck(null, check, 3_000, 0), 0)
  t.equal(nextCheck(null, check, 0, 1), 800)
  t.end()
})

test('a death is known within interval + fall × fast_interval + timeout, however it shows and whenever it comes', t => {
  const dice = createDice(seed)
  for (let n = 0; n < 1_000; n++) {
    const [interval, fast, timeout, fall] = [
      100 + dice.int(20_000),
      100 + dice.int(3_000),
      10 + dice.int(5_000),
      1 + dice.int(5),
    ]
    const active = {
      kind: 'tcp' as const,
      interval: `${interval}ms`,
      fast_interval: `${fast}ms`,
      timeout: `${timeout}ms`,
      fall,
    }
    const it = replica(define({ gateways, pools: [{ ...pool, active: [active] }] }))
    const [check] = it.world.definitions.value.pools[0]?.active ?? []
    if (check === undefined) throw new Error('nothing is checked')
    const last = () => it.world.sight.checks[keyOf('a')]?.[0] ?? null
    const hangs = dice.maybe(0.5)
    const dies = dice.int(3 * interval)
    let at = 0
    while (last()?.verdict !== false) {
      const passes = at < dies
      const took = passes ? dice.int(Math.min(50, timeout)) : hangs ? limitOf(last(), check) : 0
      at += took
      it.results('a', passes ? '+' : '-')
      if (last()?.verdict !== false) at += nextCheck(last(), check, took, dice.random())
    }
    if (at - dies > interval + fall * fast + timeout)
      t.fail(`seed ${seed}: after ${at - dies} ms, with ${JSON.stringify(active)}`)
  }
  t.pass('a thousand deaths')
  t.end()
})

test('what the cluster cannot be asked about this replica does alone, until it can', t => {
  const it = replica(define({ gateways: probing, pools: [pool] }), { records: { a: up, b: up } })
  it.results('a', '++---')
  t.equal(it.state('a'), 'up', 'it is for the cluster to say')
  t.strictSame(it.unagreed('a'), ['member_ejected probe', 'pool_failover_activated ejected'])
  t.equal(it.state('a'), 'ejected')
  t.strictSame(it.unagreed('a'), [], 'once')
  t.strictSame(it.commit(), ['gateway_down probe'])
  t.equal(it.state('a'), 'down')
  t.end()
})
