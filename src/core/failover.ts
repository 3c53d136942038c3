/**
 * Failover and failback by hand. Who serves is derived and never written down, so what an operator asks for is a wish beside the holds:
 *
 * - `over`: a member outranks everybody before it in order, as long as it is ready. It stays until somebody fails back.
 * - `back`: the first in order serves at once, though its cooldown is not over. That ends with the cooldown; if it goes and comes again
 *   meanwhile, its new cooldown counts.
 *
 * A wish ends with its pool, with the pool's failover mode, and with the membership of the gateway it names.
 */
import type { Change, Proposal } from './changes.ts'
import { viewMember } from './member.ts'
import type { Failover, Holds, Pool, World } from './nouns.ts'
import { own } from './own.ts'
import { poolOf, put } from './passive.ts'
import { differ } from './strangers.ts'

/** The operator's wish that counts for `pool`. */
export function wishFor({ holds }: World, pool: Pool): Failover | null {
  const wish = own(holds.value.failovers, pool.name)
  return wish !== undefined && mayServe(pool, wish.to) ? wish : null
}

/** Fails the pool `name` over to `to` in the name of `by`. */
export function failOver(name: string, to: string, by: string): Change {
  return (world, now) => {
    const pool = poolOf(world, name)
    if (pool === undefined) return { kind: 'refusal', code: 'not_found', detail: `there is no pool ${name}` }
    if (pool.mode !== 'failover') return balances(name)
    if (!mayServe(pool, to))
      return { kind: 'refusal', code: 'unknown_reference', detail: `${to} is not a member of ${name}` }
    const before = wishFor(world, pool)
    if (before?.kind === 'over' && before.to === to) return null
    return proposal(world, name, { kind: 'over', to, by, since: now })
  }
}

/** Ends a failover by hand, and lets the first in order serve at once if all it lacks is the end of its cooldown. */
export function failBack(name: string, by: string): Change {
  return (world, now) => {
    const pool = poolOf(world, name)
    if (pool === undefined) return { kind: 'refusal', code: 'not_found', detail: `there is no pool ${name}` }
    if (pool.mode !== 'failover') return balances(name)
    const wish = wishFor(world, pool)
    const views = pool.members.map((member, i) => viewMember(world, pool, member, i + 1))
    const first = views.find(({ state }) => state !== 'disabled')
    if (first?.state === 'returning' && !first.ready) {
      const until = now + pool.failback_cooldown
      return proposal(world, name, { kind: 'back', to: first.gateway, by, since: now, until })
    }
    if (wish?.kind === 'over') return proposal(world, name, undefined)
    if (first === undefined || first.ready) return null
    const detail = `${first.gateway}, the first of ${name}, cannot serve: it is ${first.state} (${first.cause})`
    return { kind: 'refusal', code: 'member_not_ready', detail }
  }
}

/** `holds` without the failovers that are over at `now` (ms); the same document when none is. */
export function endFailovers(world: World, holds: Holds, now: number): Holds {
  const left = Object.entries(holds.failovers).filter(wish => endOf(world, wish) > now)
  if (left.length === Object.keys(holds.failovers).length) return holds
  return { ...holds, failovers: Object.fromEntries(left) }
}

/** The earliest moment (ms) at which a failover by hand is over, or Infinity. */
export function nextFailoverEnd(world: World): number {
  const ends = Object.entries(world.holds.value.failovers).map(wish => endOf(world, wish))
  return Math.min(...ends, Number.POSITIVE_INFINITY)
}

function endOf(world: World, [name, wish]: readonly [string, Failover]): number {
  const pool = poolOf(world, name)
  if (pool === undefined) return differ(world) ? Number.POSITIVE_INFINITY : wish.since
  if (!mayServe(pool, wish.to)) return wish.since
  return wish.kind === 'back' ? wish.until : Number.POSITIVE_INFINITY
}

function mayServe({ mode, members }: Pool, gateway: string): boolean {
  return mode === 'failover' && members.some(member => member.gateway === gateway)
}

function balances(name: string) {
  const detail = `${name} balances its load: there is nobody to fail over from`
  return { kind: 'refusal', code: 'pool_balances', detail } as const
}

function proposal({ holds: { value: holds } }: World, name: string, wish: Failover | undefined): Proposal {
  const next = { ...holds, failovers: put(holds.failovers, name, wish) }
  const audit = { subject: `pool:${name}`, before: own(holds.failovers, name) ?? null, after: wish ?? null }
  return { documents: { holds: next }, facts: [], audit }
}
