import { test } from 'tap'
import { beatsFrom, NO_BEATS, withBeats } from '../../src/core/beats.ts'
import { beatInterval, evaluate, gapTime, latenessLimit, nextDue, signal } from '../../src/core/evaluate.ts'
import type { Definitions, GatewayRecord, HeardBeats } from '../../src/core/nouns.ts'
import { beatsOf, define, down, livenessOf, returning, START, up, worldOf } from '../support/world.ts'

const SECOND = 1_000
const home = { name: 'home', address: '127.0.0.1', liveness: 'heartbeat' as const }
const definitions = define({
  gateways: [home],
  pools: [
    { name: 'quick', failback_cooldown: '10s', members: ['home'] },
    { name: 'brief', failback_cooldown: '10s', members: ['home'] },
    { name: 'slow', failback_cooldown: '60s', members: ['home'] },
    { name: 'off', failback_cooldown: '90s', enabled: false, members: ['home'] },
  ],
})

const beatAt = (at: number, instance = 'one'): HeardBeats =>
  beatsOf({ home: { [instance]: { at, said: { state: 'ready' } } } })

/** What becomes of home's record by `now`, in one evaluation. */
function becomes(
  record: GatewayRecord | undefined,
  now: number,
  { beats = beatAt(START), since = START, known = definitions as Definitions } = {},
) {
  const liveness = livenessOf(record ? { home: record } : {})
  const moved = evaluate(known, liveness, { beats, checks: {}, observing_since: since }, now)
  return {
    same: moved.liveness === liveness,
    record: moved.liveness.gateways.home,
    facts: moved.facts.map(fact => (fact.kind === 'gateway_alive' ? `back after ${fact.cooldown}` : fact.kind)),
  }
}

test('beats are asked for, and gaps and delays measured, by the threshold', t => {
  const measures = (seconds: number) => [beatInterval, gapTime, latenessLimit].map(measure => measure(seconds * SECOND))
  t.strictSame(measures(90), [10_000, 30_000, 2_000])
  t.strictSame(measures(600), [10_000, 30_000, 2_000])
  t.strictSame(measures(15), [5_000, 15_000, 2_000])
  t.strictSame(measures(1), [333, 999, 249.75])
  t.end()
})

test('up goes down when the newest beat of all instances is older than the threshold', t => {
  t.ok(becomes(up, START + 90 * SECOND - 1).same)
  t.match(becomes(up, START + 90 * SECOND), {
    record: { state: 'down', since: START + 90 * SECOND },
    facts: ['gateway_down'],
  })
  const two = beatsOf({
    home: { ...beatsFrom(beatAt(START), 'home'), two: { at: START + 5, said: { state: 'drain' } } },
  })
  t.ok(becomes(up, START + 90 * SECOND, { beats: two }).same, 'any instance, whatever it says')
  t.end()
})

test('silence before we were listening is no evidence', t => {
  const beats = beatAt(START - 3_600 * SECOND)
  t.ok(becomes(up, START + 90 * SECOND - 1, { beats }).same)
  t.match(becomes(up, START + 90 * SECOND, { beats }).facts, ['gateway_down'])
  t.ok(becomes(up, START + 89 * SECOND, { beats: NO_BEATS }).same, 'nor is never having heard it at all')
  t.end()
})

test('unknown and down wait for a beat, however long', t => {
  t.ok(becomes(undefined, START + 1e9).same)
  t.ok(becomes(down, START + 1e9).same)
  t.end()
})

test('each cooldown length is over in its time, told once with its pools; the last makes it up', t => {
  const beats = (at: number) => ({ beats: beatAt(at) })
  t.ok(becomes(returning(), START + 10 * SECOND - 1).same)
  t.match(becomes(returning(), START + 10 * SECOND), {
    record: { state: 'returning', back: 10_000, returned_at: START },
    facts: ['back after 10000'],
  })
  t.ok(becomes(returning(START, 10_000), START + 60 * SECOND - 1, beats(START + 59 * SECOND)).same)
  t.match(becomes(returning(START, 10_000), START + 60 * SECOND, beats(START + 59 * SECOND)), {
    record: { state: 'up', since: START + 60 * SECOND },
    facts: ['back after 60000'],
  })
  const { facts } = evaluate(
    definitions,
    livenessOf({ home: returning() }),
    { beats: beatAt(START), checks: {}, observing_since: START },
    START + 10 * SECOND,
  )
  t.match(facts, [{ pools: ['quick', 'brief'], at: START + 10 * SECOND, subject: 'home' }])
  t.end()
})

test('a gap resets the cooldown: down again, since it first left', t => {
  t.match(becomes(returning(START, 10_000), START + 30 * SECOND), {
    record: { state: 'down', since: START - 60_000 },
    facts: ['cooldown_reset'],
  })
  t.ok(becomes(returning(START, 10_000), START + 30 * SECOND - 1).same)
  t.end()
})

test('what fell due in one late evaluation is told in the order in which it fell due', t => {
  t.strictSame(becomes(returning(), START + 1e6).facts, ['back after 10000', 'cooldown_reset'])
  t.strictSame(
    becomes(returning(), START + 1e6, { beats: beatAt(START + 45 * SECOND) }).facts,
    ['back after 10000', 'back after 60000', 'gateway_down'],
    'the last beat vouched for the whole cooldown',
  )
  const known = define({ gateways: [home, { ...home, name: 'nas' }], pools: [] })
  const beats = withBeats(beatAt(START + 5), new Map([['nas', { one: { at: START, said: { state: 'ready' } } }]]))
  const { facts } = evaluate(
    known,
    livenessOf({ home: up, nas: up }),
    { beats, checks: {}, observing_since: START },
    START + 1e6,
  )
  t.strictSame(
    facts.map(({ subject }) => subject),
    ['nas', 'home'],
  )
  t.end()
})

test('a member comes back only by a beat since we listen; then without a new wait', t => {
  const later = START + 40 * SECOND
  t.ok(becomes(returning(), later + 20 * SECOND, { since: later }).same, 'its cooldown keeps its timer')
  t.strictSame(becomes(returning(), later + 30 * SECOND, { since: later }).facts, ['cooldown_reset'])
  t.strictSame(becomes(returning(), later + SECOND, { since: later, beats: beatAt(later) }).facts, ['back after 10000'])
  t.end()
})

test('a cooldown of 0 is over at once and told; so is that of a gateway in no pool', t => {
  const zero = define({ gateways: [home], pools: [{ name: 'p', failback_cooldown: 0, members: ['home'] }] })
  t.match(becomes(returning(), START, { known: zero }), { record: { state: 'up' }, facts: ['back after 0'] })
  const alone = define({ gateways: [home] })
  t.match(becomes(returning(), START, { known: alone }), { record: { state: 'up' }, facts: ['back after 0'] })
  t.end()
})

test('a cooldown that is shortened below what is over ends at once, and is not told a second time', t => {
  const short = define({ gateways: [home], pools: [{ name: 'slow', failback_cooldown: '5s', members: ['home'] }] })
  t.match(becomes(returning(START, 10_000), START + 11 * SECOND, { known: short }), {
    record: { state: 'up' },
    facts: [],
  })
  t.end()
})

test('only heartbeat gateways are judged by their beats', t => {
  const assumed = define({ gateways: [{ ...home, liveness: 'assumed' }] })
  t.ok(becomes(up, START + 1e9, { known: assumed }).same)
  t.equal(nextDue(worldOf(assumed, { records: { home: up } })), Number.POSITIVE_INFINITY)
  t.end()
})

test('records of gateways that are no longer defined are dropped', t => {
  const liveness = livenessOf({ home: up, gone: down })
  const moved = evaluate(definitions, liveness, { beats: beatAt(START), checks: {}, observing_since: START }, START)
  t.strictSame(moved, { liveness: livenessOf({ home: up }), facts: [] })
  t.end()
})

test('the next due moment is the one at which an evaluation changes something, and not one ms earlier', t => {
  const beats = beatAt(START + 7 * SECOND)
  for (const record of [up, returning(), returning(START, 10_000), returning(START - 55 * SECOND, 10_000)]) {
    const due = nextDue(worldOf(definitions, { records: { home: record }, sight: { beats } }))
    t.ok(becomes(record, due - 1, { beats }).same)
    t.notOk(becomes(record, due, { beats }).same)
  }
  t.equal(nextDue(worldOf(definitions)), Number.POSITIVE_INFINITY)
  t.end()
})

test('a signal that changes nothing answers the same value', t => {
  const before = { liveness: livenessOf({ home: up }), facts: [] }
  t.equal(signal(before, 'home', { kind: 'beat', at: 1 }), before)
  t.match(signal(before, 'constructor', { kind: 'beat', at: 1 }), {
    liveness: { gateways: { home: up, constructor: { state: 'up' } } },
    facts: [{ kind: 'first_alive', subject: 'constructor' }],
  })
  t.end()
})
