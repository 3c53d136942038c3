/**
 * The datagrams of one client address and port: where they go, and what comes back. It stays with its upstream until that is gone, and
 * then takes what was not answered elsewhere.
 *
 * When it is over the object serves another client (`open`): made anew for each, a flood would leave more behind than the collector finds in time.
 */
import type { RemoteInfo } from 'node:dgram'
import type { Snapshot, Upstream } from '../../core/nouns.ts'
import { stateOf } from '../../core/passive.ts'
import { hashText } from '../../core/policies/ip-hash.ts'
import { Attempt } from '../attempt.ts'
import type { L4Route } from '../l4-route.ts'
import type { Endpoint } from '../proxy-protocol/read.ts'
import { proxyHeader } from '../proxy-protocol/write.ts'
import type { Session } from '../sessions.ts'
import type { Slot } from '../slots.ts'
import { createAge } from './ages.ts'
import { Lane, type LaneOwner } from './lane.ts'
import type { UdpListener } from './listener.ts'

/** Ms without an answer after which it is over: whoever asks once from a made-up address is not waited for. */
const UNANSWERED = 10_000

export class UdpSession implements LaneOwner, Session {
  /** The client's, also where a proxy speaks for it. */
  source: Endpoint
  /** Who answers are sent to. */
  peer: RemoteInfo
  /** Ms of the coarse clock. */
  deadline = 0
  answered = false
  /** Among those that nobody has answered yet. */
  readonly age = createAge<UdpSession>(this)

  readonly #listener: UdpListener
  readonly #attempt: Attempt
  #route: L4Route
  #destination: Endpoint
  #lane: Lane | null = null
  /** One that was closed, to be opened again. */
  #spare: Lane | null = null
  /** Where each datagram picks anew: the lanes by upstream. */
  #lanes: Map<string, Lane> | null
  #seen: Snapshot | null = null
  /** Its pool may close it; the next datagram of the client then begins anew. */
  #isJoined = false
  #requests = 0
  #answers = 0
  /** Of its lane: the one that says for whom it is. */
  #isFirst = false
  /** Closed ports met since the client last sent something. */
  #broken = 0
  #isOver = false

  constructor(listener: UdpListener, route: L4Route, peer: RemoteInfo, source: Endpoint, destination: Endpoint) {
    this.#listener = listener
    this.#attempt = new Attempt(listener.context)
    this.#route = route
    this.peer = peer
    this.source = source
    this.#destination = destination
    this.#lanes = route.route.per_packet ? new Map() : null
  }

  /** Another client's: nothing of the last one may be seen. */
  open(route: L4Route, peer: RemoteInfo, source: Endpoint, destination: Endpoint): void {
    this.#route = route
    this.peer = peer
    this.source = source
    this.#destination = destination
    this.#lanes = route.route.per_packet ? new Map() : null
    this.deadline = this.#requests = this.#answers = this.#broken = 0
    this.answered = this.#isFirst = this.#isOver = false
    this.#seen = null
  }

  get target(): string {
    return this.#route.target
  }

  /** Of a session that is joined. */
  get upstream(): Upstream {
    return (this.#lane as Lane).slot.upstream
  }

  /** Something was sent and its answer is still expected. */
  get isWaiting(): boolean {
    if (this.#route.route.responses === 0) return false
    return this.#lane?.isWaiting === true || [...(this.#lanes?.values() ?? [])].some(lane => lane.isWaiting)
  }

  /** A datagram of the client. */
  send(bytes: Buffer): void {
    this.#touch()
    this.#requests++
    this.#broken = 0
    this.#listener.counts.bytesToUpstream += bytes.length
    if (this.#lanes !== null) this.#sendAnywhere(bytes, this.#lanes)
    else if (this.#stays()) this.#pass(bytes)
    else this.#leave([...(this.#lane?.takeKept() ?? []), bytes])
  }

  onAnswer(lane: Lane, bytes: Buffer): void {
    if (this.#isOver) return
    const { route } = this.#route
    if (lane === this.#lane) {
      if (!this.#attempt.answered) this.#attempt.establish()
    } else this.#listener.report(lane.slot, route.name, 'ok')
    if (route.responses === 0) return
    if (!this.answered) {
      this.answered = true
      this.#listener.answered(this)
    }
    this.#touch()
    this.#listener.answer(this, bytes)
    // Each request may have that many answers of its own.
    if (route.responses !== undefined && ++this.#answers >= route.responses * this.#requests) this.end()
  }

  onLost(): void {
    this.#listener.counts.lost++
  }

  onBroken(lane: Lane, why: 'refused' | 'ours'): void {
    if (this.#isOver) return
    const kept = lane.takeKept()
    this.#listener.counts.lost += lane.lost
    lane.close()
    if (why === 'ours') {
      this.#listener.counts.lost += kept.length
      this.end()
      return
    }
    if (this.#lanes !== null) {
      this.#lanes.delete(lane.slot.upstream.key)
      this.#listener.report(lane.slot, this.#route.route.name, 'connect_refused')
      // Each of them picks anew, and may find another closed port, or the same.
      if (++this.#broken < this.#route.route.retry.tries)
        for (const bytes of kept) this.#sendAnywhere(bytes, this.#lanes)
      else this.#listener.counts.lost += kept.length
      return
    }
    if (lane !== this.#lane) return
    this.#part()
    // An upstream that has answered was the right one then; the search for the next begins from the start.
    const wasAnswered = this.#attempt.answered
    const step = this.#attempt.fail('connect_refused')
    if (step === 'again') this.#open()
    else if (wasAnswered) this.#begin()
    this.#passAll(kept)
  }

  /** Lets go of everything. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#lanes !== null) for (const lane of this.#lanes.values()) lane.close()
    this.#part()
    this.#release()
    this.#listener.left(this)
  }

  #touch(): void {
    const { idleTimeout } = this.#route
    this.deadline =
      this.#listener.context.coarseNow() + (this.answered ? idleTimeout : Math.min(idleTimeout, UNANSWERED))
  }

  /** Is its upstream still the right one? Asked again only when something has changed. */
  #stays(): boolean {
    const { snapshot } = this.#listener.context.state
    if (this.#lane === null) return false
    if (this.#seen === snapshot) return true
    this.#seen = snapshot
    const state = stateOf(snapshot, this.#lane.slot.upstream)
    return state !== 'down' && state !== 'ejected' && state !== 'disabled'
  }

  /** On to another upstream, with what has to go there. */
  #leave(bytes: readonly Buffer[]): void {
    this.#part()
    this.#release()
    this.#begin()
    this.#passAll(bytes)
  }

  #begin(): void {
    if (this.#pick() !== null) this.#open()
  }

  #pick(): Slot | null {
    return this.#attempt.begin(this.#route, hashText(this.source.address), this.#listener.context.now())
  }

  #open(): void {
    const { slot } = this.#attempt
    if (slot === null) return
    const { state, sessions } = this.#listener.context
    this.#seen = state.snapshot
    if (this.#spare === null) this.#lane = new Lane(slot, this)
    else {
      this.#lane = this.#spare
      this.#spare = null
      this.#lane.open(slot)
    }
    this.#isFirst = true
    this.#isJoined = true
    sessions.add(this, state.snapshot)
  }

  /** From its upstream. */
  #part(): void {
    if (this.#isJoined) this.#listener.context.sessions.delete(this)
    this.#isJoined = false
    this.#spare = this.#lane ?? this.#spare
    this.#lane?.close()
    this.#lane = null
  }

  #passAll(bytes: readonly Buffer[]): void {
    for (const one of bytes) this.#pass(one)
    if (this.#lane === null) this.end()
  }

  #pass(bytes: Buffer): void {
    if (this.#lane === null) {
      this.#listener.counts.outages++
      return
    }
    const header = this.#isFirst ? this.#header() : null
    this.#isFirst = false
    this.#lane.send(bytes, header)
  }

  #sendAnywhere(bytes: Buffer, lanes: Map<string, Lane>): void {
    const slot = this.#pick()
    if (slot === null) {
      this.#listener.counts.outages++
      return
    }
    // What becomes of it is reported by its lane.
    this.#release()
    let lane = lanes.get(slot.upstream.key)
    const header = lane === undefined ? this.#header() : null
    if (lane === undefined) {
      lane = new Lane(slot, this)
      lanes.set(slot.upstream.key, lane)
    }
    lane.send(bytes, header)
  }

  #header(): Buffer | null {
    return this.#route.proxy === 'off' ? null : proxyHeader('v2', 'datagram', this.source, this.#destination)
  }

  #release(): void {
    if (this.#attempt.answered) this.#attempt.finish()
    else this.#attempt.fail('client_left')
  }
}
