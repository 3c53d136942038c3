/** What is true of a world, worked out in the plainest way, for the oracle to compare with; and how it complains. */
import { beatsFrom } from '../../src/core/beats.ts'
import type { Plan, Pool, Snapshot, World } from '../../src/core/nouns.ts'
import { own } from '../../src/core/own.ts'
import { targetKey } from '../../src/core/plan.ts'

/** Invariant `number` of the oracle does not hold. */
export function violated(number: number, what: string): never {
  throw new Error(`invariant ${number} is broken: ${what}`)
}

/** The addresses that the instances of a gateway announced: of those that are known, or of those of them that are not held. */
export function announced({ liveness, holds, sight }: World, gateway: string, free: boolean): readonly string[] {
  const wishes = own(holds.value.gateways, gateway) ?? []
  const addresses = Object.keys(own(liveness.value.instances, gateway) ?? {}).flatMap(instance => {
    if (free && wishes.some(wish => wish.instance === instance)) return []
    return own(beatsFrom(sight.beats, gateway), instance)?.said.address ?? []
  })
  return [...new Set(addresses)]
}

/** `pool/gateway` → the keys of its upstreams; `free`: without those of instances that are held. */
export function keysOf(world: World, free = false): ReadonlyMap<string, readonly string[]> {
  const { definitions, sight } = world
  const keys = new Map<string, readonly string[]>()
  for (const { name, address, http_port } of definitions.value.gateways) {
    const named = /^[\d.]+$/.test(address) ? [address] : (own(sight.addresses, address) ?? [])
    const addresses = address === 'from_heartbeat' ? announced(world, name, free) : named
    for (const { name: pool, members } of definitions.value.pools) {
      if (!members.some(({ gateway }) => gateway === name)) continue
      const ofMember = addresses.map(one => `${pool}/${name}/${one}:${http_port}`)
      keys.set(`${pool}/${name}`, ofMember)
    }
  }
  return keys
}

/** The distinct cooldowns of a gateway, and the enabled pools that have them. */
export function cooldowns(world: World, gateway: string): ReadonlyMap<number, readonly string[]> {
  const lengths = new Map<number, string[]>()
  for (const { name, enabled, members, failback_cooldown } of world.definitions.value.pools) {
    if (!enabled || !members.some(member => member.gateway === gateway)) continue
    lengths.set(failback_cooldown, [...(lengths.get(failback_cooldown) ?? []), name])
  }
  return lengths.size > 0 ? lengths : new Map([[0, []]])
}

export function isHeartbeat(world: World, gateway: string): boolean {
  return world.definitions.value.gateways.find(({ name }) => name === gateway)?.liveness === 'heartbeat'
}

/** Has the cluster known it alive? */
export function seen(world: World, gateway: string): boolean {
  const assumed = world.definitions.value.gateways.find(({ name }) => name === gateway)?.liveness === 'assumed'
  return assumed || (own(world.liveness.value.gateways, gateway)?.state ?? 'unknown') !== 'unknown'
}

interface Standing {
  readonly state: string
  readonly ready: boolean
  readonly back: number
}

/** How a member stands; `keys` are its upstreams. */
function standing(world: World, pool: Pool, name: string, keys: readonly string[]): Standing {
  const { definitions, holds, liveness, sight } = world
  const gateway = definitions.value.gateways.find(one => one.name === name)
  const wish = own(holds.value.failovers, pool.name)
  const calledBack = wish?.kind === 'back' && wish.to === name
  const is = (state: string, back = 0): Standing => {
    const heldOut = pool.mode === 'failover' || pool.hold_out
    const serves = !heldOut || (calledBack && back - pool.failback_cooldown <= wish.since)
    return { state, ready: state === 'up' || (state === 'returning' && serves), back }
  }
  if (!gateway?.enabled) return is('disabled')
  const wishes = own(holds.value.gateways, name) ?? []
  const instances = Object.keys(beatsFrom(sight.beats, name))
  const isHeld = (instance: string) => wishes.some(wish => wish.instance === instance)
  if (wishes.some(wish => wish.instance === undefined)) return is('held')
  if (instances.length > 0 ? instances.every(isHeld) : wishes.some(wish => !wish.shared)) return is('held')
  const record = own(liveness.value.gateways, name) ?? { state: 'unknown' }
  const agreed = gateway.liveness === 'assumed' ? 'up' : record.state
  if (agreed === 'down') return is('down')
  if (keys.length === 0) return is('unknown')
  const cools = record.state === 'returning' && agreed === 'returning' && pool.failback_cooldown > record.back
  const backShared = cools ? record.returned_at + pool.failback_cooldown : 0
  const records = keys.map(key => own(sight.passive, key))
  const out = records.flatMap(one => (one?.kind === 'ejected' || one?.kind === 'cooling' ? [one] : []))
  if (out.length === keys.length) {
    const cooldown = pool.mode === 'failover' || pool.hold_out ? pool.failback_cooldown : 0
    const best = out.find(one => one.kind === 'cooling') ?? out[0]
    if (best?.kind === 'ejected') return is('ejected', Math.max(best.until + cooldown, backShared))
    if (best?.kind === 'cooling' && agreed !== 'unknown')
      return is('returning', Math.max(best.returned_at + cooldown, backShared))
  }
  if (agreed === 'unknown') return is('unknown')
  return cools ? is('returning', backShared) : is('up')
}

/** Invariants 1 to 3. */
export function checkPlans({ world, pools, pinned }: Snapshot): void {
  const standings = new Map<string, Standing>()
  const keys = keysOf(world, true)
  for (const pool of world.definitions.value.pools) {
    for (const { gateway } of pool.members) {
      const at = `${pool.name}/${gateway}`
      standings.set(at, standing(world, pool, gateway, keys.get(at) ?? []))
    }
    const plan = own(pools, pool.name)?.plan
    checkPlan(world, plan, standings, pool.name)
    const isReady = ({ gateway }: Pool['members'][number]) => standings.get(`${pool.name}/${gateway}`)?.ready
    const byOrder = pool.enabled ? pool.members.filter(isReady).map(({ gateway }) => gateway) : []
    const wish = own(world.holds.value.failovers, pool.name)
    const chosen = wish?.kind === 'over' && pool.mode === 'failover' ? wish.to : undefined
    const ready = byOrder.toSorted((a, b) => Number(b === chosen) - Number(a === chosen))
    const offered = plan?.choices.map(({ gateway }) => gateway) ?? []
    if (ready.join() !== offered.join())
      violated(3, `${pool.name} offers ${offered.join()}, and ${ready.join()} are ready`)
  }
  for (const route of world.definitions.value.routes) {
    const key = targetKey(route)
    if ('gateway' in route.target) checkPlan(world, own(pinned, key)?.plan, standings, key)
  }
}

function isHeldAlone({ holds }: World, gateway: string, instance: string): boolean {
  return own(holds.value.gateways, gateway)?.some(wish => wish.instance === instance) ?? false
}

const RANKS = ['returning', 'ejected', 'unknown']

function checkPlan(world: World, plan: Plan | undefined, standings: ReadonlyMap<string, Standing>, of: string): void {
  for (const { pool, gateway, upstreams } of plan?.choices ?? violated(12, `${of} has no plan`)) {
    const is = standings.get(`${pool}/${gateway}`)
    if (is !== undefined && !is.ready)
      violated(RANKS.includes(is.state) ? 2 : 1, `${of} offers ${gateway}, which is ${is.state}`)
    if (upstreams.length === 0) violated(2, `${of} offers ${gateway} without an address`)
    const heldOne = upstreams.find(({ instance }) => instance !== undefined && isHeldAlone(world, gateway, instance))
    if (heldOne) violated(1, `${of} offers the instance ${heldOne.instance} of ${gateway}, which is held`)
    const out = upstreams.filter(({ key }) => isOut(world, key))
    if (out.length > 0 && out.length < upstreams.length)
      violated(2, `${of} offers ${gateway} at ${out[0]?.key}, which is out`)
  }
  let last = { rank: -1, back: 0 }
  for (const { pool, gateway } of plan?.emergency ?? []) {
    const is = standings.get(`${pool}/${gateway}`)
    if (is === undefined) continue
    const rank = RANKS.indexOf(is.state)
    if (rank < 0) violated(1, `${of} falls back on ${gateway}, which is ${is.state}`)
    if (rank < last.rank || (rank === last.rank && is.back < last.back))
      violated(2, `${of} falls back on ${gateway} too late`)
    last = { rank, back: is.back }
  }
}

/** Invariant 11: might the upstream `key` leave its pool? */
export function mayGo({ world, pools }: Snapshot, key: string): void {
  const [poolName = '', gateway] = key.split('/')
  const pool = world.definitions.value.pools.find(({ name }) => name === poolName)
  const members = own(pools, poolName)?.members
  if (pool === undefined || members === undefined) violated(10, `${key} is in no pool`)
  const others = members.filter(member => member.gateway !== gateway)
  const itself = members.find(member => member.gateway === gateway)
  if (itself?.upstreams.some(one => one.key !== key && !isOut(world, one.key))) return
  if (!others.some(({ state }) => state === 'up' || state === 'returning'))
    violated(11, `${key} was the last of ${poolName} that could serve`)
  const out = others.filter(({ state }) => state === 'ejected').length + 1
  if (pool.mode === 'load_balancing' && out > Math.ceil((members.length * pool.passive.max_ejected) / 100))
    violated(11, `${out} of ${members.length} members of ${poolName} are ejected`)
}

function isOut({ sight }: World, key: string): boolean {
  return ['ejected', 'cooling'].includes(own(sight.passive, key)?.kind ?? '')
}

/** Deep equality of plain data; much faster than the general one. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(key => Object.hasOwn(b, key) && same(a[key as keyof typeof a], b[key as keyof typeof b]))
}
