/**
 * What traffic keeps of each upstream between requests: its load, and what a protocol holds open to it. Keyed by upstream, so that a
 * change of definitions keeps them; dropped when the snapshot no longer knows them.
 */
import type { Choice, Plan, Sight, Snapshot, Upstream } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { poolOf, upstreamOf } from '../core/passive.ts'
import { policies } from '../core/policies/policies.ts'
import { type Candidate, freshLoad, type Policy } from '../core/policies/policy.ts'
import { viewAt } from '../core/snapshot.ts'
import { RetryBudget } from './budget.ts'
import { Recent } from './recent.ts'
import type { Taken, Together } from './shared.ts'
import { compileSticky, type Sticky } from './sticky.ts'

/** One upstream. `held` is the business of the protocol that dials it: its idle connections. */
export interface Slot extends Candidate {
  name: string
  weight: number
  upstream: Upstream
  readonly member: MemberSlot
  readonly held: Held
  /** Connects, answers and failures so far, for the metrics. */
  readonly counts: { requests: number; failures: number }
  readonly recent: Recent
  /** The sight in which nothing was held against it when that was last looked at; null: there was something, or nobody looked. */
  cleanIn: Sight | null
}

/** What a protocol keeps open to an upstream. */
export interface Held {
  /** The upstream is gone for good: let go of what is idle. */
  release(): void
}

/** One member of one pool: what policies choose among. It outlives the plans in which it stands. */
export interface MemberSlot extends Candidate {
  readonly pool: string
  weight: number
  /** In flight at most, by all protocols together. */
  limit: number
  readonly together: Together
  /** Where `together` is counted. */
  readonly counted: string
  /** Attempts that failed, also at upstreams that are gone: what is told of a member does not grow less when one of its instances leaves. */
  failures: number
  /** Ms after which an answer is a failure in its pool; 0: however long it takes. */
  slowAfter: number
  /** Does anybody want to know how long its answers take? */
  timed: boolean
  choice: Choice | null
  slots: readonly Slot[]
  instances: Policy<Slot>
}

/** A plan made ready to pick from. */
export interface Picker {
  readonly plan: Plan
  /** The snapshot for which `plan` was last found to be the one. */
  seen: Snapshot
  readonly choices: Policy<MemberSlot>
  readonly members: readonly MemberSlot[]
  readonly emergency: readonly MemberSlot[]
  readonly budget: RetryBudget
  /** What keeps clients with their members; null: nothing. Made with `stickyKey`. */
  readonly sticky: Sticky | null
  readonly stickyKey: string | undefined
}

/**
 * Requests, tunnels and connections under way in a gateway, or in one instance of it where instances have addresses, as a member of `pool`;
 * null: of any pool, or of none.
 */
export type InFlight = (pool: string | null, gateway: string, instance?: string) => number

const NOBODY: Policy<Slot> = { pick: () => undefined }

export class Slots {
  readonly #random: () => number
  readonly #taken: Taken
  readonly #hold: (upstream: Upstream) => Held
  readonly #slots = new Map<string, Slot>()
  readonly #members = new Map<string, MemberSlot>()
  readonly #pickers = new Map<string, Picker>()
  readonly #budgets = new Map<string, RetryBudget>()

  /** `hold` makes what the protocol keeps for an upstream. */
  constructor(random: () => number, taken: Taken, hold: (upstream: Upstream) => Held) {
    this.#random = random
    this.#taken = taken
    this.#hold = hold
  }

  /** The picker of `target` (see `targetKey`) in `snapshot`, built only when its plan is another than last time. */
  picker(snapshot: Snapshot, target: string): Picker | undefined {
    const known = this.#pickers.get(target)
    if (known?.seen === snapshot) return known
    const plan = viewAt(snapshot, target)?.plan
    const { sticky_key: stickyKey } = snapshot.world.access.value
    if (known !== undefined && known.plan === plan && known.stickyKey === stickyKey) {
      known.seen = snapshot
      return known
    }
    if (plan === undefined) {
      this.#pickers.delete(target)
      return undefined
    }
    const at = target.indexOf('@')
    const port = at < 0 ? '' : target.slice(at)
    const pool = plan.pool === null ? undefined : poolOf(snapshot.world, plan.pool)
    const members = plan.choices.map(choice => this.#member(snapshot, choice, port))
    // In a failover pool, and for a pinned route, the order decides.
    const balances = plan.policy !== 'ordered' && port === ''
    const sticky =
      balances && pool?.sticky !== undefined && stickyKey !== undefined
        ? compileSticky(pool.sticky.cookie, stickyKey, pool.name, members)
        : null
    const picker: Picker = {
      plan,
      seen: snapshot,
      members,
      choices: policies[plan.policy](members, this.#random, monotonic),
      sticky,
      stickyKey,
      emergency: plan.emergency.map(choice => this.#member(snapshot, choice, port)),
      budget: this.#budget(plan.pool ?? target),
    }
    this.#pickers.set(target, picker)
    return picker
  }

  /** Every upstream that traffic knows, for the metrics and the status. */
  all(): Iterable<Slot> {
    return this.#slots.values()
  }

  /** Every member that traffic knows; on each port it is one. */
  members(): Iterable<MemberSlot> {
    return this.#members.values()
  }

  readonly inFlight: InFlight = (pool, gateway, instance) => {
    let sum = 0
    for (const { upstream, load } of this.#slots.values()) {
      const isMeant =
        upstream.gateway === gateway &&
        (pool === null || upstream.pool === pool) &&
        (instance === undefined || (upstream.instance ?? instance) === instance)
      if (isMeant) sum += load.inFlight
    }
    return sum
  }

  /** To be called once a second: fills the budgets and lets go of what `snapshot` no longer knows and nothing uses. */
  second(snapshot: Snapshot): void {
    for (const budget of this.#budgets.values()) budget.second()
    for (const [target, { plan }] of this.#pickers)
      if (viewAt(snapshot, target)?.plan !== plan) this.#pickers.delete(target)
    for (const [key, slot] of this.#slots) {
      const { requests, failures } = slot.counts
      const passive = poolOf(snapshot.world, slot.upstream.pool)?.passive
      slot.recent.sample(requests - slot.load.inFlight, failures, Math.ceil((passive?.fail_duration ?? 0) / 1000))
      // One that is out of rotation for a while keeps what was counted of it.
      if (slot.load.inFlight > 0 || upstreamOf(snapshot.world, key) !== undefined) continue
      slot.held.release()
      this.#slots.delete(key)
    }
    for (const [key, member] of this.#members) {
      if (member.load.inFlight > 0 || member.slots.some(({ upstream }) => this.#slots.has(upstream.key))) continue
      this.#members.delete(key)
      this.#taken.leave(member.counted)
    }
    for (const name of this.#budgets.keys()) {
      if (!Object.hasOwn(snapshot.pools, name) && viewAt(snapshot, name) === undefined) this.#budgets.delete(name)
    }
  }

  /** Lets go of everything. */
  release(): void {
    for (const slot of this.#slots.values()) slot.held.release()
  }

  /** On another port a member is another one: loads of different protocols are not compared. */
  #member(snapshot: Snapshot, choice: Choice, port: string): MemberSlot {
    const key = `${choice.pool}/${choice.gateway}${port}`
    let member = this.#members.get(key)
    if (member === undefined) {
      const { pool, gateway: name, weight } = choice
      // Sessions of datagrams are no connections: made up by the thousand they must not fill a member for everybody.
      const counted = port.endsWith('/udp') ? key : `${pool}/${name}`
      member = {
        name,
        pool,
        weight,
        limit: Number.POSITIVE_INFINITY,
        load: freshLoad(),
        together: this.#taken.join(counted),
        counted,
        failures: 0,
        slowAfter: 0,
        timed: false,
        choice: null,
        slots: [],
        instances: NOBODY,
      }
      this.#members.set(key, member)
    }
    if (member.choice !== choice) {
      const owner = member
      // As its own pool wants it, whichever plan the choice stands in: a client of ip_hash keeps its instance too.
      const policy = own(snapshot.pools, choice.pool)?.plan.policy
      member.slowAfter = poolOf(snapshot.world, choice.pool)?.passive.unhealthy_latency ?? 0
      member.timed = member.slowAfter > 0 || policy === 'latency'
      member.choice = choice
      member.weight = choice.weight
      member.limit = choice.limit === 0 ? Number.POSITIVE_INFINITY : choice.limit
      member.slots = choice.upstreams.map(upstream => this.#slot(upstream, owner))
      member.instances = policies[policy === 'ip_hash' ? 'ip_hash' : 'round_robin'](
        member.slots,
        this.#random,
        monotonic,
      )
    }
    return member
  }

  #slot(upstream: Upstream, member: MemberSlot): Slot {
    const known = this.#slots.get(upstream.key)
    if (known !== undefined) {
      // Another instance at the same address, or another share of the same one.
      known.upstream = upstream
      known.name = upstream.instance ?? upstream.key
      known.weight = upstream.weight ?? 1
      return known
    }
    const slot: Slot = {
      name: upstream.instance ?? upstream.key,
      weight: upstream.weight ?? 1,
      load: freshLoad(),
      upstream,
      member,
      held: this.#hold(upstream),
      counts: { requests: 0, failures: 0 },
      recent: new Recent(),
      cleanIn: null,
    }
    this.#slots.set(upstream.key, slot)
    return slot
  }

  #budget(name: string): RetryBudget {
    const known = this.#budgets.get(name)
    if (known !== undefined) return known
    const budget = new RetryBudget()
    this.#budgets.set(name, budget)
    return budget
  }
}

/** An attempt at an upstream failed. */
export function countFailure({ counts, member }: Slot): void {
  counts.failures++
  member.failures++
}

/** Ms, for what lasts. */
const monotonic = () => performance.now()
