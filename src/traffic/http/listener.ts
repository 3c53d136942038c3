/**
 * One HTTP listener: its socket, its client connections, and the one sweep that holds all their deadlines.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Listener } from '../../config/schema.ts'
import { buildRoutes, type RouteTable } from '../../core/routes.ts'
import type { AccessLog } from '../../telemetry/access.ts'
import { type IsTrusted, isLoopback, plainAddress } from '../address.ts'
import type { AttemptContext } from '../attempt.ts'
import { PerAddress } from '../per-address.ts'
import type { Sessions } from '../sessions.ts'
import type { WaitingRoom } from '../waiting.ts'
import type { Wire } from '../wire.ts'
import { ClientConnection } from './client.ts'
import { ListenerCounts } from './counters.ts'
import { createPeer } from './peer.ts'
import { ProxiedConnection } from './proxied.ts'
import type { HeadLimits } from './request-head.ts'
import { compileRules, type RouteRules } from './route-rules.ts'

/** Connections that the kernel keeps for us while we are busy. */
const BACKLOG = 4096
/** Bytes that wait to be written to a client, or to be read from one that was paused, before more are held back: many may stall at once. */
const PARKED = 16 * 1024
/** Objects of connections that have gone, kept for new ones: more than come in while those of before go. */
const MOST_SPARE = 256

export interface HttpContext extends AttemptContext {
  readonly sessions: Sessions
  readonly waiting: WaitingRoom
  readonly wire: Wire
  /** Ms of a clock that moves with the sweep: cheap to read, and never early for a deadline set from it. */
  readonly coarseNow: () => number
  readonly nextRequestId: () => string
  readonly isTrusted: (ranges: readonly string[]) => IsTrusted
  /** Null: requests are not logged. */
  readonly access: AccessLog | null
}

export class HttpListener {
  readonly context: HttpContext
  readonly counts = new ListenerCounts()
  readonly wire: Wire
  readonly coarseNow: () => number
  readonly nextRequestId: () => string
  config: Listener
  isTrusted: IsTrusted
  headLimits: HeadLimits
  /** No new requests on old connections. */
  draining = false
  /** Where it listens, once it does. */
  port = 0

  readonly #server: Server
  readonly #connections = new Set<ClientConnection>()
  /** Of proxies that have not said yet for whom they are. */
  readonly #proxied = new Set<ProxiedConnection>()
  readonly #spare: ClientConnection[] = []
  readonly #perAddress = new PerAddress()
  #routes: RouteTable<RouteRules | null> | null = null
  #definitions: unknown = null
  readonly #empty = Promise.withResolvers<void>()

  constructor(context: HttpContext, config: Listener) {
    this.context = context
    this.wire = context.wire
    this.coarseNow = context.coarseNow
    this.nextRequestId = context.nextRequestId
    this.config = config
    this.isTrusted = context.isTrusted(config.trusted_proxies)
    this.headLimits = headLimits(config)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, highWaterMark: PARKED }, socket =>
      this.#accept(socket),
    )
  }

  get limits(): Listener['limits'] {
    return this.config.limits
  }

  /** Where it listens; the port is the real one when the configuration says 0. */
  get address(): { readonly host: string; readonly port: number } {
    const bound = this.#server.address()
    return typeof bound === 'object' && bound !== null ? { host: bound.address, port: bound.port } : this.config.listen
  }

  get open(): boolean {
    return this.#server.listening
  }

  /** Opens the socket. Rejects with the system's error when that cannot be. */
  listen(): Promise<void> {
    const { host, port } = this.config.listen
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off('error', reject)
        // A failed accept (no file descriptors left, say) concerns one connection, not the listener.
        this.#server.on('error', () => undefined)
        // Asked once: of each connection it would be a system call.
        this.port = this.address.port
        resolve()
      })
    })
  }

  /** New settings for the same address: for connections from now on, those that are open keep theirs. */
  configure(config: Listener): void {
    if (config.name !== this.config.name) this.#routes = null
    this.config = config
    this.isTrusted = this.context.isTrusted(config.trusted_proxies)
    this.headLimits = headLimits(config)
    this.#spare.length = 0
  }

  /** The route table of the definitions in force. */
  routes(): RouteTable<RouteRules | null> {
    const { value } = this.context.state.snapshot.world.definitions
    if (this.#routes === null || this.#definitions !== value) {
      this.#definitions = value
      this.#routes = buildRoutes(value, this.config.name, compileRules)
    }
    return this.#routes
  }

  /** What the outage page of a pool says, and after how many seconds to try again when nothing better is known. */
  outage(name: string | null): { readonly message: string; readonly retryAfter: number } {
    const { pools, settings } = this.context.state.snapshot.world.definitions.value
    const pool = pools.find(one => one.name === name)
    return {
      message: pool?.outage_message ?? '',
      retryAfter: Math.max(1, Math.round(Math.min(10_000, settings.gateway_down_threshold / 3) / 1000)),
    }
  }

  /** Looks after every deadline that is over at `now` (coarse ms). */
  sweep(now: number): void {
    for (const connection of this.#connections) if (connection.deadline <= now) connection.expire()
    for (const connection of this.#proxied) if (connection.deadline <= now) connection.close()
  }

  /** Stops accepting, lets running requests finish, and resolves when the last connection has gone. */
  drain(): Promise<void> {
    this.draining = true
    this.#server.close()
    for (const connection of this.#proxied) connection.close()
    for (const connection of this.#connections) connection.drain()
    if (this.#connections.size === 0) this.#empty.resolve()
    return this.#empty.promise
  }

  /** Cuts whatever is left. */
  cut(): void {
    this.#server.close()
    for (const connection of this.#proxied) connection.close()
    for (const connection of this.#connections) connection.cut()
  }

  /** A connection is gone. */
  left(connection: ClientConnection): void {
    this.#connections.delete(connection)
    this.counts.connectionsActive--
    this.#perAddress.remove(connection.peer.address)
    if (this.draining && this.#connections.size === 0) this.#empty.resolve()
  }

  /** Nothing will be heard any more of the connection's socket: it may serve another one, unless its limits are of before. */
  spare(connection: ClientConnection): void {
    if (connection.headLimits === this.headLimits && this.#spare.length < MOST_SPARE) this.#spare.push(connection)
  }

  /** A proxy has said who its client is, and by which port that one came. */
  proxied(connection: ProxiedConnection, socket: Socket, address: string, port: number): void {
    this.unproxied(connection)
    this.#open(socket, address, port)
  }

  /** A connection is none of those any more that have not said for whom they are. */
  unproxied(connection: ProxiedConnection): void {
    if (this.#proxied.delete(connection)) this.counts.connectionsActive--
  }

  #accept(socket: Socket): void {
    // Gone before we looked.
    if (socket.remoteAddress === undefined) {
      socket.destroy()
      return
    }
    if (this.#connections.size + this.#proxied.size >= this.config.limits.max_connections) {
      this.#refuse(socket)
      return
    }
    const address = plainAddress(socket.remoteAddress)
    if (this.config.accept_proxy && this.isTrusted(address)) {
      this.counts.connectionsActive++
      this.#proxied.add(new ProxiedConnection(this, socket, address))
    } else this.#open(socket, address, this.port)
  }

  #open(socket: Socket, address: string, port: number): void {
    if (this.#perAddress.of(address) >= this.config.limits.max_connections_per_address && !isLoopback(address)) {
      this.#refuse(socket)
      return
    }
    this.#perAddress.add(address)
    this.counts.connectionsActive++
    this.counts.connectionsTotal++
    const peer = createPeer(address, 'http', port, this.isTrusted)
    const spare = this.#spare.pop()
    spare?.open(socket, peer)
    this.#connections.add(spare ?? new ClientConnection(this, socket, peer))
  }

  /** Whoever is over the limit gets no answer: under attack an answer is what costs. */
  #refuse(socket: Socket): void {
    this.counts.limited++
    socket.destroy()
  }
}

function headLimits({ limits }: Listener): HeadLimits {
  return { requestLine: limits.max_request_line, head: limits.max_head, fields: limits.max_fields }
}
