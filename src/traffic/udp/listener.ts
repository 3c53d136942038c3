/**
 * The listening socket of one UDP route and its sessions, one for each client address and port. Bounded: beyond a limit the oldest session
 * that nobody has answered gives way; those that were answered never do, so that a flood from made-up addresses only fights itself.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ListenAddress } from '../../config/schema.ts'
import type { FailureReason } from '../../core/nouns.ts'
import { plainAddress } from '../address.ts'
import type { AttemptContext } from '../attempt.ts'
import type { L4Route } from '../l4-route.ts'
import { type Endpoint, readProxyHeader, V2_SIGNATURE } from '../proxy-protocol/read.ts'
import type { RouteListener } from '../route-listeners.ts'
import type { Sessions } from '../sessions.ts'
import { countFailure, type Slot } from '../slots.ts'
import { Ages } from './ages.ts'
import { unansweredIsOver } from './collector.ts'
import { literalLookup } from './lane.ts'
import type { Room } from './room.ts'
import { UdpSession } from './session.ts'

/** Bytes that we ask the kernel to keep for us while we are busy; it gives what it is allowed to. */
const RECEIVE_BUFFER = 4 * 1024 * 1024
/** Bytes that wait for a link to clients that is slower than their upstreams, beside what the kernel keeps. */
const MOST_QUEUED = 1024 * 1024
/** Ms in which answers that are under way may still come, at an end. */
const LAST_ANSWERS = 1_000
/** Sessions that are over, kept for new ones: more than come in while those of before go. */
const MOST_SPARE = 1_024

export interface UdpContext extends AttemptContext {
  /** Ms of a clock that moves with the sweep. */
  readonly coarseNow: () => number
  readonly sessions: Sessions
  /** Sessions that all listeners may have together. */
  readonly room: Room
}

export class UdpCounts {
  active = 0
  bytesToUpstream = 0
  bytesToClient = 0
  /** Datagrams: over a limit, of an address that may not, without the header they need, with nobody to serve them, lost on the way. */
  limited = 0
  denied = 0
  malformed = 0
  outages = 0
  lost = 0
}

/** The sessions of one client address by port, in the order in which they came. */
type OfAddress = Map<number, UdpSession>

export class UdpListener implements RouteListener {
  readonly context: UdpContext
  readonly counts = new UdpCounts()
  route: L4Route

  readonly #socket: Socket
  readonly #listen: ListenAddress
  readonly #clients = new Map<string, OfAddress>()
  readonly #unanswered = new Ages<UdpSession>()
  readonly #spare: UdpSession[] = []
  readonly #empty = Promise.withResolvers<void>()
  #sessions = 0
  #isOpen = false
  /** Ms (coarse); Infinity: it is not ending. */
  #endsAt = Number.POSITIVE_INFINITY
  #destination: Endpoint = { address: '', port: 0 }

  constructor(context: UdpContext, listen: ListenAddress, route: L4Route) {
    this.context = context
    this.#listen = listen
    this.route = route
    const type = isIPv6(listen.host) ? 'udp6' : 'udp4'
    this.#socket = createSocket({ type, lookup: literalLookup, recvBufferSize: RECEIVE_BUFFER })
    this.#socket.on('message', (bytes, from) => this.#onMessage(bytes, from))
  }

  get address(): ListenAddress {
    return this.#isOpen ? { host: this.#destination.address, port: this.#destination.port } : this.#listen
  }

  get open(): boolean {
    return this.#isOpen
  }

  bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject)
      this.#socket.bind({ address: this.#listen.host, port: this.#listen.port, exclusive: true }, () => {
        this.#socket.off('error', reject)
        this.#socket.on('error', () => undefined)
        const { address, port } = this.#socket.address()
        this.#destination = { address, port }
        this.#isOpen = true
        resolve()
      })
    })
  }

  /** Ends the sessions whose deadline is over at `now` (coarse ms). */
  sweep(now: number): void {
    let isWaiting = false
    for (const sessions of this.#clients.values()) {
      for (const session of sessions.values()) {
        if (session.deadline <= now) session.end()
        else if (!isWaiting && this.#endsAt < Number.POSITIVE_INFINITY) isWaiting = session.isWaiting
      }
    }
    if (now >= this.#endsAt || (!isWaiting && this.#endsAt < Number.POSITIVE_INFINITY)) this.cut()
  }

  /** Takes nothing new; ends when the answers that are under way have come, or soon. */
  drain(): Promise<void> {
    this.#endsAt = this.context.coarseNow() + LAST_ANSWERS
    if (this.#sessions === 0) this.cut()
    return this.#empty.promise
  }

  cut(): void {
    for (const sessions of this.#clients.values()) for (const session of sessions.values()) session.end()
    this.#isOpen = false
    this.#endsAt = Number.POSITIVE_INFINITY
    try {
      this.#socket.close()
    } catch {
      // It was closed already, or never opened.
    }
    this.#empty.resolve()
  }

  // --- For its sessions.

  answer({ peer }: UdpSession, bytes: Buffer): void {
    if (!this.#isOpen) return
    if (this.#socket.getSendQueueSize() > MOST_QUEUED) {
      this.counts.lost++
      return
    }
    this.counts.bytesToClient += bytes.length
    this.#socket.send(bytes, peer.port, peer.address)
  }

  /** Its first answer came: from now on it stays. */
  answered(session: UdpSession): void {
    this.#unanswered.remove(session.age)
  }

  report(slot: Slot, route: string, result: 'ok' | FailureReason): void {
    if (result !== 'ok') countFailure(slot)
    const { state, now } = this.context
    state.apply({ kind: 'outcome', upstream: slot.upstream, route, result, at: now() })
  }

  left(session: UdpSession): void {
    const { address, port } = session.peer
    const sessions = this.#clients.get(address)
    if (sessions?.get(port) !== session) return
    sessions.delete(port)
    this.#unanswered.remove(session.age)
    if (this.#spare.length < MOST_SPARE) this.#spare.push(session)
    if (sessions.size === 0) this.#clients.delete(address)
    this.#sessions--
    this.context.room.taken--
    this.counts.active--
    if (!session.answered) unansweredIsOver()
  }

  #onMessage(bytes: Buffer, from: RemoteInfo): void {
    // Whoever has no port wants no answer (RFC 768), and Node would throw at one.
    if (from.port === 0) {
      this.counts.malformed++
      return
    }
    const known = this.#clients.get(from.address)?.get(from.port)
    const address = plainAddress(from.address)
    let source: Endpoint = address === from.address ? from : { address, port: from.port }
    let data = bytes
    // Of a proxy only the first datagram has to say for whom it is.
    if (this.route.sendsProxy(address) && (known === undefined || beginsWithHeader(bytes))) {
      const reading = readProxyHeader(bytes)
      if (reading.kind === 'more' || reading.kind === 'malformed') {
        this.counts.malformed++
        return
      }
      data = bytes.subarray(reading.length)
      if (reading.kind === 'proxied') source = reading.source
    }
    const session = known ?? this.#begin(from, source)
    session?.send(data)
  }

  #begin(peer: RemoteInfo, source: Endpoint): UdpSession | null {
    const { counts, context, route } = this
    if (this.#endsAt < Number.POSITIVE_INFINITY) return null
    if (route.admits !== null && !route.admits(source.address)) {
      counts.denied++
      return null
    }
    if (!this.#makeRoom(peer.address, route.sendsProxy(plainAddress(peer.address)))) {
      counts.limited++
      return null
    }
    const spare = this.#spare.pop()
    spare?.open(route, peer, source, this.#destination)
    const session = spare ?? new UdpSession(this, route, peer, source, this.#destination)
    let sessions = this.#clients.get(peer.address)
    if (sessions === undefined) {
      sessions = new Map()
      this.#clients.set(peer.address, sessions)
    }
    sessions.set(peer.port, session)
    this.#unanswered.add(session.age)
    this.#sessions++
    context.room.taken++
    counts.active++
    return session
  }

  /** Is there room for one more of this address, perhaps in the place of one that nobody has answered? */
  #makeRoom(address: string, isProxy: boolean): boolean {
    const { max_sessions: most, max_sessions_per_address: mostOfOne } = this.route.route
    const sessions = this.#clients.get(address)
    if (sessions !== undefined && !isProxy && sessions.size >= mostOfOne) return evict(oldestUnanswered(sessions))
    const { room } = this.context
    return this.#sessions < most && room.taken < room.most ? true : evict(this.#unanswered.oldest)
  }
}

function oldestUnanswered(sessions: OfAddress): UdpSession | null {
  for (const session of sessions.values()) if (!session.answered) return session
  return null
}

function evict(session: UdpSession | null): boolean {
  session?.end()
  return session !== null
}

function beginsWithHeader(bytes: Buffer): boolean {
  return bytes.subarray(0, V2_SIGNATURE.length).equals(V2_SIGNATURE)
}
