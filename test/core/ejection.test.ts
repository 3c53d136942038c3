import fc from 'fast-check'
import { test } from 'tap'
import { ejection, type PassiveEvent, type PassiveRules, passiveDue, passiveStep } from '../../src/core/ejection.ts'
import type { PassiveRecord } from '../../src/core/nouns.ts'
import { seeded } from '../support/seed.ts'

const failover: PassiveRules = {
  max_fails: 3,
  fail_duration: 30_000,
  max_fail_ratio: 0.5,
  ejection: 30_000,
  max_ejection: 100_000,
  cooldown: 60_000,
  checked: false,
}
const balancing: PassiveRules = { ...failover, cooldown: null }

/** The moment of every event below; all records are older. */
const NOW = 1_000_000
const NEVER = Number.MAX_SAFE_INTEGER
const once = { times: 1, forget_at: NEVER }
const first = { times: 0, forget_at: 0 }

type State = PassiveRecord['kind'] | 'clean'
const records: { readonly [S in State]: S extends 'clean' ? undefined : Extract<PassiveRecord, { kind: S }> } = {
  clean: undefined,
  counting: { kind: 'counting', fails: { '': { count: 1, first_at: NOW - 1_000 } }, history: first },
  ejected: { kind: 'ejected', since: NOW - 30_000, until: NOW, reason: 'reset', history: once },
  cooling: {
    kind: 'cooling',
    since: NOW - 70_000,
    returned_at: NOW - 10_000,
    next_trial: NOW,
    reason: 'reset',
    history: once,
  },
  probation: { kind: 'probation', until: NOW + 5_000, fails: {}, history: { times: 1, forget_at: NOW + 5_000 } },
}

const failure = { kind: 'failure', reason: 'connect_refused', route: '', share: 0, at: NOW } as const
interface Given {
  readonly event: PassiveEvent
  readonly rules?: PassiveRules
  readonly spared?: true
}
const cases = {
  failure: { event: failure },
  'failure, the one too many': { event: failure, rules: { ...failover, max_fails: 1 } },
  'failure, the one too many of the last that could serve': {
    event: failure,
    rules: { ...failover, max_fails: 1 },
    spared: true,
  },
  'failure, long after the one before': { event: failure, rules: { ...failover, max_fails: 2, fail_duration: 999 } },
  success: { event: { kind: 'success', route: 'app', at: NOW } },
  'trial passed, failover': { event: { kind: 'trial', ok: true, at: NOW } },
  'trial passed, load balancing': { event: { kind: 'trial', ok: true, at: NOW }, rules: balancing },
  'trial failed': { event: { kind: 'trial', ok: false, at: NOW } },
  'trial failed by the last that could serve': { event: { kind: 'trial', ok: false, at: NOW }, spared: true },
  'a good verdict': { event: { kind: 'verdict', verdict: true, passing: true, at: NOW } },
  'a bad verdict': { event: { kind: 'verdict', verdict: false, passing: false, at: NOW } },
  'a bad verdict on the last that could serve': {
    event: { kind: 'verdict', verdict: false, passing: false, at: NOW },
    spared: true,
  },
  'a failed check that is no verdict yet': { event: { kind: 'verdict', verdict: true, passing: false, at: NOW } },
  'tick before anything is due': { event: { kind: 'tick', at: NOW } },
  'tick long after': { event: { kind: 'tick', at: NOW + 1_000_000 } },
} satisfies Record<string, Given>
type Case = keyof typeof cases

const SAME = 'the same record'
type Expected = typeof SAME | { readonly record: PassiveRecord | undefined; readonly change?: string }

const counting = (count: number, first_at: number): PassiveRecord => ({
  kind: 'counting',
  fails: { '': { count, first_at } },
  history: first,
})
const ejected = (
  since: number,
  lasts: number,
  reason: 'connect_refused' | 'reset' | 'trial' | 'probe',
  times: number,
) => ({ kind: 'ejected', since, until: NOW + lasts, reason, history: { times, forget_at: NEVER } }) as const
const cooling = { ...records.cooling, returned_at: NOW, next_trial: NOW + 10_000 }

/** What every cell of the table has to answer. */
const table: Record<State, Record<Case, Expected>> = {
  clean: {
    failure: { record: counting(1, NOW) },
    'failure, the one too many': { record: ejected(NOW, 30_000, 'connect_refused', 1), change: 'ejected' },
    'failure, the one too many of the last that could serve': { record: counting(1, NOW), change: 'spared' },
    'failure, long after the one before': { record: counting(1, NOW) },
    success: SAME,
    'trial passed, failover': SAME,
    'trial passed, load balancing': SAME,
    'trial failed': SAME,
    'trial failed by the last that could serve': SAME,
    'a good verdict': SAME,
    'a bad verdict': { record: ejected(NOW, 30_000, 'probe', 1), change: 'ejected' },
    'a bad verdict on the last that could serve': { record: undefined, change: 'spared' },
    'a failed check that is no verdict yet': SAME,
    'tick before anything is due': SAME,
    'tick long after': SAME,
  },
  counting: {
    failure: { record: counting(2, NOW - 1_000) },
    'failure, the one too many': { record: ejected(NOW, 30_000, 'connect_refused', 1), change: 'ejected' },
    'failure, the one too many of the last that could serve': { record: counting(2, NOW - 1_000), change: 'spared' },
    'failure, long after the one before': { record: counting(1, NOW) },
    success: { record: undefined },
    'trial passed, failover': SAME,
    'trial passed, load balancing': SAME,
    'trial failed': SAME,
    'trial failed by the last that could serve': SAME,
    'a good verdict': SAME,
    'a bad verdict': { record: ejected(NOW, 30_000, 'probe', 1), change: 'ejected' },
    'a bad verdict on the last that could serve': { record: records.counting, change: 'spared' },
    'a failed check that is no verdict yet': SAME,
    'tick before anything is due': SAME,
    'tick long after': { record: undefined },
  },
  ejected: {
    failure: SAME,
    'failure, the one too many': SAME,
    'failure, the one too many of the last that could serve': SAME,
    'failure, long after the one before': SAME,
    success: SAME,
    'trial passed, failover': {
      record: { ...records.cooling, since: NOW - 30_000, returned_at: NOW, next_trial: NOW + 10_000 },
    },
    'trial passed, load balancing': {
      record: { kind: 'probation', until: NOW + 30_000, fails: {}, history: { times: 1, forget_at: NOW + 30_000 } },
      change: 'returned',
    },
    'trial failed': { record: ejected(NOW - 30_000, 60_000, 'reset', 2) },
    'trial failed by the last that could serve': { record: ejected(NOW - 30_000, 60_000, 'reset', 2) },
    'a good verdict': SAME,
    'a bad verdict': SAME,
    'a bad verdict on the last that could serve': SAME,
    'a failed check that is no verdict yet': SAME,
    'tick before anything is due': SAME,
    'tick long after': SAME,
  },
  cooling: {
    failure: { record: ejected(NOW - 70_000, 60_000, 'connect_refused', 2) },
    'failure, the one too many': { record: ejected(NOW - 70_000, 60_000, 'connect_refused', 2) },
    'failure, the one too many of the last that could serve': { record: cooling, change: 'spared' },
    'failure, long after the one before': { record: ejected(NOW - 70_000, 60_000, 'connect_refused', 2) },
    success: SAME,
    'trial passed, failover': { record: { ...records.cooling, next_trial: NOW + 10_000 } },
    'trial passed, load balancing': { record: { ...records.cooling, next_trial: NOW + 10_000 } },
    'trial failed': { record: ejected(NOW - 70_000, 60_000, 'trial', 2) },
    'trial failed by the last that could serve': { record: cooling },
    'a good verdict': SAME,
    'a bad verdict': { record: ejected(NOW - 70_000, 60_000, 'probe', 2) },
    'a bad verdict on the last that could serve': { record: cooling, change: 'spared' },
    'a failed check that is no verdict yet': { record: ejected(NOW - 70_000, 60_000, 'probe', 2) },
    'tick before anything is due': SAME,
    'tick long after': {
      record: {
        kind: 'probation',
        until: NOW + 1_030_000,
        fails: {},
        history: { times: 1, forget_at: NOW + 1_030_000 },
      },
      change: 'returned',
    },
  },
  probation: {
    failure: { record: ejected(NOW, 60_000, 'connect_refused', 2), change: 'ejected' },
    'failure, the one too many': { record: ejected(NOW, 60_000, 'connect_refused', 2), change: 'ejected' },
    'failure, the one too many of the last that could serve': {
      record: { ...records.probation, fails: { '': { count: 1, first_at: NOW } } },
      change: 'spared',
    },
    'failure, long after the one before': { record: ejected(NOW, 60_000, 'connect_refused', 2), change: 'ejected' },
    success: SAME,
    'trial passed, failover': SAME,
    'trial passed, load balancing': SAME,
    'trial failed': SAME,
    'trial failed by the last that could serve': SAME,
    'a good verdict': SAME,
    'a bad verdict': { record: ejected(NOW, 60_000, 'probe', 2), change: 'ejected' },
    'a bad verdict on the last that could serve': { record: records.probation, change: 'spared' },
    'a failed check that is no verdict yet': SAME,
    'tick before anything is due': SAME,
    'tick long after': { record: undefined },
  },
}

for (const state of Object.keys(table) as State[]) {
  for (const name of Object.keys(table[state]) as Case[]) {
    test(`${state} on ${name}`, t => {
      const { event, rules = failover, spared }: Given = cases[name]
      const before = records[state]
      const step = passiveStep(before, event, rules, () => !spared)
      const expected = table[state][name]
      if (expected === SAME) t.equal(step.record, before, 'invariant 5: the very same record')
      else t.strictSame(step.record, expected.record)
      t.equal(step.change, expected === SAME ? null : (expected.change ?? null))
      t.end()
    })
  }
}

test('the tests know every state and event of the table', t => {
  t.strictSame(Object.keys(ejection).sort(), Object.keys(table).sort())
  const kinds = [...new Set(Object.values(cases).map(({ event }) => event.kind))].sort()
  for (const row of Object.values(ejection)) t.strictSame(Object.keys(row).sort(), kinds)
  t.end()
})

/** Runs `events` from a clean record. */
function after(rules: PassiveRules, ...events: readonly PassiveEvent[]): PassiveRecord | undefined {
  let record: PassiveRecord | undefined
  for (const event of events) record = passiveStep(record, event, rules, () => true).record
  return record
}
const fail = (at: number, route = '', reason: 'reset' | 'status' = 'reset'): PassiveEvent => ({
  kind: 'failure',
  reason,
  route,
  share: 0,
  at,
})
const good = (at: number, route = 'app'): PassiveEvent => ({ kind: 'success', route, at })
const trial = (at: number, ok: boolean): PassiveEvent => ({ kind: 'trial', ok, at })
const tick = (at: number): PassiveEvent => ({ kind: 'tick', at })

test('max_fails failures in a row eject; a good answer between them starts the count anew (4)', t => {
  t.match(after(failover, fail(1), fail(2), fail(3)), { kind: 'ejected', since: 3, until: 30_003 })
  t.match(after(failover, fail(1), fail(2), good(3), fail(4), fail(5)), { kind: 'counting' })
  t.match(after(failover, fail(1), fail(2), good(3), fail(4), fail(5), fail(6)), { kind: 'ejected' })
  t.end()
})

test('failures count while the first is at most fail_duration old', t => {
  t.match(after(failover, fail(0), fail(1), fail(30_000)), { kind: 'ejected' })
  t.match(after(failover, fail(0), fail(1), fail(30_001)), { kind: 'counting', fails: { '': { count: 1 } } })
  t.end()
})

test('statuses count per route: a good answer of one route does not excuse those of another (4)', t => {
  const status = (at: number, route: string) => fail(at, route, 'status')
  t.match(after(failover, status(1, 'a'), status(2, 'b'), status(3, 'a'), status(4, 'b')), { kind: 'counting' })
  t.match(after(failover, status(1, 'a'), good(2, 'b'), status(3, 'a'), good(4, 'b'), status(5, 'a')), {
    kind: 'ejected',
    reason: 'status',
  })
  t.match(after(failover, status(1, 'a'), status(2, 'a'), good(3, 'a'), status(4, 'a')), { kind: 'counting' })
  t.match(after(failover, status(1, 'constructor'), good(2, 'constructor')), undefined)
  t.end()
})

test('only a passed trial ends an ejection, however long it lasts (1)', t => {
  const out = [fail(1), fail(2), fail(3)]
  t.match(after(failover, ...out, tick(10_000_000), good(10_000_001)), { kind: 'ejected' })
  t.match(after(balancing, ...out, trial(30_003, true)), { kind: 'probation' })
  t.end()
})

test('in failover it serves again after the whole cooldown without a failed trial or request (2)', t => {
  const passed = [fail(1), fail(2), fail(3), trial(30_003, true)]
  t.match(after(failover, ...passed, tick(90_002)), { kind: 'cooling' })
  t.match(after(failover, ...passed, tick(90_003)), { kind: 'probation' })
  t.match(after(failover, ...passed, trial(40_003, false), trial(100_003, true), tick(160_002)), { kind: 'cooling' })
  t.match(after(failover, ...passed, fail(40_003), trial(100_003, true), tick(160_003)), { kind: 'probation' })
  t.end()
})

test('an ejection lasts longer each time in a row, up to max_ejection (3)', t => {
  let record = after(balancing, fail(1), fail(2), fail(3))
  const lengths: number[] = []
  for (let i = 0; i < 5; i++) {
    if (record?.kind !== 'ejected') throw new Error('it is not ejected')
    lengths.push(record.until - (i === 0 ? 3 : NOW))
    record = passiveStep(record, trial(NOW, false), balancing, () => true).record
  }
  t.strictSame(lengths, [30_000, 60_000, 90_000, 100_000, 100_000])
  t.end()
})

test('how often in a row is forgotten after serving as long as the last ejection lasted (3)', t => {
  const twice = [fail(1), fail(2), fail(3), trial(30_003, false), trial(90_003, true)]
  const again = (at: number) => [fail(at), fail(at), fail(at)]
  t.match(after(balancing, ...twice, tick(120_003), ...again(150_002)), { history: { times: 3 } })
  t.match(after(balancing, ...twice, tick(120_003), ...again(150_003)), { history: { times: 1 } })
  t.end()
})

test('after a return one failure ejects, for as long as fail_duration', t => {
  const back = [fail(1), fail(2), fail(3), trial(30_003, true)]
  t.match(after(balancing, ...back, fail(60_002)), { kind: 'ejected', history: { times: 2 } })
  t.match(after(balancing, ...back, tick(60_003), fail(60_004)), { kind: 'counting' })
  t.end()
})

test('a quiet upstream leaves no record behind', t => {
  t.equal(after(failover, fail(1), tick(30_002)), undefined)
  const back = [fail(1), fail(2), fail(3), trial(30_003, false), trial(90_003, true)]
  t.match(after(balancing, ...back, tick(120_003)), { kind: 'counting', fails: {} }, 'its history is still known')
  t.equal(after(balancing, ...back, tick(120_003), tick(150_003)), undefined)
  t.end()
})

test('failures that were spared in probation grow old like others', t => {
  const spared = passiveStep(records.probation, failure, failover, () => false).record
  t.equal(passiveStep(spared, tick(NOW + 30_001), failover, () => false).record, undefined)
  t.match(passiveStep(spared, tick(NOW + 30_000), failover, () => false).record, { kind: 'counting' })
  t.end()
})

test('a record says when it wants a tick or a trial', t => {
  const due = (...events: readonly PassiveEvent[]) => {
    const record = after(failover, ...events)
    return record && passiveDue(record, failover)
  }
  const out = [fail(1), fail(2), fail(3)]
  t.strictSame(due(fail(1), fail(5)), { kind: 'tick', at: 30_002 })
  t.strictSame(due(...out), { kind: 'trial', at: 30_003 })
  t.strictSame(due(...out, trial(30_003, true)), { kind: 'trial', at: 40_003 })
  const trials = [30_003, 40_003, 50_003, 60_003, 70_003, 80_003].map(at => trial(at, true))
  t.strictSame(due(...out, ...trials), { kind: 'tick', at: 90_003 }, 'the end of the cooldown before the next trial')
  t.strictSame(due(...out, ...trials, tick(90_003)), { kind: 'tick', at: 120_003 })
  t.strictSame(due(...out, trial(30_003, false), trial(90_003, true)), { kind: 'trial', at: 100_003 })
  t.end()
})

test('whatever happens, leaving and being back are told in turns, and only a passed trial is followed by a return (1, 2, 6)', t => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constant('failure' as const),
      route: fc.constantFrom('', 'a', 'b'),
      share: fc.constantFrom(0, 0.5, 0.6),
    }),
    fc.record({ kind: fc.constant('success' as const), route: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constant('trial' as const), ok: fc.boolean() }),
    fc.record({ kind: fc.constant('tick' as const) }),
  )
  const history = fc.array(fc.tuple(event, fc.nat(40_000), fc.boolean()), { maxLength: 80 })
  const check = fc.property(history, fc.boolean(), (events, isFailover) => {
    const rules = isFailover ? failover : balancing
    let record: PassiveRecord | undefined
    let at = 0
    let out = false
    let passedSince: number | null = null
    for (const [given, waits, allowed] of events) {
      at += waits
      const full: PassiveEvent = given.kind === 'failure' ? { ...given, reason: 'reset', at } : { ...given, at }
      const { record: next, change } = passiveStep(record, full, rules, () => allowed)
      if (given.kind === 'trial' && given.ok) passedSince ??= at
      if (given.kind === 'failure' || (given.kind === 'trial' && !given.ok)) {
        // One that may not be ejected again stays where it is, and its cooldown starts anew.
        if (record?.kind === 'cooling' && !allowed) passedSince = at
        else if (record?.kind !== 'ejected' || given.kind === 'trial') passedSince = null
      }
      if (change === 'ejected' && out) throw new Error('6: left twice')
      if (change === 'returned' && !out) throw new Error('6: back twice')
      if (change === 'ejected') out = true
      if (change === 'returned') {
        out = false
        if (passedSince === null) throw new Error('1: back without a trial')
        if (rules.cooldown !== null && at - passedSince < rules.cooldown) throw new Error('2: back too early')
      }
      if (out !== (next?.kind === 'ejected' || next?.kind === 'cooling')) throw new Error(`6: ${next?.kind} untold`)
      if (!out) passedSince = null
      record = next
    }
  })
  t.doesNotThrow(() => fc.assert(check, seeded({ numRuns: 2_000 })))
  t.end()
})
