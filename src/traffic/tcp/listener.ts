/**
 * One listening TCP socket and the connections that came in by it: of a TCP route, or of a listener that passes TLS through.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { ListenAddress } from '../../config/schema.ts'
import { type IsTrusted, isLoopback, plainAddress } from '../address.ts'
import type { AttemptContext } from '../attempt.ts'
import type { L4Route } from '../l4-route.ts'
import { PerAddress } from '../per-address.ts'
import type { Sessions } from '../sessions.ts'
import type { WaitingRoom } from '../waiting.ts'
import type { Wire } from '../wire.ts'
import { TcpSession } from './session.ts'

/** Connections that the kernel keeps for us while we are busy. */
const BACKLOG = 4096
/** Bytes that wait to be written to a client, or to be read from one that was paused, before more are held back. */
const PARKED = 16 * 1024

export interface TcpContext extends AttemptContext {
  readonly wire: Wire
  readonly sessions: Sessions
  readonly waiting: WaitingRoom
  /** Ms of a clock that moves with the sweep: cheap to read, and never early for a deadline set from it. */
  readonly coarseNow: () => number
}

/** What decides over the connections of one listener. It may be replaced by another while it is open. */
export interface TcpRules {
  /** The route or the listener, for counts and people. */
  readonly name: string
  readonly protocol: 'tcp' | 'tls'
  /** From whom a PROXY header is expected. */
  readonly sendsProxy: IsTrusted
  readonly maxConnections: number
  readonly maxPerAddress: number
  /** Where a client goes that asks for this; null: nowhere. Without a ClientHello it asks for nothing. */
  match(sni: string | null, alpn: readonly string[]): L4Route | null
}

export class TcpCounts {
  active = 0
  total = 0
  bytesToUpstream = 0
  bytesToClient = 0
  /** Over a limit, of an address that may not, not what it had to be, with nobody to serve it. */
  limited = 0
  denied = 0
  malformed = 0
  outages = 0
}

export class TcpListener {
  readonly context: TcpContext
  readonly listen: ListenAddress
  readonly counts = new TcpCounts()
  rules: TcpRules

  readonly #server: Server
  readonly #sessions = new Set<TcpSession>()
  readonly #perAddress = new PerAddress()
  readonly #empty = Promise.withResolvers<void>()
  #isDraining = false

  constructor(context: TcpContext, listen: ListenAddress, rules: TcpRules) {
    this.context = context
    this.listen = listen
    this.rules = rules
    // Paused: not a byte is read before there is somebody to give it to.
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true, pauseOnConnect: true, highWaterMark: PARKED },
      socket => this.#accept(socket),
    )
  }

  /** Where it listens; the port is the real one when the configuration says 0. */
  get address(): ListenAddress {
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : this.listen
  }

  get open(): boolean {
    return this.#server.listening
  }

  get sessions(): Iterable<TcpSession> {
    return this.#sessions
  }

  get draining(): boolean {
    return this.#isDraining
  }

  get wantsHello(): boolean {
    return this.rules.protocol === 'tls'
  }

  /** Opens the socket. Rejects with the system's error when that cannot be. */
  bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ ...this.listen, backlog: BACKLOG }, () => {
        this.#server.off('error', reject)
        // A failed accept (no file descriptors left, say) concerns one connection, not the listener.
        this.#server.on('error', () => undefined)
        resolve()
      })
    })
  }

  /** Looks after every deadline that is over at `now` (coarse ms). */
  sweep(now: number): void {
    for (const session of this.#sessions) session.sweep(now)
  }

  /** Stops accepting and resolves when the last connection has ended by itself. */
  drain(): Promise<void> {
    this.#isDraining = true
    this.#server.close()
    for (const session of this.#sessions) session.drain()
    if (this.#sessions.size === 0) this.#empty.resolve()
    return this.#empty.promise
  }

  /** Cuts whatever is left. */
  cut(): void {
    this.#server.close()
    for (const session of this.#sessions) session.close()
  }

  // --- For its sessions.

  sendsProxy(address: string): boolean {
    return this.rules.sendsProxy(address)
  }

  match(sni: string | null, alpn: readonly string[]): L4Route | null {
    return this.rules.match(sni, alpn)
  }

  /** It is known who the client is. False: it has too many connections already. */
  admit(session: TcpSession): boolean {
    const { address } = session
    if (this.#perAddress.of(address) >= this.rules.maxPerAddress && !isLoopback(address)) {
      this.counts.limited++
      return false
    }
    this.#perAddress.add(address)
    session.isAdmitted = true
    return true
  }

  /** A connection is gone. */
  left(session: TcpSession): void {
    this.#sessions.delete(session)
    this.counts.active--
    if (session.isAdmitted) this.#perAddress.remove(session.address)
    if (this.#isDraining && this.#sessions.size === 0) this.#empty.resolve()
  }

  #accept(socket: Socket): void {
    // Gone before we looked.
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    if (this.#sessions.size >= this.rules.maxConnections) {
      this.counts.limited++
      socket.destroy()
      return
    }
    this.counts.active++
    this.counts.total++
    const session = new TcpSession(this, socket, plainAddress(socket.remoteAddress))
    this.#sessions.add(session)
    session.start()
  }
}
