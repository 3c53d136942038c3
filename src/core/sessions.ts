/**
 * What becomes of a long connection (an upgraded HTTP connection, TCP, passed-through TLS) when its member goes down, is drained, or hands
 * its traffic back: the pool's choice (`sessions`). Told by the step between two snapshots and not by the later one alone: whoever
 * connects to a member that is out already, as in an emergency, is not cut off for it.
 */
import { isInstanceHeld } from './instances.ts'
import type { MemberState, Pool, Snapshot, Upstream } from './nouns.ts'
import { own } from './own.ts'
import { viewAt } from './snapshot.ts'

/** Why a long connection is closed. */
export type SessionEnd = 'down' | 'drain' | 'failback'

/** Where a long connection leads. */
export interface SessionPlace {
  /** The plan that it was picked by; see `targetKey`. */
  readonly target: string
  readonly upstream: Upstream
}

/** Whether the step from `before` to `after` ends a long connection, and why; null: it is kept. */
export function sessionEnd(before: Snapshot, after: Snapshot, place: SessionPlace): SessionEnd | null {
  const { on_down, on_drain } = settingsOf(after, place.upstream.pool)
  if (on_down === 'close' && isDown(after, place) && !isDown(before, place)) return 'down'
  if (on_drain === 'close' && isHeld(after, place) && !isHeld(before, place)) return 'drain'
  return isHandedBack(before, after, place) ? 'failback' : null
}

const KEEP: Pool['sessions'] = { on_down: 'keep', on_drain: 'finish', on_failback: 'keep' }

function settingsOf({ world }: Snapshot, pool: string | null): Pool['sessions'] {
  return world.definitions.value.pools.find(({ name }) => name === pool)?.sessions ?? KEEP
}

/** Gone in the eyes of the cluster, or ejected by this replica: then it takes no new connection either. */
function isDown(snapshot: Snapshot, place: SessionPlace): boolean {
  const state = stateOf(snapshot, place)
  return (
    state === 'down' || state === 'ejected' || own(snapshot.world.sight.passive, place.upstream.key)?.kind === 'ejected'
  )
}

function isHeld(snapshot: Snapshot, place: SessionPlace): boolean {
  const { gateway, instance } = place.upstream
  return (
    stateOf(snapshot, place) === 'held' || (instance !== undefined && isInstanceHeld(snapshot.world, gateway, instance))
  )
}

/** The first in order serves again, and this connection leads to whoever stood in for it. */
function isHandedBack(before: Snapshot, after: Snapshot, { target, upstream }: SessionPlace): boolean {
  const then = viewAt(before, target)?.serving.kind
  if (then !== 'failover' && then !== 'emergency') return false
  const view = viewAt(after, target)
  if (view?.serving.kind !== 'first' || view.serving.gateway === upstream.gateway) return false
  return settingsOf(after, view.plan.pool).on_failback === 'close'
}

/** The state of the member that the connection leads to, on its port; undefined when it is none any more. */
function stateOf({ pools, ports }: Snapshot, { target, upstream }: SessionPlace): MemberState | undefined {
  const { pool, gateway } = upstream
  const at = target.indexOf('@')
  const view = (at === -1 ? undefined : own(ports, pool + target.slice(at))) ?? own(pools, pool)
  return view?.members.find(member => member.gateway === gateway)?.state
}
