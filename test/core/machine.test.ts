import fc from 'fast-check'
import { test } from 'tap'
import { machine, move, type Signal } from '../../src/core/machine.ts'
import type { GatewayRecord } from '../../src/core/nouns.ts'
import { seeded } from '../support/seed.ts'

type State = GatewayRecord['state']
type Case = Signal['kind'] | 'cooled, the last' | 'cooled, told before' | 'cooled, told before, the last'

const records: { readonly [S in State]: Extract<GatewayRecord, { state: S }> } = {
  unknown: { state: 'unknown' },
  up: { state: 'up', since: 10 },
  down: { state: 'down', since: 20 },
  returning: { state: 'returning', went_down_at: 20, returned_at: 30, back: 5 },
}

const cooled = { kind: 'cooled', at: 100, length: 70, pools: ['p'], last: false } as const
const signals: Record<Case, Signal> = {
  beat: { kind: 'beat', at: 100 },
  silence: { kind: 'silence', at: 100 },
  cooled,
  'cooled, the last': { ...cooled, last: true },
  'cooled, told before': { ...cooled, length: 5 },
  'cooled, told before, the last': { ...cooled, length: 5, last: true },
  released: { kind: 'released', at: 100, since: 90 },
}

const SAME = 'the same record'
type Expected = typeof SAME | { readonly record: GatewayRecord; readonly facts: readonly string[] }

const returningSince = (wentDownAt: number): GatewayRecord => ({
  state: 'returning',
  went_down_at: wentDownAt,
  returned_at: 100,
  back: -1,
})

/** What every cell of the table has to answer. */
const table: Record<State, Record<Case, Expected>> = {
  unknown: {
    beat: { record: { state: 'up', since: 100 }, facts: ['first_alive: beat'] },
    silence: SAME,
    cooled: SAME,
    'cooled, the last': SAME,
    'cooled, told before': SAME,
    'cooled, told before, the last': SAME,
    released: SAME,
  },
  up: {
    beat: SAME,
    silence: { record: { state: 'down', since: 100 }, facts: ['gateway_down: stale'] },
    cooled: SAME,
    'cooled, the last': SAME,
    'cooled, told before': SAME,
    'cooled, told before, the last': SAME,
    released: { record: returningSince(90), facts: ['down_to_cooldown: shutdown_over'] },
  },
  down: {
    beat: { record: returningSince(20), facts: ['down_to_cooldown: beat'] },
    silence: SAME,
    cooled: SAME,
    'cooled, the last': SAME,
    'cooled, told before': SAME,
    'cooled, told before, the last': SAME,
    released: { record: returningSince(20), facts: ['down_to_cooldown: shutdown_over'] },
  },
  returning: {
    beat: SAME,
    silence: { record: { state: 'down', since: 20 }, facts: ['cooldown_reset: gap'] },
    cooled: { record: { ...records.returning, back: 70 }, facts: ['gateway_alive: cooldown'] },
    'cooled, the last': { record: { state: 'up', since: 100 }, facts: ['gateway_alive: cooldown'] },
    'cooled, told before': SAME,
    'cooled, told before, the last': { record: { state: 'up', since: 100 }, facts: [] },
    released: { record: returningSince(20), facts: ['down_to_cooldown: shutdown_over'] },
  },
}

for (const state of Object.keys(table) as State[]) {
  for (const signal of Object.keys(table[state]) as Case[]) {
    test(`${state} on ${signal}`, t => {
      const before = records[state]
      const step = move(before, signals[signal], 'home')
      const expected = table[state][signal]
      if (expected === SAME) {
        t.equal(step.record, before, 'invariant 5: the very same record')
        t.strictSame(step.facts, [], 'invariant 5: no fact')
      } else {
        t.strictSame(step.record, expected.record)
        t.strictSame(
          step.facts.map(fact => `${fact.kind}: ${fact.cause}`),
          expected.facts,
        )
        for (const fact of step.facts) t.match(fact, { at: 100, subject: 'home' })
      }
      t.end()
    })
  }
}

test('the tests know every state and signal of the table', t => {
  const kinds = [...new Set(Object.values(signals).map(({ kind }) => kind))].sort()
  t.strictSame(Object.keys(machine).sort(), Object.keys(table).sort())
  for (const row of Object.values(machine)) t.strictSame(Object.keys(row).sort(), kinds)
  t.end()
})

test('a return is told with the length of its cooldown and the pools that have it', t => {
  t.match(move(records.returning, signals.cooled, 'home').facts[0], { cooldown: 70, pools: ['p'] })
  t.end()
})

const anySignal: fc.Arbitrary<Signal> = fc.oneof(
  fc.record({ kind: fc.constant('beat' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('silence' as const), at: fc.nat() }),
  fc.record({
    kind: fc.constant('cooled' as const),
    at: fc.nat(),
    length: fc.nat(5),
    pools: fc.constant(['p']),
    last: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('released' as const), at: fc.nat(), since: fc.nat() }),
)

test('whatever comes in whatever order, the invariants hold', t => {
  const check = fc.property(fc.array(anySignal, { maxLength: 60 }), history => {
    let record: GatewayRecord = records.unknown
    let told: number[] = []
    for (const signal of history) {
      const { record: next, facts } = move(record, signal, 'home')
      const way = `${record.state} → ${next.state}`
      if (record.state === 'unknown' && next !== record && signal.kind !== 'beat') throw new Error(`1: ${way}`)
      if (record.state === 'unknown' && next.state === 'down') throw new Error(`1: ${way}`)
      if (record.state === 'down' && next !== record && !['beat', 'released'].includes(signal.kind))
        throw new Error(`2: ${way}`)
      if (way === 'down → up') throw new Error(`2: ${way}`)
      if (way === 'returning → returning' && signal.kind === 'silence') throw new Error('3: silence without a reset')
      if (next.state === 'returning' && record.state === 'down' && next.back !== -1) throw new Error('3: not from zero')
      if (next.state === 'returning' && (record.state !== 'returning' || signal.kind === 'released')) told = []
      for (const fact of facts) {
        if (fact.kind !== 'gateway_alive') continue
        if (told.some(length => length >= fact.cooldown)) throw new Error(`4: ${fact.cooldown} after ${told}`)
        told.push(fact.cooldown)
      }
      if (next === record && facts.length > 0) throw new Error('5: a fact about nothing')
      record = next
    }
  })
  t.doesNotThrow(() => fc.assert(check, seeded({ numRuns: 2_000 })))
  t.end()
})
