/**
 * The health of one upstream: from the outcomes of real traffic, from trials, and from the verdicts of active checks. Pure; whether an ejection is allowed is asked of the
 * pool (`mayEject`), since the last member that could serve stays.
 *
 *    (nothing) ──failure──► counting ──max_fails──► ejected ──trial ok, load_balancing──► probation ──time──► (nothing)
 *        ▲                    │  ▲                   ▲  ▲ │                                  │   ▲
 *        └──────success───────┘  └── not allowed     │  │ └─trial ok, failover─► cooling ────┼───┘ cooldown over
 *                                                    │  └────trial or request failed─┘ ▲ │   │
 *                                                    │                     not allowed └─┘   │
 *                                                    └──────────one failure──────────────────┘
 *
 * Invariants (numbers used in the tests):
 *  1. Only a passed trial ends an ejection, never time alone; one that a verdict began ends with a good verdict.
 *  2. In failover mode an ejected upstream serves again only after the pool's whole cooldown without a failed trial or request.
 *  3. An ejection lasts `ejection` × how often in a row, at most `max_ejection`.
 *  4. A good answer ends the run of connection failures, and of the bad statuses of its own route; not of another route's.
 *  5. A step that changes nothing answers the very same record.
 *  6. That it left and that it is back are told in turns: an ejection that goes on is not told again.
 */

import type { EjectionHistory, Fails, FailureReason, PassiveRecord } from './nouns.ts'
import { own } from './own.ts'

/** Ms between two trials of an upstream that is cooling. */
const COOLING_TRIAL_EVERY = 10_000

export interface PassiveRules {
  readonly max_fails: number
  /** Ms: failures further apart than this are not consecutive. */
  readonly fail_duration: number
  /** A larger share of failures ejects too. */
  readonly max_fail_ratio: number
  /** Ms of a first ejection. */
  readonly ejection: number
  /** Ms at most. */
  readonly max_ejection: number
  /** Ms between a passed trial and serving again; null: at once (load_balancing). */
  readonly cooldown: number | null
  /** Active checks are made of it: what they ejected waits for their verdict. */
  readonly checked: boolean
}

export type PassiveEvent =
  /** `share`: how many of its requests failed lately, 0 to 1. */
  | {
      readonly kind: 'failure'
      readonly reason: FailureReason
      readonly route: string
      readonly share: number
      readonly at: number
    }
  | { readonly kind: 'success'; readonly route: string; readonly at: number }
  | { readonly kind: 'trial'; readonly ok: boolean; readonly at: number }
  /** What the active checks say, at each result of theirs: the verdict, and whether the last results alone would pass; null: unknown. */
  | {
      readonly kind: 'verdict'
      readonly verdict: boolean | null
      readonly passing: boolean | null
      readonly at: number
    }
  | { readonly kind: 'tick'; readonly at: number }

export interface PassiveStep {
  readonly record: PassiveRecord | undefined
  /** What the rest of the world has to know: it left, it is back, or it would have been ejected and was not allowed to. */
  readonly change: 'ejected' | 'returned' | 'spared' | null
  readonly reason: FailureReason
}

type State = PassiveRecord['kind'] | 'clean'
type Cell<S extends State, K extends PassiveEvent['kind']> = (
  record: S extends 'clean' ? undefined : Extract<PassiveRecord, { kind: S }>,
  event: Extract<PassiveEvent, { kind: K }>,
  rules: PassiveRules,
  mayEject: () => boolean,
) => PassiveStep
type Table = { readonly [S in State]: { readonly [K in PassiveEvent['kind']]: Cell<S, K> } }

const NO_FAILS: Fails = {}
const NO_HISTORY: EjectionHistory = { times: 0, forget_at: 0 }

const stay = (record: PassiveRecord | undefined): PassiveStep => ({ record, change: null, reason: 'trial' })

/** Every state × every event. */
export const ejection: Table = {
  clean: {
    failure: (_, event, rules, mayEject) => count(NO_FAILS, NO_HISTORY, event, rules, mayEject),
    success: stay,
    trial: stay,
    verdict: (_, event, rules, mayEject) => condemn(undefined, NO_HISTORY, event, rules, mayEject),
    tick: stay,
  },
  counting: {
    failure: (record, event, rules, mayEject) => count(record.fails, record.history, event, rules, mayEject),
    success: (record, { route, at }) => {
      const fails = excused(record.fails, route)
      return fails === record.fails ? stay(record) : stay(counting(fails, record.history, at))
    },
    trial: stay,
    verdict: (record, event, rules, mayEject) => condemn(record, record.history, event, rules, mayEject),
    tick: (record, { at }, rules) => {
      // Failures too old to be followed by another are forgotten, so that a quiet upstream leaves no record behind.
      const fails = recent(record.fails, at, rules)
      const next = counting(fails, record.history, at)
      return stay(next !== undefined && fails === record.fails ? record : next)
    },
  },
  ejected: {
    failure: stay,
    success: stay,
    trial: (record, { ok, at }, rules) =>
      ok ? returnFrom(record, at, rules) : ejectAgain(record, record.reason, at, rules),
    verdict: (record, { verdict, at }, rules) =>
      verdict === true && record.reason === 'probe' ? returnFrom(record, at, rules) : stay(record),
    tick: stay,
  },
  cooling: {
    // One failure is a gap: it is out again, or, where it may not be, its cooldown starts anew.
    failure: (record, { reason, at }, rules, mayEject) =>
      mayEject() ? ejectAgain(record, reason, at, rules) : { record: gap(record, at), change: 'spared', reason },
    success: stay,
    trial: (record, { ok, at }, rules, mayEject) => {
      if (ok) return stay({ ...record, next_trial: at + COOLING_TRIAL_EVERY })
      return mayEject() ? ejectAgain(record, 'trial', at, rules) : stay(gap(record, at))
    },
    // Whoever comes back has no failure to spare: one is a gap, whatever the verdict is.
    verdict: (record, { passing, at }, rules, mayEject) => {
      if (passing !== false) return stay(record)
      return mayEject()
        ? ejectAgain(record, 'probe', at, rules)
        : { record: gap(record, at), change: 'spared', reason: 'probe' }
    },
    tick: (record, { at }, rules) =>
      at >= record.returned_at + (rules.cooldown ?? 0) ? comeBack(record, at, rules) : stay(record),
  },
  probation: {
    failure: (record, event, rules, mayEject) =>
      count(record.fails, record.history, event, { ...rules, max_fails: 1 }, mayEject, record),
    success: (record, { route }) => {
      const fails = excused(record.fails, route)
      return fails === record.fails ? stay(record) : stay({ ...record, fails })
    },
    trial: stay,
    verdict: (record, event, rules, mayEject) => condemn(record, record.history, event, rules, mayEject),
    tick: (record, { at }, rules) =>
      at >= record.until ? stay(counting(recent(record.fails, at, rules), record.history, at)) : stay(record),
  },
}

/** One step of one upstream's record; `undefined` means that nothing is held against it. */
export function passiveStep(
  record: PassiveRecord | undefined,
  event: PassiveEvent,
  rules: PassiveRules,
  mayEject: () => boolean,
): PassiveStep {
  const state: State = record === undefined ? 'clean' : record.kind
  // The table is total; TypeScript cannot follow the two lookups at once.
  const cell = ejection[state][event.kind] as (
    record: PassiveRecord | undefined,
    event: PassiveEvent,
    rules: PassiveRules,
    mayEject: () => boolean,
  ) => PassiveStep
  return cell(record, event, rules, mayEject)
}

/** When (ms) a record wants a tick or a trial next, or Infinity. */
export function passiveDue(
  record: PassiveRecord,
  rules: PassiveRules,
): { readonly kind: 'tick' | 'trial'; readonly at: number } {
  switch (record.kind) {
    case 'counting': {
      const oldest = Math.min(...Object.values(record.fails).map(({ first_at }) => first_at))
      return {
        kind: 'tick',
        at: oldest === Number.POSITIVE_INFINITY ? record.history.forget_at : oldest + rules.fail_duration + 1,
      }
    }
    case 'ejected':
      return { kind: 'trial', at: record.reason === 'probe' && rules.checked ? Number.POSITIVE_INFINITY : record.until }
    case 'cooling': {
      const over = record.returned_at + (rules.cooldown ?? 0)
      return over <= record.next_trial ? { kind: 'tick', at: over } : { kind: 'trial', at: record.next_trial }
    }
    case 'probation':
      return { kind: 'tick', at: record.until }
  }
}

function count(
  fails: Fails,
  history: EjectionHistory,
  { reason, route, share, at }: Extract<PassiveEvent, { kind: 'failure' }>,
  rules: PassiveRules,
  mayEject: () => boolean,
  probation?: Extract<PassiveRecord, { kind: 'probation' }>,
): PassiveStep {
  const before = own(fails, route)
  const fresh = before !== undefined && at - before.first_at <= rules.fail_duration
  const now = fresh ? { count: before.count + 1, first_at: before.first_at } : { count: 1, first_at: at }
  const inARow = now.count >= rules.max_fails
  const tooMany = inARow || share > rules.max_fail_ratio
  if (tooMany && mayEject()) return eject(inARow ? reason : 'ratio', history, at, rules)
  const next = { ...fails, [route]: now }
  return {
    record: probation ? { ...probation, fails: next } : { kind: 'counting', fails: next, history },
    change: tooMany ? 'spared' : null,
    reason,
  }
}

/** What a false verdict does to an upstream in rotation; a good one says nothing against what its own traffic says. */
function condemn(
  record: PassiveRecord | undefined,
  history: EjectionHistory,
  { verdict, at }: Extract<PassiveEvent, { kind: 'verdict' }>,
  rules: PassiveRules,
  mayEject: () => boolean,
): PassiveStep {
  if (verdict !== false) return stay(record)
  return mayEject() ? eject('probe', history, at, rules) : { record, change: 'spared', reason: 'probe' }
}

function returnFrom(record: Extract<PassiveRecord, { kind: 'ejected' }>, at: number, rules: PassiveRules): PassiveStep {
  if (rules.cooldown === null) return comeBack(record, at, rules)
  const { since, reason, history } = record
  return stay({ kind: 'cooling', since, returned_at: at, next_trial: at + COOLING_TRIAL_EVERY, reason, history })
}

type Out = Extract<PassiveRecord, { kind: 'ejected' | 'cooling' }>

/** Still out: it was told when it left, and nothing new has to be known. */
function ejectAgain({ since, history }: Out, reason: FailureReason, at: number, rules: PassiveRules): PassiveStep {
  return { ...eject(reason, history, at, rules, since), change: null }
}

function gap(record: Extract<PassiveRecord, { kind: 'cooling' }>, at: number): PassiveRecord {
  return { ...record, returned_at: at, next_trial: at + COOLING_TRIAL_EVERY }
}

function eject(
  reason: FailureReason,
  history: EjectionHistory,
  at: number,
  rules: PassiveRules,
  since = at,
): PassiveStep {
  const times = (at < history.forget_at ? history.times : 0) + 1
  const lasts = Math.min(rules.ejection * times, rules.max_ejection)
  return {
    // While it is out nothing is forgotten; how long it has to serve is set when it comes back.
    record: {
      kind: 'ejected',
      since,
      until: at + lasts,
      reason,
      history: { times, forget_at: Number.MAX_SAFE_INTEGER },
    },
    change: 'ejected',
    reason,
  }
}

function comeBack(record: Out, at: number, rules: PassiveRules): PassiveStep {
  const { times } = record.history
  const history = { times, forget_at: at + Math.min(rules.ejection * times, rules.max_ejection) }
  return {
    record: { kind: 'probation', until: at + rules.fail_duration, fails: NO_FAILS, history },
    change: 'returned',
    reason: record.reason,
  }
}

function counting(fails: Fails, history: EjectionHistory, at: number): PassiveRecord | undefined {
  return Object.keys(fails).length === 0 && at >= history.forget_at ? undefined : { kind: 'counting', fails, history }
}

/** The failures that are still young enough to count; the same object when all are. */
function recent(fails: Fails, at: number, rules: PassiveRules): Fails {
  const kept = Object.entries(fails).filter(([, { first_at }]) => at - first_at <= rules.fail_duration)
  return kept.length === Object.keys(fails).length ? fails : Object.fromEntries(kept)
}

/** What is left after a good answer on `route`; the same object when there was nothing to excuse. */
function excused(fails: Fails, route: string): Fails {
  if (!Object.hasOwn(fails, '') && !Object.hasOwn(fails, route)) return fails
  const { '': _connections, [route]: _statuses, ...rest } = fails
  return rest
}
