/**
 * The loop that all protocols share: resolve → pick → (the protocol connects and sends) → report → once more, elsewhere, or give up.
 * One object per client connection, used again for every request on it: nothing is allocated for a request that succeeds at once.
 * Deciding is `core`'s (`after`, the policies, the plan); this file only asks, counts and reports.
 */
import { type AttemptEnd, after, type Circumstances } from '../core/after.ts'
import type { FailureReason, Upstream } from '../core/nouns.ts'
import { isClean } from '../core/passive.ts'
import { measure } from '../core/policies/latency.ts'
import type { Destination } from '../core/routes.ts'
import type { ErrorCode } from '../errors.ts'
import type { State } from '../state.ts'
import { countFailure, type MemberSlot, type Picker, type Slot, type Slots } from './slots.ts'
import { type Place, type Sticky, setCookieLine } from './sticky.ts'

/** What the protocol does after an attempt ended. */
export type Step =
  /** Dial `attempt.slot`: another upstream, or the same one by a fresh connection (`attempt.fresh`). */
  | 'again'
  /** Nobody is left: what the pool does when all are down. `attempt.retryAfter` says when somebody may be back. */
  | 'outage'
  /** Answer with `attempt.status` and `attempt.code`. */
  | 'answer'
  /** An answer has begun and cannot be finished: cut the connection to the client. */
  | 'cut'

export interface AttemptContext {
  readonly state: State
  readonly slots: Slots
  /** Ms since 1970. */
  readonly now: () => number
  readonly onRetry: (pool: string | null, reason: AttemptEnd | 'status' | 'budget') => void
}

/** Where a protocol has cookies: the value of the one with that name, null if there is none. */
export interface Cookies {
  cookie(name: string): string | null
}

const CODES: Readonly<Record<AttemptEnd, ErrorCode>> = {
  connect_refused: 'upstream_refused',
  connect_timeout: 'upstream_connect_timeout',
  not_dialled: 'dial_failed',
  closed: 'upstream_closed',
  reset: 'upstream_closed',
  response_timeout: 'upstream_timeout',
  malformed: 'upstream_malformed',
  body_cut: 'upstream_body_cut',
  client_left: 'client_gone',
}

export class Attempt implements Circumstances {
  // What the protocol says while a request runs; see `Circumstances`.
  reused = false
  sent = false
  idempotent = false
  held = true
  answered = false

  // What comes out.
  /** The upstream to dial, or that is dialled; null between requests. */
  slot: Slot | null = null
  /** Somebody could serve, and has as much in flight as it may. */
  full = false
  /** Only a fresh connection will do: the last one was an idle one that had gone away. */
  fresh = false
  status: 502 | 503 | 504 | 499 = 502
  code: ErrorCode = 'upstream_refused'

  // For `after`.
  refreshed = false
  triesLeft = 0
  inTime = true
  retries = 0

  readonly #context: AttemptContext
  #entry: Destination | null = null
  #key = 0
  #startedAt = 0
  /** What this attempt says about its upstream was told. */
  #told = false
  /** When it began (ms, monotonic); NaN where nobody wants to know. */
  #takenAt = Number.NaN
  /** What keeps the client in place, where anything does; and where its cookie leads. */
  #sticky: Sticky | null = null
  #place: Place | null = null
  readonly #tried = roomForOne<Slot>()
  /** Members all of whose upstreams were tried. */
  readonly #spent: MemberSlot[] = []

  constructor(context: AttemptContext) {
    this.#context = context
  }

  /** The first upstream for a request on `entry` by the client whose address hashes to `key`; `now` in ms. Null: nobody. */
  begin(entry: Destination, key: number, now: number, cookies: Cookies | null = null): Slot | null {
    this.#entry = entry
    this.#key = key
    this.#sticky = null
    this.#place = null
    const picker = this.#restart(now)
    if (picker === undefined) return null
    picker.budget.earn()
    const { sticky } = picker
    if (sticky !== null && cookies !== null) {
      this.#sticky = sticky
      this.#place = sticky.byTag.get(cookies.cookie(sticky.cookie) ?? '') ?? null
    }
    return this.#take(this.#pick(picker))
  }

  /** The same request once more, after it had found nobody: whoever was tried before may be well again. Null: still nobody. */
  resume(now: number): Slot | null {
    const picker = this.#restart(now)
    return picker === undefined ? null : this.#take(this.#pick(picker))
  }

  #restart(now: number): Picker | undefined {
    this.#startedAt = now
    this.reused = this.sent = this.answered = this.fresh = this.refreshed = this.full = false
    this.held = true
    this.retries = 0
    clear(this.#tried)
    clear(this.#spent)
    return this.#picker()
  }

  /** The upstream took the connection, and that is all that is asked of it: how it ends, perhaps in days, says nothing. */
  establish(): void {
    this.answered = true
    if (!Number.isNaN(this.#takenAt)) this.#judgeTime()
    if (!this.#told) this.#report('ok')
  }

  /**
   * The upstream's response head came with `status` and goes to the client. `excused`: the gateway says that it is well, and that somebody
   * behind it is not.
   */
  respond(status: number, excused = false): void {
    if (status === 101) {
      this.establish()
      return
    }
    this.answered = true
    if (!excused) this.#judgeStatus(status)
    if (!Number.isNaN(this.#takenAt)) this.#judgeTime()
  }

  /**
   * May an answer with this status be dropped, before a byte of it was relayed, and the request sent elsewhere? Then `slot` is the next.
   * `excused` as in `respond`: another gateway may reach what this one does not.
   */
  retryStatus(status: number, excused = false): boolean {
    const retry = this.#entry?.route.retry
    if (!retry?.on_status.includes(status) || !this.idempotent || !this.held || this.answered) return false
    if (this.#triesLeft() <= 0 || !this.#inTime()) return false
    const picker = this.#picker()
    const next = picker && this.#pick(picker)
    if (!next || !picker.budget.take()) return false
    if (!excused) this.#judgeStatus(status)
    else if (!this.#told) this.#report('ok')
    this.#leave()
    this.retries++
    this.fresh = false
    this.#context.onRetry(picker.plan.pool, 'status')
    this.#take(next)
    return true
  }

  /** The exchange is over, well. Told only now: an answer that is cut short is no good answer. */
  finish(): void {
    if (!this.#told) this.#report('ok')
    this.#leave()
    this.#entry = null
    this.answered = false
  }

  /** The attempt ended otherwise. Says what comes next, and is done with the request unless that is `again`. */
  fail(end: AttemptEnd): Step {
    this.triesLeft = this.#triesLeft()
    this.inTime = this.#inTime()
    const next = after(end, this)
    if (next.blame && end !== 'client_left' && end !== 'not_dialled') {
      if (this.slot !== null) countFailure(this.slot)
      this.#report(end)
    }
    this.code = CODES[end]
    if (next.kind === 'give_up') return this.#giveUp(next.status)
    // Asked anew after the report: the outcome just told may have changed who is ready.
    const picker = this.#picker()
    if (next.kind === 'again' && next.where === 'same') {
      this.refreshed = this.fresh = true
      this.reused = this.sent = false
      this.#context.onRetry(picker?.plan.pool ?? null, end)
      return 'again'
    }
    const slot = picker && this.#pick(picker)
    // It was not them: they may be well.
    if (!slot) return end === 'not_dialled' ? this.#giveUp(503) : this.#end('outage')
    if (next.kind === 'exhausted') return this.#giveUp(next.status)
    if (!next.free && !picker.budget.take()) {
      this.#context.onRetry(picker.plan.pool, 'budget')
      return this.#giveUp(end === 'response_timeout' ? 504 : 502)
    }
    this.#leave()
    this.retries++
    this.reused = this.sent = this.fresh = false
    this.#context.onRetry(picker.plan.pool, end)
    this.#take(slot)
    return 'again'
  }

  /** The pool whose settings apply to the running request, or null. */
  get pool(): string | null {
    return this.#picker()?.plan.pool ?? null
  }

  /** The field line by which the client learns where it is kept from now on; '' when it knows, or is not kept. */
  get cookieLine(): string {
    const sticky = this.#sticky
    if (sticky === null || this.slot === null) return ''
    const tag = sticky.tags.get(this.slot)
    return tag === undefined || tag === this.#place?.tag ? '' : setCookieLine(sticky.cookie, tag)
  }

  /** Ms that a request may wait for somebody to return; 0: it may not. */
  get hold(): number {
    return this.#picker()?.plan.hold ?? 0
  }

  /** Seconds until somebody may serve again at the earliest, at least 1; null: not known. */
  get retryAfter(): number | null {
    const back = this.#picker()?.plan.back_at ?? null
    return back === null ? null : Math.max(1, Math.ceil((back - this.#context.now()) / 1000))
  }

  /** How many upstreams the request that is over has tried, and the last of them; both are forgotten. */
  forget(): { readonly tries: number; readonly last: Upstream | undefined } {
    const tries = this.#tried.length
    const last = this.#tried.at(-1)?.upstream
    clear(this.#tried)
    return { tries, last }
  }

  #giveUp(status: 502 | 503 | 504 | 499 | 'cut'): Step {
    if (status === 'cut') return this.#end('cut')
    this.status = status
    return this.#end('answer')
  }

  #end(step: Step): Step {
    this.#leave()
    return step
  }

  #picker(): Picker | undefined {
    const { slots, state } = this.#context
    return this.#entry === null ? undefined : slots.picker(state.snapshot, this.#entry.target)
  }

  /** An untried instance of the same member first, then another member, then whoever is left in an emergency. */
  #pick(picker: Picker): Slot | undefined {
    const last = this.#tried.at(-1)?.member
    if (last !== undefined && picker.members.includes(last)) {
      const sibling = last.instances.pick(this.#key, this.#tried)
      if (sibling !== undefined) return sibling
    }
    if (last === undefined && this.#place !== null) {
      const kept = this.#pickKept(picker, this.#place)
      if (kept !== undefined) return kept
    }
    for (;;) {
      const member = picker.choices.pick(this.#key, this.#spent)
      if (member === undefined) break
      const slot = this.#pickOf(member)
      if (slot !== undefined) return slot
      this.#spent.push(member)
    }
    // Whoever is ready has no room: that is no outage, and nobody who should not serve has to.
    if (this.full) return undefined
    for (const member of picker.emergency) {
      const slot = this.#pickOf(member)
      if (slot !== undefined) return slot
    }
    const { fallback } = picker.plan
    const next = fallback === null ? undefined : this.#context.slots.picker(this.#context.state.snapshot, fallback)
    return next && this.#pick(next)
  }

  /** Whom the client's cookie names, if that one is ready. The place may be of before: slots outlive pickers. */
  #pickKept(picker: Picker, { member, slot }: Place): Slot | undefined {
    if (!picker.members.includes(member) || (slot !== null && !member.slots.includes(slot))) return undefined
    if (member.together.inFlight >= member.limit) return undefined
    return slot ?? member.instances.pick(this.#key, this.#tried)
  }

  #pickOf(member: MemberSlot): Slot | undefined {
    if (member.together.inFlight < member.limit) return member.instances.pick(this.#key, this.#tried)
    // One that was tried has this very request in flight: it did not lack the room.
    this.full ||= !this.#tried.some(slot => slot.member === member)
    return undefined
  }

  #take(slot: Slot | undefined): Slot | null {
    this.slot = slot ?? null
    if (slot === undefined) return null
    this.#told = false
    this.#takenAt = slot.member.timed ? performance.now() : Number.NaN
    this.#tried.push(slot)
    slot.counts.requests++
    slot.load.inFlight++
    slot.member.load.inFlight++
    slot.member.together.inFlight++
    return slot
  }

  #leave(): void {
    const { slot } = this
    if (slot === null) return
    slot.load.inFlight--
    slot.member.load.inFlight--
    slot.member.together.inFlight--
    this.slot = null
    this.sent = false
  }

  #triesLeft(): number {
    return (this.#entry?.route.retry.tries ?? 0) - this.#tried.length
  }

  #inTime(): boolean {
    const within = this.#entry?.route.retry.within ?? 0
    return this.#context.now() - this.#startedAt < within
  }

  /** An answer with a status that the pool calls unhealthy is a failure of the upstream. */
  #judgeStatus(status: number): void {
    const { slot } = this
    if (slot === null || status < 400) return
    const { pools } = this.#context.state.snapshot.world.definitions.value
    const pool = pools.find(({ name }) => name === slot.upstream.pool)
    if (pool?.passive.unhealthy_status.includes(status) !== true) return
    countFailure(slot)
    this.#report('status')
  }

  /** How long the upstream took is what the policy `latency` picks by, and may be a failure. */
  #judgeTime(): void {
    if (this.slot === null) return
    const { member } = this.slot
    const now = performance.now()
    const ms = now - this.#takenAt
    measure(member.load, ms, now)
    if (this.#told || member.slowAfter === 0 || ms <= member.slowAfter) return
    countFailure(this.slot)
    this.#report('slow')
  }

  #report(result: 'ok' | FailureReason): void {
    const { state, now } = this.#context
    const { slot } = this
    if (slot === null || this.#entry === null) return
    this.#told = true
    const { upstream, counts, load, recent } = slot
    const route = this.#entry.route.name
    if (result === 'ok') {
      // The usual case, a good answer of whom nothing is held against, costs a look: as an event it would be 3 % of a small request.
      const { sight } = state.snapshot.world
      if (slot.cleanIn === sight) return
      slot.cleanIn = isClean(sight, upstream) ? sight : null
      if (slot.cleanIn === null) state.apply({ kind: 'outcome', upstream, route, result, at: now() })
      return
    }
    // It is still in flight, and ends with this.
    const lately = recent.until(counts.requests - load.inFlight + 1, counts.failures)
    state.apply({ kind: 'outcome', upstream, route, result, recent: lately, at: now() })
  }
}

/** An empty array with room for one: pushing to `[]` makes room for seventeen, and there may be an attempt for each of many thousand sessions. */
function roomForOne<T>(): T[] {
  const list: (T | undefined)[] = [undefined]
  list.pop()
  return list as T[]
}

/** Nearly always there is one: taking it out is cheaper than setting a length, which leaves compiled code and lets go of the room. */
function clear(list: unknown[]): void {
  while (list.length > 0) list.pop()
}
