/**
 * What is due for the liveness document, and what it becomes. Pure: the silence of a gateway is measured from its newest beat or from
 * the moment since when we have been listening, whichever is later, so that our own absence is never evidence against anybody.
 */
import { beatsFrom } from './beats.ts'
import type { FactDraft } from './events.ts'
import { checkedIn, homesOf } from './homes.ts'
import { nextStale } from './instances.ts'
import { move, type Signal } from './machine.ts'
import type { Beat, Definitions, Gateway, GatewayRecord, Liveness, Sight, World } from './nouns.ts'
import { own } from './own.ts'
import { decide } from './verdicts.ts'

const UNKNOWN: GatewayRecord = { state: 'unknown' }

/** Ms between two beats that a gateway is asked for. */
export function beatInterval(threshold: number): number {
  return Math.min(10_000, Math.floor(threshold / 3))
}

/** Ms without a beat that break a cooldown. */
export function gapTime(threshold: number): number {
  return Math.min(threshold, 3 * beatInterval(threshold))
}

/** Ms by which an evaluation may be late before we take the delay for a pause of our own (2 s, less where gaps are short). */
export function latenessLimit(threshold: number): number {
  return Math.min(2_000, gapTime(threshold) / 4)
}

export function recordOf(liveness: Liveness, gateway: string): GatewayRecord {
  return own(liveness.gateways, gateway) ?? UNKNOWN
}

/** The newest beat of any instance, or -Infinity. */
export function newestBeat(beats: Readonly<Record<string, Beat>>): number {
  let newest = Number.NEGATIVE_INFINITY
  for (const instance in beats) newest = Math.max(newest, beats[instance]?.at ?? newest)
  return newest
}

/** When (ms) active checks that a gateway passes by their verdict were made last, or -Infinity. */
function newestVoucher(definitions: Definitions, checks: Sight['checks'], gateway: string): number {
  let newest = Number.NEGATIVE_INFINITY
  // What a pool found before it was switched off vouches for nobody.
  const places = checkedIn(definitions, gateway)
  for (const [key, record] of Object.entries(checks)) {
    const [pool, name] = key.split('/', 2)
    const place = name === gateway ? places.find(one => one.name === pool) : undefined
    if (place === undefined) continue
    const verdicts = record.map(run => run?.verdict ?? null)
    if (decide(verdicts, place.require) !== true) continue
    for (const run of record) newest = Math.max(newest, run?.at ?? newest)
  }
  return newest
}

interface Due {
  readonly at: number
  readonly signal: Signal
}

type Observation = Pick<Sight, 'beats' | 'checks' | 'observing_since'>

/** The distinct cooldowns of a gateway's enabled pools, ms → pools, shortest first. A gateway in no pool has one of 0. */
function cooldownsOf(definitions: Definitions, gateway: string): readonly [number, readonly string[]][] {
  const lengths = new Map<number, string[]>()
  for (const pool of homesOf(definitions, gateway)) {
    const same = lengths.get(pool.failback_cooldown)
    if (same) same.push(pool.name)
    else lengths.set(pool.failback_cooldown, [pool.name])
  }
  if (lengths.size === 0) lengths.set(0, [])
  return [...lengths].sort(([a], [b]) => a - b)
}

function dueOf(definitions: Definitions, gateway: Gateway, record: GatewayRecord, seen: Observation): Due | null {
  if (gateway.liveness === 'assumed' || record.state === 'unknown' || record.state === 'down') return null
  if (gateway.liveness === 'probe') {
    // What a probe finds is acted upon at once, so only the end of a cooldown is a matter of time.
    const vouched =
      record.state === 'returning' && newestVoucher(definitions, seen.checks, gateway.name) >= seen.observing_since
    return vouched ? cooled(definitions, gateway, record) : null
  }
  const threshold = definitions.settings.gateway_down_threshold
  const newest = newestBeat(beatsFrom(seen.beats, gateway.name))
  const heard = Math.max(newest, seen.observing_since)
  if (record.state === 'up') {
    const at = heard + threshold
    return { at, signal: { kind: 'silence', at } }
  }
  const gap = heard + gapTime(threshold)
  const silence: Due = { at: gap, signal: { kind: 'silence', at: gap } }
  // Only a beat heard since we listen vouches for a return; until one comes, nothing but silence can be due.
  if (newest < seen.observing_since) return silence
  const back = cooled(definitions, gateway, record)
  return gap <= back.at ? silence : back
}

/** The end of the next cooldown that a returning gateway has to sit out. */
function cooled(
  definitions: Definitions,
  gateway: Gateway,
  record: Extract<GatewayRecord, { state: 'returning' }>,
): Due {
  const lengths = cooldownsOf(definitions, gateway.name)
  const next = lengths.findIndex(([length]) => length > record.back)
  // A longest cooldown that was shortened below what is already over ends at once.
  const [length, pools] = lengths[next] ?? [record.back, []]
  const at = next < 0 ? record.returned_at : record.returned_at + length
  return { at, signal: { kind: 'cooled', at, length, pools, last: next < 0 || next === lengths.length - 1 } }
}

/** The earliest moment (ms) at which the liveness document has to move, or Infinity. */
export function nextDue({ definitions, liveness, sight }: World): number {
  let earliest = nextStale(definitions.value, liveness.value, sight)
  for (const gateway of definitions.value.gateways) {
    const due = dueOf(definitions.value, gateway, recordOf(liveness.value, gateway.name), sight)
    if (due) earliest = Math.min(earliest, due.at)
  }
  return earliest
}

/** Nothing that is due comes sooner by a beat: silence it only puts off, and nobody waits for the end of a cooldown. */
export function isSettled({ gateways }: Liveness): boolean {
  return Object.values(gateways).every(({ state }) => state !== 'returning')
}

/** Is there nothing in `after` that what is due depends on, but for beats, that is not in `before`? */
export function onlyBeatsDiffer(before: World, after: World): boolean {
  return (
    after.definitions === before.definitions &&
    after.liveness === before.liveness &&
    after.holds === before.holds &&
    after.sight.checks === before.sight.checks &&
    after.sight.observing_since === before.sight.observing_since
  )
}

export interface Moved {
  readonly liveness: Liveness
  readonly facts: readonly FactDraft[]
}

/**
 * Everything that is due by `now`, told in the order in which it fell due; facts carry `now`, the moment of the decision.
 * Answers the same document when nothing was due. Records of gateways that are no longer defined are dropped.
 */
export function evaluate(definitions: Definitions, liveness: Liveness, seen: Observation, now: number): Moved {
  const records = knownRecords(definitions, liveness)
  const told: { due: number; facts: readonly FactDraft[] }[] = []
  let changed = Object.keys(records).length !== Object.keys(liveness.gateways).length
  for (const gateway of definitions.gateways) {
    let record = recordOf(liveness, gateway.name)
    for (;;) {
      const due = dueOf(definitions, gateway, record, seen)
      if (due === null || due.at > now) break
      const step = move(record, { ...due.signal, at: now }, gateway.name)
      // A due signal always moves its record (invariants 3 and 4); stopping here keeps a mistake from becoming an endless loop.
      if (step.record === record) break
      record = step.record
      told.push({ due: due.at, facts: step.facts })
      records[gateway.name] = record
      changed = true
    }
  }
  if (!changed) return { liveness, facts: [] }
  told.sort((a, b) => a.due - b.due)
  return { liveness: { ...liveness, gateways: records }, facts: told.flatMap(({ facts }) => facts) }
}

/** One signal to one gateway's record; the same value when it changed nothing. */
export function signal(before: Moved, gateway: string, given: Signal): Moved {
  const record = recordOf(before.liveness, gateway)
  const step = move(record, given, gateway)
  if (step.record === record) return before
  return {
    liveness: { ...before.liveness, gateways: { ...before.liveness.gateways, [gateway]: step.record } },
    facts: [...before.facts, ...step.facts],
  }
}

function knownRecords(definitions: Definitions, liveness: Liveness): Record<string, GatewayRecord> {
  const records: Record<string, GatewayRecord> = {}
  for (const { name } of definitions.gateways) {
    const record = own(liveness.gateways, name)
    if (record) records[name] = record
  }
  return records
}
