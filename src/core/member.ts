/**
 * A gateway's state in one pool, computed from what the cluster agreed on, what this replica sees, and the pool's own settings. There is
 * nothing to keep in step: the same gateway may be back in a pool with a short cooldown and still returning in one with a long one.
 */
import { recordOf } from './evaluate.ts'
import { heldBy } from './holds.ts'
import { announcedUpstreams, capacityOf, FROM_HEARTBEAT, isInstanceHeld, shareOf } from './instances.ts'
import type {
  Gateway,
  GatewayPort,
  Member,
  MemberState,
  MemberView,
  PassiveRecord,
  Pool,
  Upstream,
  World,
} from './nouns.ts'
import { own } from './own.ts'
import { rampOf } from './slow-start.ts'

/** What a member's state depends on of its pool. */
export type Judging = Pick<Pool, 'name' | 'mode' | 'failback_cooldown' | 'hold_out' | 'max_connections'>

interface Verdict {
  readonly state: MemberState
  readonly cause: string
  readonly since: number | null
  readonly back_at: number | null
}

/** A member of `pool` as this replica sees it now on `port`; `priority` is its place in order, 1 first. */
export function viewMember(
  world: World,
  pool: Judging,
  member: Member,
  priority: number,
  port: GatewayPort | null = null,
): MemberView {
  const gateway = gatewayOf(world, member.gateway)
  const all = gateway === undefined ? [] : upstreamsOf(world, pool.name, gateway, port)
  const free = all.filter(({ instance }) => instance === undefined || !isInstanceHeld(world, member.gateway, instance))
  const verdict = gateway === undefined || !gateway.enabled ? off('disabled') : judge(world, gateway, pool, free)
  const heldOut = pool.mode === 'failover' || pool.hold_out
  return {
    gateway: member.gateway,
    priority,
    weight: member.weight * shareOf(world, member.gateway) * rampOf(world, pool.name, member.gateway),
    // What this replica may have of it: the others take as much.
    limit: Math.ceil(
      lower(pool.max_connections, capacityOf(world, member.gateway)) / (1 + (world.sight.others?.count ?? 0)),
    ),
    ...verdict,
    ready:
      verdict.state === 'up' ||
      (verdict.state === 'returning' && (!heldOut || isCalledBack(world, pool, member, verdict))),
    upstreams: dialled(world, free),
  }
}

/** Of two limits the one that is reached first; 0 is none. */
function lower(one: number, other: number): number {
  return one === 0 || other === 0 ? one + other : Math.min(one, other)
}

/** An operator has failed back to it before its cooldown was over. A cooldown that began later has to pass. */
function isCalledBack({ holds }: World, pool: Judging, { gateway }: Member, { back_at }: Verdict): boolean {
  const wish = own(holds.value.failovers, pool.name)
  if (wish?.kind !== 'back' || wish.to !== gateway || back_at === null) return false
  return back_at - pool.failback_cooldown <= wish.since
}

/**
 * Every address of a gateway that is known, or of its instances, as upstreams of `pool` on `port`; null: on the port of its HTTP. Held
 * instances are among them: `viewMember` leaves them out.
 */
export function upstreamsOf(
  world: World,
  pool: string,
  gateway: Gateway,
  port: GatewayPort | null = null,
): readonly Upstream[] {
  if (gateway.address === FROM_HEARTBEAT) return announcedUpstreams(world, pool, gateway, port)
  const addresses = isLiteral(gateway.address) ? [gateway.address] : (own(world.sight.addresses, gateway.address) ?? [])
  const at = port ?? gateway.http_port
  return addresses.map(address => ({
    key: `${pool}/${gateway.name}/${address.includes(':') ? `[${address}]` : address}:${at}`,
    pool,
    gateway: gateway.name,
    address,
    port: Number.parseInt(`${at}`, 10),
  }))
}

/** Those that are in rotation; with none of them left those that are cooling, and then all. */
function dialled({ sight }: World, all: readonly Upstream[]): readonly Upstream[] {
  const kind = ({ key }: Upstream) => own(sight.passive, key)?.kind
  const inRotation = all.filter(one => kind(one) !== 'ejected' && kind(one) !== 'cooling')
  if (inRotation.length > 0) return inRotation
  const cooling = all.filter(one => kind(one) === 'cooling')
  return cooling.length > 0 ? cooling : all
}

/** Is it an address, not a name to look up? The schema has taken either only in its valid form. */
export function isLiteral(address: string): boolean {
  return address.includes(':') || /^[0-9.]+$/.test(address)
}

/** By name, made once for each list: with thousands of gateways a walk for each member would hold up traffic at every change. */
const byName = new WeakMap<readonly Gateway[], ReadonlyMap<string, Gateway>>()

export function gatewayOf({ definitions }: World, name: string): Gateway | undefined {
  const { gateways } = definitions.value
  let index = byName.get(gateways)
  if (index === undefined) {
    index = new Map(gateways.map(gateway => [gateway.name, gateway]))
    byName.set(gateways, index)
  }
  return index.get(name)
}

function off(cause: string): Verdict {
  return { state: 'disabled', cause, since: null, back_at: null }
}

function judge(world: World, gateway: Gateway, pool: Judging, all: readonly Upstream[]): Verdict {
  const hold = heldBy(world.holds.value, world.sight.beats, gateway.name)
  if (hold) return { state: 'held', cause: hold.reason, since: hold.since, back_at: hold.until ?? null }
  const shared = agreed(world, gateway, pool)
  if (shared.state === 'down') return shared
  if (all.length === 0) return { state: 'unknown', cause: 'unresolved', since: null, back_at: null }
  const seen = passively(all, world, pool)
  if (seen === null) return shared
  // An ejection outranks what the cluster agreed on; a cooldown of either kind ends when both are over.
  if (seen.state === 'returning' && shared.state === 'unknown') return shared
  return { ...seen, back_at: Math.max(seen.back_at ?? 0, shared.back_at ?? 0) || null }
}

/** What the shared document says, in the eyes of a pool with this cooldown. */
function agreed(world: World, gateway: Gateway, pool: Judging): Verdict {
  if (gateway.liveness === 'assumed') return { state: 'up', cause: 'assumed', since: null, back_at: null }
  const record = recordOf(world.liveness.value, gateway.name)
  const alive = gateway.liveness === 'probe' ? 'checks' : 'beats'
  switch (record.state) {
    case 'unknown':
      return { state: 'unknown', cause: 'never_seen', since: null, back_at: null }
    case 'up':
      return { state: 'up', cause: alive, since: record.since, back_at: null }
    case 'down':
      return {
        state: 'down',
        cause: gateway.liveness === 'probe' ? 'probe' : 'stale',
        since: record.since,
        back_at: null,
      }
    case 'returning': {
      const back = record.returned_at + pool.failback_cooldown
      if (pool.failback_cooldown <= record.back) return { state: 'up', cause: alive, since: back, back_at: null }
      return { state: 'returning', cause: 'cooldown', since: record.went_down_at, back_at: back }
    }
  }
}

/** What this replica's own requests and trials say: only a member all of whose upstreams are out is out. */
function passively(all: readonly Upstream[], world: World, pool: Judging): Verdict | null {
  let best: PassiveRecord | null = null
  for (const { key } of all) {
    const record = own(world.sight.passive, key)
    if (record?.kind !== 'ejected' && record?.kind !== 'cooling') return null
    if (best === null || (best.kind === 'ejected' && record.kind === 'cooling')) best = record
  }
  const cooldown = pool.mode === 'failover' || pool.hold_out ? pool.failback_cooldown : 0
  if (best?.kind === 'ejected')
    return { state: 'ejected', cause: best.reason, since: best.since, back_at: best.until + cooldown }
  if (best?.kind === 'cooling')
    return { state: 'returning', cause: best.reason, since: best.since, back_at: best.returned_at + cooldown }
  return null
}
