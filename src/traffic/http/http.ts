/**
 * HTTP traffic as a whole: the listeners, what they share, and their one sweep.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Listener } from '../../config/schema.ts'
import { type Refusal, refuse } from '../../errors.ts'
import type { State } from '../../state.ts'
import type { AccessLog } from '../../telemetry/access.ts'
import { inRanges } from '../address.ts'
import type { Names } from '../counted.ts'
import { whyNotListening } from '../listen-errors.ts'
import { Sessions } from '../sessions.ts'
import type { Shared } from '../shared.ts'
import { type InFlight, Slots } from '../slots.ts'
import { tcpWire, type Wire } from '../wire.ts'
import { DURATION_BOUNDS } from './counters.ts'
import { IdleConnections } from './idle.ts'
import { type HttpContext, HttpListener } from './listener.ts'

/** Ms between two sweeps: a deadline is kept to within so much. */
const SWEEP = 250

export interface HttpTraffic {
  /**
   * Opens, changes and closes listeners until they are those of `listeners`; what did not change is not touched. Refused when an address
   * cannot be had: then nothing is changed.
   */
  apply(listeners: readonly Listener[]): Promise<Refusal | null>
  listeners(): readonly ListenerStatus[]
  readonly numbers: HttpNumbers
  readonly inFlight: InFlight
  /** Stops accepting and resolves when the last request is done. */
  drain(): Promise<void>
  /** Cuts what is left and lets go of everything. */
  close(): void
}

export interface ListenerStatus {
  readonly name: string
  readonly protocol: string
  readonly address: string
  readonly open: boolean
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface HttpOptions {
  readonly state: State
  readonly clock: Clock
  readonly random: () => number
  /** What other protocols count too. */
  readonly shared: Shared
  /** Absent: requests are not logged. */
  readonly access?: AccessLog | null
  readonly wire?: Wire
}

export function createHttp({ state, clock, random, shared, access = null, wire = tcpWire }: HttpOptions): HttpTraffic {
  const { waiting, taken, retries } = shared
  const listeners = new Map<string, HttpListener>()
  /** Closed to new connections, and when the last of theirs has gone. */
  const leaving = new Map<HttpListener, Promise<void>>()
  const slots = new Slots(random, taken, () => new IdleConnections())
  const sessions = new Sessions(state)
  let coarse = performance.now() + SWEEP
  let seconds = 0

  const context: HttpContext = {
    state,
    slots,
    sessions,
    waiting,
    now: () => clock.now(),
    onRetry: (pool, reason) => retries.count(pool ?? '', reason),
    wire,
    coarseNow: () => coarse,
    nextRequestId: requestIds(),
    isTrusted: inRanges,
    access,
  }

  const sweep = clock.every(SWEEP, () => {
    const now = performance.now()
    // One sweep ahead of the time, so that a deadline counted from it is never early.
    coarse = now + SWEEP
    for (const listener of listeners.values()) listener.sweep(now)
    for (const listener of leaving.keys()) listener.sweep(now)
    if (++seconds % (1000 / SWEEP) !== 0) return
    slots.second(state.snapshot)
    for (const { held } of slots.all()) (held as IdleConnections).sweep(now)
  })

  const retire = (listener: HttpListener) => {
    leaving.set(
      listener,
      listener.drain().then(() => void leaving.delete(listener)),
    )
  }

  return {
    async apply(wanted) {
      const next = matching([...listeners.values()], wanted)
      const opened: HttpListener[] = []
      for (const config of wanted) {
        if (next.has(config.name)) continue
        const listener = new HttpListener(context, config)
        try {
          await listener.listen()
        } catch (error) {
          for (const other of opened) other.cut()
          const { host, port } = config.listen
          return refuse(
            'listen_failed',
            `listener ${config.name} cannot listen on ${host}:${port}: ${whyNotListening(error)}`,
          )
        }
        opened.push(listener)
        next.set(config.name, listener)
      }
      const kept = new Set(next.values())
      for (const listener of listeners.values()) if (!kept.has(listener)) retire(listener)
      listeners.clear()
      for (const config of wanted) {
        const listener = next.get(config.name) as HttpListener
        listener.configure(config)
        listeners.set(config.name, listener)
      }
      return null
    },
    listeners: () =>
      [...listeners.values()].map(({ config, address, open }) => ({
        name: config.name,
        protocol: config.protocol,
        address: `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`,
        open,
      })),
    inFlight: slots.inFlight,
    numbers: new HttpNumbers(listeners, slots),
    async drain() {
      await Promise.all([...[...listeners.values()].map(listener => listener.drain()), ...leaving.values()])
    },
    close() {
      sweep[Symbol.dispose]()
      sessions[Symbol.dispose]()
      for (const listener of [...listeners.values(), ...leaving.keys()]) listener.cut()
      slots.release()
    },
  }
}

/** What HTTP traffic has counted, read when somebody asks. */
export class HttpNumbers {
  readonly #listeners: ReadonlyMap<string, HttpListener>
  readonly #slots: Slots

  constructor(listeners: ReadonlyMap<string, HttpListener>, slots: Slots) {
    this.#listeners = listeners
    this.#slots = slots
  }

  /** Lets go of what was counted under other names. */
  keepOnly(names: Names): void {
    for (const { counts } of this.#listeners.values()) counts.keepOnly(names)
  }

  *requests(): Iterable<Sample> {
    for (const [listener, { counts }] of this.#listeners) {
      for (const { route, pool, classes } of counts.routes.values()) {
        for (const [digit, value] of classes.entries()) {
          if (value > 0)
            yield { labels: { listener, route, pool, code_class: digit === 0 ? 'client_left' : `${digit}xx` }, value }
        }
      }
    }
  }

  *durations() {
    for (const [listener, { counts }] of this.#listeners) {
      for (const [pool, { counts: buckets, sum }] of counts.durations) {
        yield { labels: { listener, pool }, bounds: DURATION_BOUNDS, counts: buckets, sum }
      }
    }
  }

  /** Requests that run now and tunnels that are open. */
  *inFlight(): Iterable<Sample> {
    for (const { upstream, load } of this.#slots.all())
      yield { labels: { pool: upstream.pool, gateway: upstream.gateway }, value: load.inFlight }
  }

  *upstreamErrors(): Iterable<Sample> {
    for (const { pool, name: gateway, failures: value } of this.#slots.members())
      if (value > 0) yield { labels: { pool, gateway }, value }
  }

  *connectionsActive(): Iterable<Sample> {
    for (const [listener, { counts }] of this.#listeners)
      yield { labels: { listener, protocol: 'http' }, value: counts.connectionsActive }
  }

  *connectionsTotal(): Iterable<Sample> {
    for (const [listener, { counts }] of this.#listeners)
      yield { labels: { listener, protocol: 'http' }, value: counts.connectionsTotal }
  }

  /** Connections that were not served. */
  *connectionsRefused(): Iterable<Sample> {
    for (const [listener, { counts }] of this.#listeners) {
      const { limited, malformed } = counts
      for (const [reason, value] of Object.entries({ limited, malformed }))
        if (value > 0) yield { labels: { listener, protocol: 'http', reason }, value }
    }
  }
}

/** Which of the listeners that are open stand for which of those that are wanted, by name; one with another name may keep its address. */
function matching(open: readonly HttpListener[], wanted: readonly Listener[]): Map<string, HttpListener> {
  const found = new Map<string, HttpListener>()
  const rest = new Set(open)
  const match = (fits: (listener: HttpListener, config: Listener) => boolean) => {
    for (const config of wanted) {
      if (found.has(config.name)) continue
      for (const listener of rest) {
        if (!sameAddress(listener.config, config) || !fits(listener, config)) continue
        found.set(config.name, listener)
        rest.delete(listener)
        break
      }
    }
  }
  match((listener, { name }) => listener.config.name === name)
  match((_, { listen }) => listen.port !== 0)
  return found
}

function sameAddress(a: Listener, b: Listener): boolean {
  return a.listen.host === b.listen.host && a.listen.port === b.listen.port
}

/** Ids that are unique among processes and cheap within one. */
function requestIds(): () => string {
  const prefix = randomBytes(8).toString('hex')
  let count = 0
  return () => `${prefix}-${(count++).toString(36)}`
}
