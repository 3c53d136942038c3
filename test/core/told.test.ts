import { test } from 'tap'
import { advance, begin, foresee } from '../../src/core/advance.ts'
import type { Event, Fact, FactDraft } from '../../src/core/events.ts'
import type { Definitions, GatewayRecord, Hold } from '../../src/core/nouns.ts'
import { EMPTY } from '../../src/core/store.ts'
import { define, down, drained, type Known, livenessOf, returning, START, up, worldOf } from '../support/world.ts'

const gateways = ['a', 'b', 'c'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const failover = define({ gateways, pools: [{ name: 'p', members: ['a', 'b', 'c'] }] })

const inWords = (fact: FactDraft) => {
  switch (fact.kind) {
    case 'pool_failover_activated':
    case 'pool_failover_restored':
      return `${fact.kind.slice(14)} ${fact.from}→${fact.to} (${fact.cause})`
    case 'pool_outage_started':
    case 'pool_outage_resolved':
      return `outage ${fact.kind.slice(12)} (${fact.cause})`
    default:
      return fact.kind
  }
}

/** A replica to which things happen; each says what is told of them, `*` before what the cluster is told. */
function replica(definitions: Definitions, known: Known = {}) {
  let snapshot = begin(worldOf(definitions, known))
  let records = known.records ?? {}
  let holds = known.holds ?? {}
  const failovers = known.failovers ?? {}
  const apply = (event: Event): readonly FactDraft[] => {
    const step = advance(snapshot, event)
    snapshot = step?.snapshot ?? snapshot
    return step?.facts ?? []
  }
  const commit = (documents: Parameters<typeof foresee>[1]) => {
    const facts = foresee(snapshot, documents, START)
    const ids = facts.map((fact, n): Fact => ({ ...fact, id: `1-${n}`, cluster: 'test' }))
    const own = apply({ kind: 'committed', documents, facts: ids, at: START })
    return [...facts.map(fact => `* ${inWords(fact)}`), ...own.map(inWords)]
  }
  return {
    become: (changed: Record<string, GatewayRecord>) => {
      records = { ...records, ...changed }
      return commit({ liveness: { revision: 2, value: livenessOf(records) } })
    },
    hold: (changed: Record<string, readonly Hold[]>) => {
      holds = { ...holds, ...changed }
      return commit({ holds: { revision: 2, value: { ...EMPTY.holds, gateways: holds, failovers } } })
    },
    define: (value: Definitions) => commit({ definitions: { revision: 2, value } }),
    resolve: (host: string, ...addresses: string[]) =>
      apply({ kind: 'resolved', host, addresses, at: START }).map(inWords),
    /** So many failed requests in a row. */
    fail: (gateway: string, times = 3, pool = 'p') => {
      const upstream = { key: `${pool}/${gateway}/127.0.0.1:8080`, pool, gateway }
      const failures = Array.from({ length: times }, () =>
        apply({ kind: 'outcome', upstream, route: 'r', result: 'reset', at: START }),
      )
      return failures.flat().map(inWords)
    },
    answer: (gateway: string, at = START) => {
      const upstream = { key: `p/${gateway}/127.0.0.1:8080`, pool: 'p', gateway }
      return apply({ kind: 'outcome', upstream, route: 'r', result: 'ok', at }).map(inWords)
    },
    tick: (at: number) => apply({ kind: 'tick', at }).map(inWords),
    get told() {
      return snapshot.world.sight.told
    },
  }
}

const allUp = { records: { a: up, b: up, c: up } }

test('A → B → C and back: each move is told once, to the cluster', t => {
  const it = replica(failover, allUp)
  t.strictSame(it.become({ a: down }), ['* activated a→b (down)'])
  t.strictSame(it.become({ a: down }), [], 'and not again')
  t.strictSame(it.become({ b: down }), ['* activated b→c (down)'])
  t.strictSame(it.become({ b: up }), ['* activated c→b (down)'])
  t.strictSame(it.become({ a: returning() }), [])
  t.strictSame(it.become({ a: up }), ['* restored b→a (failback)'])
  t.end()
})

test('a fact names the routes that go to the pool, or are pinned to a gateway at home in it', t => {
  const definitions = define({
    ...failover,
    pools: [
      { name: 'p', members: ['a', 'b'] },
      { name: 'q', mode: 'load_balancing', members: ['a', 'c'] },
    ],
    gateways,
    settings: {},
    routes: [
      { name: 'pooled', target: { pool: 'p' }, match: { path: '/1' } },
      { name: 'pinned', target: { gateway: 'a' }, match: { path: '/2' } },
      { name: 'elsewhere', target: { pool: 'q' }, match: { path: '/3' } },
      { name: 'away', target: { gateway: 'c' }, match: { path: '/4' } },
    ],
  })
  const snapshot = begin(worldOf(definitions, allUp))
  const liveness = { revision: 2, value: livenessOf({ ...allUp.records, a: down }) }
  t.match(foresee(snapshot, { liveness }, START), [
    { subject: 'p', original: 'a', from: 'a', to: 'b', routes: ['pooled', 'pinned'], at: START },
  ])
  t.end()
})

test('a hold moves the traffic, and its end moves it back', t => {
  const it = replica(failover, allUp)
  t.strictSame(it.hold({ a: [drained] }), ['* activated a→b (held)'])
  t.strictSame(it.hold({ a: [] }), ['* restored b→a (failback)'])
  t.end()
})

test('a local cause is told by this replica', t => {
  const it = replica(failover, allUp)
  t.strictSame(it.fail('a'), ['member_ejected', 'activated a→b (ejected)'])
  t.strictSame(it.become({ b: down }), ['* activated b→c (ejected)'])
  t.end()
})

test('serving by emergency is a failover with that cause, and no outage', t => {
  const it = replica(failover, allUp)
  it.become({ a: down })
  t.strictSame(it.become({ b: down, c: returning() }), ['* activated b→c (emergency)'])
  t.strictSame(it.become({ c: up }), ['* activated c→c (down)'], 'ready again: no emergency any more')
  t.end()
})

test('nobody left is an outage; who served last is not forgotten by it', t => {
  const it = replica(failover, allUp)
  it.become({ a: down, b: down })
  t.strictSame(it.become({ c: down }), ['* outage started (nobody)'])
  t.strictSame(it.become({ c: down }), [])
  t.strictSame(it.become({ b: returning() }), ['* outage resolved (nobody)', '* activated c→b (emergency)'])
  t.strictSame(it.become({ a: up }), ['* restored b→a (failback)'])
  t.end()
})

test('a last member that keeps failing is an outage until it answers for a while', t => {
  const it = replica(failover, { records: { a: up, b: down, c: down } })
  t.strictSame(it.fail('a'), ['outage started (passive)'])
  t.strictSame(it.fail('a', 1), [])
  t.strictSame(it.tick(START + 60_000), [], 'it has to answer')
  t.strictSame(it.answer('a', START + 60_000), [])
  t.strictSame(it.tick(START + 60_000), ['outage resolved (passive)'])
  t.end()
})

test('one outage turns into another: the first ends where the second starts', t => {
  const it = replica(failover, { records: { a: up, b: down, c: down } })
  it.fail('a')
  t.strictSame(it.become({ a: down }), ['* outage resolved (passive)', '* outage started (nobody)'])
  t.end()
})

test('a failing pool is failing no more once another member is ready', t => {
  const it = replica(failover, { records: { a: up, b: down, c: down } })
  it.fail('a')
  t.strictSame(it.become({ b: returning() }), [], 'returning is not ready')
  t.strictSame(it.become({ b: up }), ['* outage resolved (passive)'])
  t.end()
})

test('nothing is told of a first member, or of a pool, that was never ready', t => {
  const it = replica(failover, {})
  t.strictSame(it.become({ b: up }), [], 'b serves since the first is unknown')
  t.strictSame(it.become({ b: down, c: up }), [])
  t.strictSame(it.become({ a: up }), [], 'so its coming is no failback')
  t.strictSame(it.become({ a: down }), ['* activated a→c (down)'])
  const other = replica(failover, {})
  t.strictSame(other.hold({ a: [drained], b: [drained], c: [drained] }), [])
  t.end()
})

test('in load balancing only an outage is told', t => {
  const it = replica(define({ gateways, pools: [{ name: 'p', mode: 'load_balancing', members: ['a', 'b'] }] }), allUp)
  t.strictSame(it.become({ a: down }), [])
  t.strictSame(it.become({ b: down }), ['* outage started (nobody)'])
  t.strictSame(it.become({ b: returning() }), ['* outage resolved (nobody)'])
  t.end()
})

const members = (...names: string[]) => define({ gateways, pools: [{ name: 'p', members: names }] })

test('what a change of definitions begins is not told, nor is its end', t => {
  const it = replica(failover, { records: { a: up, b: down, c: up } })
  t.strictSame(it.define(members('b', 'a', 'c')), [], 'b is first now, and a serves')
  t.strictSame(it.become({ b: returning() }), [])
  t.strictSame(it.become({ b: up }), [], 'nobody was told that it had left')
  t.strictSame(it.define(members()), [], 'nobody is in it')
  t.strictSame(it.define(failover), [])
  t.end()
})

test('… but what happens from there on is', t => {
  const it = replica(failover, { records: { a: up, b: down, c: up } })
  it.define(members('b', 'a', 'c'))
  t.strictSame(it.become({ a: down }), ['* activated a→c (down)'])
  t.strictSame(it.become({ b: up }), ['* restored c→b (failback)'])
  t.end()
})

test('what was told to have begun is told to be over, also when definitions end it', t => {
  const it = replica(failover, { records: { a: down, b: up, c: down } })
  t.strictSame(it.define(members('b', 'a')), ['* restored b→b (failback)'])
  t.strictSame(it.become({ b: down }), ['* outage started (nobody)'])
  t.strictSame(it.become({ c: up }), [])
  t.strictSame(it.define(members('b', 'a', 'c')), ['* outage resolved (nobody)'])
  t.strictSame(it.become({ b: up }), [], 'that c stood in came with the definitions')
  t.end()
})

test('definitions from the file: the replica itself tells what they end', t => {
  let snapshot = begin(worldOf(failover, { records: { a: down, b: up } }))
  const step = advance(snapshot, { kind: 'loaded', definitions: members('b', 'a'), changed: ['pool:p'], at: START })
  t.strictSame(step?.facts.map(inWords), ['definitions_changed', 'restored b→b (failback)'])
  snapshot = step?.snapshot ?? snapshot
  t.equal(snapshot.world.definitions.revision, 2)
  t.end()
})

test('a pool that is switched off has no outage; one that is removed leaves nothing behind', t => {
  const off = define({ gateways, pools: [{ name: 'p', enabled: false, members: ['a', 'b'] }] })
  const it = replica(off, {})
  t.strictSame(it.become({ a: up, b: up }), [])
  t.strictSame(it.become({ a: down, b: down }), [])
  t.strictSame(it.define(members('a', 'b')), [])
  t.strictSame(it.become({ a: up }), [])
  t.strictSame(it.become({ a: down }), ['* outage started (nobody)'])
  t.strictSame(it.define(off), ['* outage resolved (nobody)'])
  t.strictSame(it.define(define({ gateways })), [])
  t.strictSame(it.told, {})
  t.end()
})

test('what is already so at the start is not told, but its end is', t => {
  const it = replica(failover, { records: { a: down, b: up } })
  t.strictSame(it.become({ a: up }), ['* restored b→a (failback)'])
  const dark = replica(failover, { records: { a: down, b: down, c: down } })
  t.strictSame(dark.become({ b: up }), ['* outage resolved (nobody)', '* activated a→b (down)'])
  t.end()
})

const named = define({
  gateways: [
    { name: 'a', address: 'a.lan' },
    { name: 'b', address: 'b.lan' },
  ],
  pools: [{ name: 'p', members: ['a', 'b'] }],
})

test('a start before host names are looked up is neither outage nor failover', t => {
  const it = replica(named)
  t.strictSame(it.resolve('b.lan', '127.0.0.1'), [])
  t.strictSame(it.resolve('a.lan', '127.0.0.1'), [])
  t.strictSame(it.fail('a'), ['member_ejected', 'activated a→b (ejected)'])
  const other = replica(named)
  t.strictSame(other.resolve('a.lan', '127.0.0.1'), [])
  t.end()
})

test('a later answer that replaces an ejected address ends the failover', t => {
  const it = replica(named)
  it.resolve('a.lan', '127.0.0.1')
  it.resolve('b.lan', '127.0.0.1')
  it.fail('a')
  t.strictSame(it.resolve('a.lan', '127.0.0.2'), ['restored b→a (failback)'])
  t.end()
})

test('what the cluster told is heard, and not told again', t => {
  const it = replica(failover, allUp)
  it.become({ a: down })
  t.match(it.told, { p: { failover: { to: 'b', emergency: false }, outage: null } })
  it.become({ b: down, c: down })
  t.match(it.told, { p: { failover: { to: 'b' }, outage: { cause: 'nobody' } } })
  t.end()
})

test('a pool may be called constructor', t => {
  const odd = define({ gateways, pools: [{ name: 'constructor', members: ['a', 'b'] }] })
  const it = replica(odd, allUp)
  t.strictSame(it.become({ a: down }), ['* activated a→b (down)'])
  t.strictSame(it.fail('b', 3, 'constructor'), ['outage started (passive)'])
  t.end()
})
