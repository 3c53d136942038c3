/**
 * "Why is it down, and when does it come back?": a member's state with everything that led to it, and the answer in a sentence.
 */
import type { z } from 'zod'
import { formatDuration } from '../config/units.ts'
import { beatsFrom } from '../core/beats.ts'
import { checksOf } from '../core/checks.ts'
import { newestBeat } from '../core/evaluate.ts'
import { heldBy } from '../core/holds.ts'
import { FROM_HEARTBEAT, instancesOf } from '../core/instances.ts'
import { gatewayOf } from '../core/member.ts'
import type { Failover, FailureReason, Gateway, Hold, MemberView, Pool, Snapshot, Window } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { windowOf } from '../core/windows.ts'
import type { why } from './contract/pools.ts'
import { relative, span } from './contract/span.ts'
import { takesOver } from './views.ts'
import { checkResults, countersOf } from './why-evidence.ts'
import { whyHeld } from './why-held.ts'
import { nobodyWords, shareIn, shareWords } from './why-share.ts'

export type Why = z.output<typeof why>

/** Everything that the explanation of one member is made from. */
interface Case {
  readonly member: MemberView
  readonly pool: Pool
  readonly address: string
  readonly hold: Hold | null
  /** The maintenance window that the hold comes from. */
  readonly window: Window | undefined
  /** An instance of the gateway announced the hold. */
  readonly announced: boolean
  readonly share: Pick<Why, 'slow_start' | 'limit' | 'instances'>
  /** The pool that takes over because nobody serves this one. */
  readonly takesOver: string | null
  /** -Infinity: none was heard. */
  readonly newest: number
  /** Silence counts from here, ms since 1970. */
  readonly heard: number
  /** Ms. */
  readonly threshold: number
  readonly counters: Why['counters']
  readonly checks: Why['checks']
  /** So often in a row its checks have to pass. */
  readonly rise: number
  /** How the gateway's life is told. */
  readonly liveness: Gateway['liveness'] | undefined
  readonly now: number
}

/** Explains the member of `pool` that `gateway` is at `now` (ms, the store's clock), or undefined when it is none. */
export function explain(
  snapshot: Snapshot,
  pool: Pool,
  gateway: string,
  {
    now,
    replica,
    cluster,
    inFlight,
  }: { now: number; replica: string; cluster: string; inFlight: (pool: string, gateway: string) => number },
): Why | undefined {
  const { world } = snapshot
  const view = own(snapshot.pools, pool.name)
  const member = view?.members.find(one => one.gateway === gateway)
  if (view === undefined || member === undefined) return undefined
  const beats = beatsFrom(world.sight.beats, gateway)
  const known = gatewayOf(world, gateway)
  const newest = newestBeat(beats)
  const hold = heldBy(world.holds.value, world.sight.beats, gateway)
  const it: Case = {
    member,
    pool,
    address: known?.address ?? '',
    liveness: known?.liveness,
    checks: checkResults(snapshot, pool.name, gateway),
    rise: known === undefined ? 0 : Math.max(0, ...checksOf(world, pool.name, known).map(({ rise }) => rise)),
    hold,
    window: hold === null ? undefined : windowOf(world.holds.value, gateway, hold.holder),
    announced:
      hold !== null &&
      (hold.reason === 'shutdown' || Object.hasOwn(instancesOf(world.liveness.value, gateway), hold.holder)),
    share: shareIn(snapshot, pool, member, known, inFlight(pool.name, gateway)),
    takesOver: view.serving.kind === 'nobody' ? takesOver(snapshot, view.plan) : null,
    newest,
    heard: Math.max(newest, world.sight.observing_since),
    threshold: world.definitions.value.settings.gateway_down_threshold,
    counters: countersOf(snapshot, pool, gateway, now),
    now,
  }
  const { serving } = view
  const served = 'gateways' in serving ? serving.gateways : 'gateway' in serving ? [serving.gateway] : []
  const { state, ready, cause, since, back_at } = member
  return {
    pool: pool.name,
    gateway,
    state,
    ready,
    serving: served.includes(gateway),
    cause,
    since,
    back_at,
    decided_by: decidedBy(it, replica, cluster),
    failover: view.wish && { ...view.wish },
    newest_beat: Number.isFinite(newest) ? newest : null,
    counters: it.counters,
    checks: it.checks,
    ...it.share,
    takes_over: it.takesOver,
    next_transition: nextTransition(it),
    answer: [
      reason(it),
      ...shareWords(it.share, member, now),
      ...afterthoughts(it, served, view.failing !== null),
      ...asked(it, view.wish),
    ].join(' '),
  }
}

const FAILURES: Readonly<Record<FailureReason, string>> = {
  connect_refused: 'it refused a connection',
  connect_timeout: 'it took no connection in time',
  closed: 'it closed the connection before it answered',
  reset: 'it reset the connection before it answered',
  response_timeout: 'it did not answer in time',
  malformed: 'its answer was malformed',
  body_cut: 'it cut an answer short',
  status: 'it answered with an unhealthy status',
  trial: 'a trial connection failed',
  probe: 'its active checks failed',
  slow: 'its answers took too long',
  ratio: 'too large a share of its requests failed',
}

const isFailure = (cause: string): cause is FailureReason => Object.hasOwn(FAILURES, cause)

function decidedBy(
  { member: { gateway, state, cause }, hold, window, announced }: Case,
  replica: string,
  cluster: string,
): Why['decided_by'] {
  if (state === 'held' && window !== undefined) return { kind: 'window', name: window.name }
  if (state === 'held') return { kind: announced ? 'instance' : 'operator', name: hold?.holder ?? '' }
  if (state === 'disabled' || cause === 'assumed') return { kind: 'definitions', name: gateway }
  if (state !== 'down' && (isFailure(cause) || cause === 'unresolved')) return { kind: 'replica', name: replica }
  return { kind: 'cluster', name: cluster }
}

function nextTransition({
  member,
  hold,
  heard,
  threshold,
  counters,
  checks,
  liveness,
  share,
}: Case): Why['next_transition'] {
  const { state, cause, back_at } = member
  switch (state) {
    case 'held':
      return hold?.until === undefined ? null : { at: hold.until, to: 'released' }
    case 'up':
      if (share.slow_start !== null) return { at: share.slow_start.until, to: 'its whole share', unless: 'it fails' }
      return cause === 'beats' ? { at: heard + threshold, to: 'down', unless: 'a heartbeat comes' } : null
    case 'returning':
      return back_at === null ? null : { at: back_at, to: 'up', unless: breaksReturn(cause, liveness) }
    case 'ejected':
      // What active checks ejected comes back with their verdict, and nobody knows when.
      if (cause === 'probe' && checks.length > 0) return null
      return { at: earliestTrial(counters) ?? back_at ?? 0, to: 'trial' }
    case 'unknown':
    case 'down':
    case 'disabled':
      return null
  }
}

/** What starts the cooldown of a returning member anew. */
function breaksReturn(cause: string, liveness: Gateway['liveness'] | undefined): string {
  if (cause === 'probe' || (!isFailure(cause) && liveness === 'probe')) return 'it fails a check'
  return isFailure(cause) ? 'it fails a trial' : 'it misses heartbeats'
}

function earliestTrial(counters: Why['counters']): number | null {
  const due = counters.flatMap(({ state, until }) => (state === 'ejected' && until !== null ? [until] : []))
  return due.length === 0 ? null : Math.min(...due)
}

function reason(it: Case): string {
  const { member, pool, address, hold, window, newest, threshold, counters, checks, rise, liveness, now } = it
  const { gateway, state, cause, since, back_at, ready } = member
  const ago = since === null ? '' : ` ${relative(since, now)}`
  const cooldown = formatDuration(pool.failback_cooldown)
  const back = back_at === null ? 'later' : upcoming(back_at, now)
  const waits = (pool.mode === 'failover' || pool.hold_out) && pool.failback_cooldown > 0
  switch (state) {
    case 'up':
      if (cause === 'assumed') return `${gateway} is assumed to be up: only its own traffic can tell otherwise.`
      if (liveness === 'probe') return `${gateway} is up: ${lastResult(checks, now)}.`
      return Number.isFinite(newest)
        ? `${gateway} is up: its newest heartbeat came ${relative(newest, now)}.`
        : `${gateway} is up; it was not heard yet since this replica started.`
    case 'returning': {
      const why = isFailure(cause)
        ? `${gateway} was ejected (${FAILURES[cause]}) and ${cause === 'probe' ? 'passes them' : 'passed its trial'} since`
        : `${gateway} was away and ${liveness === 'probe' ? 'passes its checks' : 'beats'} again`
      if (ready) return `${why}; it takes traffic already, and its cooldown of ${cooldown} ends ${back}.`
      return `${why}; it takes traffic again ${back}, after its cooldown of ${cooldown}, unless ${breaksReturn(cause, liveness)}.`
    }
    case 'ejected': {
      if (cause === 'probe' && checks.length > 0) {
        const passes = `It comes back when its checks pass ${rise === 1 ? 'once' : `${rise} times in a row`}`
        return `This replica ejected ${gateway}${ago}: ${lastResult(checks, now)}. ${passes}${waits ? `, after its cooldown of ${cooldown}` : ''}.`
      }
      const failure = isFailure(cause) ? FAILURES[cause] : cause
      const trial = earliestTrial(counters)
      const tried = trial === null ? 'now' : upcoming(trial, now)
      const then = waits
        ? `and takes traffic again ${back} at the earliest, after its cooldown of ${cooldown}`
        : 'and takes traffic again if that works'
      return `This replica ejected ${gateway}${ago}: ${failure}. It is tried again ${tried} ${then}.`
    }
    case 'unknown':
      if (address === FROM_HEARTBEAT) return `No instance of ${gateway} that takes traffic has announced an address.`
      return cause === 'unresolved'
        ? `This replica knows no address of ${address}: ${gateway} can take traffic once the name resolves.`
        : liveness === 'probe'
          ? `${gateway} has not passed its checks yet: ${lastResult(checks, now)}. It takes traffic once it does.`
          : `${gateway} was never heard: it takes traffic with its first heartbeat.`
    case 'down': {
      const then = waits ? `its cooldown of ${cooldown} starts` : 'it takes traffic again'
      if (liveness === 'probe')
        return `${gateway} went down${ago}: ${lastResult(checks, now)}. Once its checks pass again, ${then}.`
      return `${gateway} went down${ago}: no heartbeat for ${formatDuration(threshold)}. With its next heartbeat ${then}.`
    }
    case 'held': {
      const then = cause === 'shutdown' && waits ? `, and then comes its cooldown of ${cooldown}` : ''
      return hold === null ? `${gateway} is held.` : whyHeld(gateway, hold, window, then, now)
    }
    case 'disabled':
      return `${gateway} is switched off in its definition (enabled: false).`
  }
}

/** The newest result of the active checks, a bad one rather than a good one. */
function lastResult(checks: Why['checks'], now: number): string {
  const results = checks.flatMap(({ check, last }) => (last === null ? [] : [{ check, ...last }]))
  const [worst] = results.toSorted((a, b) => Number(a.passed) - Number(b.passed) || b.at - a.at)
  if (worst === undefined) return 'no check was made yet'
  const ends = worst.passed ? 'passed' : `failed ${worst.in_a_row === 1 ? 'once' : `${worst.in_a_row} times in a row`}`
  return `its check ${worst.check} ${ends} (${worst.said}), last ${relative(worst.at, now)}`
}

/** What is due is done within a second. */
function upcoming(at: number, now: number): string {
  return at > now ? relative(at, now) : 'now'
}

function afterthoughts(
  { member, pool, counters, takesOver, now }: Case,
  served: readonly string[],
  failing: boolean,
): string[] {
  const { gateway, ready } = member
  if (!pool.enabled) return [`The pool ${pool.name} is switched off.`]
  if (served.includes(gateway)) {
    if (failing) return ['It keeps failing, and serves because it is the last one that can.']
    if (!ready) return ['It serves all the same, because nobody else can.']
    return ['It serves.', ...warned(counters, now)]
  }
  if (served.length === 0) return ['Meanwhile nobody serves.', nobodyWords(pool, takesOver), ...warned(counters, now)]
  const others = `${served.join(', ')} serves`
  return [ready ? `It stands by; ${others}.` : `Meanwhile ${others}.`, ...warned(counters, now)]
}

/** A failover by hand, as far as it concerns this member. */
function asked(
  { member: { gateway, priority, ready }, pool: { members }, now }: Case,
  wish: Failover | null,
): string[] {
  if (wish === null) return []
  const said = `${wish.by} failed ${wish.kind} to`
  const ago = relative(wish.since, now)
  if (wish.to === gateway) return [`${said} it ${ago}${ready ? '' : ', which counts once it is ready'}.`]
  const isPassedOver = members.findIndex(member => member.gateway === wish.to) >= priority
  return wish.kind === 'over' && isPassedOver ? [`${said} ${wish.to} ${ago}.`] : []
}

function warned(counters: Why['counters'], now: number): string[] {
  const worst = counters
    .flatMap(({ fails, max_fails }) => fails.map(({ count }) => ({ count, max_fails })))
    .sort((a, b) => b.count - a.count)[0]
  const hint = counters.find(one => one.hint !== null)?.hint
  return [
    ...(worst === undefined ? [] : [`Of ${worst.max_fails} failures in a row that eject it, ${worst.count} happened.`]),
    ...(hint ? [`${hint.replica} has ejected it: for ${span(hint.until - now)} one failure is enough here.`] : []),
  ]
}
