/**
 * Slow start: a member that comes back into load balancing gets its share back in ten steps, so that what it has lost while it was away
 * (caches, compiled code) does not make it fall again. Not for `ip_hash`, where a changed weight would move clients twice.
 */
import type { MemberView, Pool, Sight, Snapshot, World } from './nouns.ts'
import { own } from './own.ts'

const STEPS = 10

/** `POOL/GATEWAY`: the key of a ramp. */
const keyOf = (pool: string, gateway: string): string => `${pool}/${gateway}`

/** The share of its weight that a member gets now, 0.1 to 1. */
export function rampOf({ sight }: World, pool: string, gateway: string): number {
  const ramp = own(sight.ramps, keyOf(pool, gateway))
  return ramp === undefined ? 1 : (ramp.step + 1) / STEPS
}

/**
 * The ramps after a step that led from `before` to `after`: those begin whose member has come back with it, those end whose member is out
 * again or is no more. The same value when there is nothing of that.
 */
export function rampsAfter(before: Snapshot | null, after: Snapshot, at: number): Sight['ramps'] {
  const { ramps } = after.world.sight
  const next: Record<string, Sight['ramps'][string]> = {}
  let changed = false
  for (const pool of after.world.definitions.value.pools) {
    if (!startsSlowly(pool)) continue
    const was = before && own(before.pools, pool.name)
    for (const member of own(after.pools, pool.name)?.members ?? []) {
      const key = keyOf(pool.name, member.gateway)
      const running = own(ramps, key)
      const previous = was?.members.find(({ gateway }) => gateway === member.gateway)
      const begins = running === undefined && previous !== undefined && hasReturned(previous, member)
      if (begins) next[key] = { since: at, step: 0 }
      else if (running !== undefined && member.ready) next[key] = running
      changed ||= begins
    }
  }
  return changed || Object.keys(next).length !== Object.keys(ramps).length ? next : ramps
}

/** It was away, and not for want of having been seen, nor because somebody held it. */
function hasReturned(before: MemberView, now: MemberView): boolean {
  if (before.ready || !now.ready) return false
  return ['down', 'ejected', 'returning'].includes(before.state) || now.state === 'returning'
}

function startsSlowly({ mode, lb_policy, slow_start }: Pool): boolean {
  return mode === 'load_balancing' && lb_policy !== 'ip_hash' && slow_start > 0
}

/** The ramps at `at` (ms): further on, or over. The same value when none has moved; `pools` are those in which one has. */
export function rampsAt(
  { definitions, sight }: World,
  at: number,
): { readonly ramps: Sight['ramps']; readonly pools: readonly string[] } {
  const moved = Object.entries(sight.ramps).flatMap(([key, ramp]) => {
    const step = stepAt(lengthOf(definitions.value.pools, key), ramp.since, at)
    return step === ramp.step ? [] : [[key, { ...ramp, step }] as const]
  })
  if (moved.length === 0) return { ramps: sight.ramps, pools: [] }
  const ramps = Object.fromEntries(
    Object.entries({ ...sight.ramps, ...Object.fromEntries(moved) }).filter(([, { step }]) => step < STEPS - 1),
  )
  return { ramps, pools: moved.map(([key]) => poolIn(key)) }
}

/** When (ms) a ramp takes its next step, or Infinity. */
export function nextRampStep({ definitions, sight }: World): number {
  let next = Number.POSITIVE_INFINITY
  for (const [key, { since, step }] of Object.entries(sight.ramps)) {
    next = Math.min(next, since + Math.ceil(((step + 1) * lengthOf(definitions.value.pools, key)) / STEPS))
  }
  return next
}

function stepAt(length: number, since: number, at: number): number {
  return length <= 0 ? STEPS - 1 : Math.min(STEPS - 1, Math.max(0, Math.floor(((at - since) * STEPS) / length)))
}

const poolIn = (key: string): string => key.slice(0, key.indexOf('/'))

function lengthOf(pools: readonly Pool[], key: string): number {
  return pools.find(({ name }) => name === poolIn(key))?.slow_start ?? 0
}
