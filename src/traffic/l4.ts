/**
 * TCP, TLS and UDP traffic as a whole: the listeners of routes, which follow the definitions; the listeners that pass TLS through, which
 * follow the configuration; what they share, and their one sweep.
 */
import type { Clock } from '../clock.ts'
import type { Listener } from '../config/schema.ts'
import type { Definitions, Route } from '../core/nouns.ts'
import { buildTlsRoutes, matchTls, type TlsRouteTable } from '../core/tls-routes.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { State } from '../state.ts'
import { inRanges } from './address.ts'
import type { ListenerStatus } from './http/http.ts'
import { L4Numbers } from './l4-numbers.ts'
import { compileL4, type L4Route } from './l4-route.ts'
import { whyNotListening } from './listen-errors.ts'
import { type RouteListener, RouteListeners } from './route-listeners.ts'
import { Sessions } from './sessions.ts'
import type { Shared } from './shared.ts'
import { type InFlight, Slots } from './slots.ts'
import { type TcpContext, TcpListener, type TcpRules } from './tcp/listener.ts'
import { type UdpContext, UdpListener } from './udp/listener.ts'
import { type Room, roomOfProcess } from './udp/room.ts'
import { tcpWire, type Wire } from './wire.ts'

/** Ms between two sweeps: a deadline is kept to within so much. */
const SWEEP = 250

export interface L4Traffic {
  /**
   * Makes the listeners for TLS those of `listeners`, and waits until those of the routes were tried. Refused when an address cannot be had:
   * then nothing is changed.
   */
  apply(listeners: readonly Listener[]): Promise<Refusal | null>
  listeners(): readonly ListenerStatus[]
  readonly numbers: L4Numbers
  readonly inFlight: InFlight
  /** Stops accepting and resolves when the last connection has ended by itself. */
  drain(): Promise<void>
  /** Cuts what is left and lets go of everything. */
  close(): void
}

export interface L4Options {
  readonly state: State
  readonly clock: Clock
  readonly random: () => number
  /** What other protocols count too. */
  readonly shared: Shared
  /** UDP sessions that there may be in all; absent: as the process has descriptors for. */
  readonly room?: Room
  /** Told what cannot be had as it was asked for. */
  readonly warn?: (text: string) => void
  readonly wire?: Wire
}

/** A listener for TLS with the configuration that it was made from. */
interface Passthrough {
  readonly config: Listener
  readonly listener: TcpListener
}

export function createL4({
  state,
  clock,
  random,
  shared,
  room = roomOfProcess(),
  warn = () => undefined,
  wire = tcpWire,
}: L4Options): L4Traffic {
  const slots = new Slots(random, shared.taken, () => NOTHING_HELD)
  const sessions = new Sessions(state)
  const passing = new Map<string, Passthrough>()
  const leaving = new Map<TcpListener, Promise<void>>()
  let coarse = performance.now() + SWEEP
  let sweeps = 0
  const warned = new Set<string>()
  let followed: Definitions | null = null
  let following: Promise<unknown> = Promise.resolve()

  const context: TcpContext & UdpContext = {
    state,
    slots,
    now: () => clock.now(),
    onRetry: (pool, reason) => shared.retries.count(pool ?? '', reason),
    wire,
    sessions,
    waiting: shared.waiting,
    coarseNow: () => coarse,
    room,
  }

  const onFailed = ({ name }: Route, cause: string) =>
    state.apply({ kind: 'noted', fact: { kind: 'listener_failed', at: clock.now(), subject: name, cause } })
  const tcp = new RouteListeners<TcpListener>({
    clock,
    make: route => new TcpListener(context, route.listen ?? ANYWHERE, routeRules(state, route)),
    configure: (listener, route) => {
      listener.rules = routeRules(state, route)
    },
    onFailed,
  })

  const udp = new RouteListeners<UdpListener>({
    clock,
    make: route => {
      // A port in use makes one listener after the other.
      if (route.max_sessions > room.most && !warned.has(route.name)) {
        warned.add(route.name)
        warn(`route ${route.name} gets at most ${room.most} sessions: this process may not open more files`)
      }
      return new UdpListener(context, route.listen ?? ANYWHERE, compileL4(route, state.snapshot.world))
    },
    configure: (listener, route) => {
      listener.route = compileL4(route, state.snapshot.world)
    },
    onFailed,
  })

  const tcpListeners = function* (): Iterable<TcpListener> {
    for (const { listener } of passing.values()) yield listener
    yield* leaving.keys()
    yield* tcp.all()
  }

  const follow = () => {
    const { value } = state.snapshot.world.definitions
    if (value === followed) return
    followed = value
    const routes = value.routes.filter(({ enabled }) => enabled)
    const of = (wanted: Route['protocol']) => routes.filter(({ protocol }) => protocol === wanted)
    following = Promise.all([tcp.follow(of('tcp')), udp.follow(of('udp'))])
  }
  const unsubscribe = state.onChange(follow)
  follow()

  const sweep = clock.every(SWEEP, () => {
    const now = performance.now()
    // One sweep ahead of the time, so that a deadline counted from it is never early.
    coarse = now + SWEEP
    for (const listener of tcpListeners()) listener.sweep(now)
    for (const listener of udp.all()) listener.sweep(now)
    if (++sweeps % (1000 / SWEEP) === 0) slots.second(state.snapshot)
  })

  const retire = (listener: TcpListener) => {
    leaving.set(
      listener,
      listener.drain().then(() => void leaving.delete(listener)),
    )
  }

  return {
    async apply(wanted) {
      const next = new Map<string, Passthrough>()
      const opened: TcpListener[] = []
      for (const config of wanted) {
        const known = passing.get(config.name)
        if (known !== undefined && sameAddress(known.config, config)) {
          next.set(config.name, { config, listener: known.listener })
          continue
        }
        const listener = new TcpListener(context, config.listen, passthroughRules(config, state))
        try {
          await listener.bind()
        } catch (error) {
          for (const other of opened) other.cut()
          const { host, port } = config.listen
          const why = `listener ${config.name} cannot listen on ${host}:${port}: ${whyNotListening(error)}`
          return refuse('listen_failed', why)
        }
        opened.push(listener)
        next.set(config.name, { config, listener })
      }
      for (const [name, { listener }] of passing) if (next.get(name)?.listener !== listener) retire(listener)
      passing.clear()
      for (const [name, { config, listener }] of next) {
        listener.rules = passthroughRules(config, state)
        passing.set(name, { config, listener })
      }
      await following
      return null
    },
    listeners: () => [
      ...[...passing].map(([name, { listener }]) => statusOf(name, 'tls', listener)),
      ...[...tcp.current(), ...udp.current()].map(([{ name, protocol }, listener]) =>
        statusOf(name, protocol, listener),
      ),
    ],
    inFlight: slots.inFlight,
    numbers: new L4Numbers({ tcp: tcpListeners, udp: () => udp.all(), slots }),
    async drain() {
      unsubscribe()
      for (const { listener } of passing.values()) retire(listener)
      passing.clear()
      await Promise.all([...leaving.values(), tcp.drain(), udp.drain()])
    },
    close() {
      unsubscribe()
      sweep[Symbol.dispose]()
      sessions[Symbol.dispose]()
      for (const listener of tcpListeners()) listener.cut()
      tcp.cut()
      udp.cut()
      slots.release()
    },
  }
}

/** Connections are not kept for later. */
const NOTHING_HELD = { release: () => undefined }

/** For a route without an address, which the configuration has refused. */
const ANYWHERE = { host: '127.0.0.1', port: 0 }

function routeRules(state: State, route: Route): TcpRules {
  const compiled = compileL4(route, state.snapshot.world)
  return {
    name: route.name,
    protocol: 'tcp',
    sendsProxy: compiled.sendsProxy,
    maxConnections: route.max_sessions,
    maxPerAddress: route.max_sessions_per_address,
    match: () => compiled,
  }
}

function passthroughRules(config: Listener, state: State): TcpRules {
  let definitions: Definitions | null = null
  let table: TlsRouteTable<L4Route> | null = null
  let fallback: L4Route | null = null
  return {
    name: config.name,
    protocol: 'tls',
    sendsProxy: inRanges(config.accept_proxy ? config.trusted_proxies : []),
    maxConnections: config.limits.max_connections,
    maxPerAddress: config.limits.max_connections_per_address,
    match(sni, alpn) {
      const { world } = state.snapshot
      const { value } = world.definitions
      if (table === null || definitions !== value) {
        definitions = value
        table = buildTlsRoutes(value, config.name, route => compileL4(route, world))
        const named = value.routes.find(
          ({ name, protocol, enabled }) => name === config.default_route && protocol === 'tls' && enabled,
        )
        fallback = named === undefined ? null : compileL4(named, world)
      }
      return matchTls(table, sni, alpn) ?? fallback
    },
  }
}

function sameAddress(a: Listener, b: Listener): boolean {
  return a.listen.host === b.listen.host && a.listen.port === b.listen.port
}

function statusOf(
  name: string,
  protocol: string,
  { address, open }: Pick<RouteListener, 'address' | 'open'>,
): ListenerStatus {
  const { host, port } = address
  return { name, protocol, address: `${host.includes(':') ? `[${host}]` : host}:${port}`, open }
}
