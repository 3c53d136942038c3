/**
 * "What if?": the snapshot as it would be with some gateways down and others held. It goes through the same steps as what really happens,
 * so it says what then happens.
 */
import { advance } from './advance.ts'
import { type Moved, recordOf, signal } from './evaluate.ts'
import type { Documents } from './events.ts'
import { type HoldsMoved, hold } from './holds.ts'
import type { Snapshot } from './nouns.ts'

export interface Supposed {
  readonly down: readonly string[]
  readonly held: readonly string[]
}

/** `snapshot` as it would be at `now` (ms). Gateways that are only assumed to be up can be down here, too. */
export function simulate(snapshot: Snapshot, { down, held }: Supposed, now: number): Snapshot {
  const seen = watch(snapshot, down, now)
  const { holds, liveness } = seen.world
  const heard: Moved = { liveness: liveness.value, facts: [] }
  const silent = down.reduce((moved, name) => signal(moved, name, { kind: 'silence', at: now }), heard)
  const free: HoldsMoved = { holds: holds.value, facts: [] }
  const wish = { reason: 'drain', holder: 'simulation', since: now } as const
  const kept = held.reduce((moved, name) => hold(moved, name, wish, now), free)
  const documents = { liveness: { ...liveness, value: silent.liveness }, holds: { ...holds, value: kept.holds } }
  return committed(seen, documents, now)
}

/** As if those gateways beat and were heard: who is assumed, or was never heard, could not be seen to go. */
function watch(snapshot: Snapshot, names: readonly string[], now: number): Snapshot {
  const { definitions, liveness } = snapshot.world
  const { gateways } = definitions.value
  const assumed = gateways.filter(one => one.liveness !== 'heartbeat' && names.includes(one.name))
  const unheard = names.filter(name => recordOf(liveness.value, name).state === 'unknown')
  const up = unheard.reduce((moved, name) => signal(moved, name, { kind: 'beat', at: now }), {
    liveness: liveness.value,
    facts: [],
  } as Moved)
  const heard = { liveness: { ...liveness, value: up.liveness } }
  if (assumed.length === 0) return committed(snapshot, heard, now)
  const beating = gateways.map(one => (assumed.includes(one) ? { ...one, liveness: 'heartbeat' as const } : one))
  const watched = { ...definitions, value: { ...definitions.value, gateways: beating } }
  return committed(snapshot, { ...heard, definitions: watched }, now)
}

function committed(snapshot: Snapshot, documents: Partial<Documents>, at: number): Snapshot {
  return advance(snapshot, { kind: 'committed', documents, facts: [], at })?.snapshot ?? snapshot
}
