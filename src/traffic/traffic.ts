/** All traffic as one: what the wiring opens, drains, closes and reads numbers from. */
import type { Clock } from '../clock.ts'
import type { Listener } from '../config/schema.ts'
import type { Refusal } from '../errors.ts'
import type { State } from '../state.ts'
import type { AccessLog } from '../telemetry/access.ts'
import type { Sample, TrafficNumbers } from '../telemetry/metrics.ts'
import { namesIn } from './counted.ts'
import { countDuration, DURATION_BOUNDS, type DurationCounts, noDurations } from './http/counters.ts'
import { createHttp, type ListenerStatus } from './http/http.ts'
import { createL4 } from './l4.ts'
import { createShared } from './shared.ts'
import type { InFlight } from './slots.ts'
import { tcpWire, timedWire } from './wire.ts'

export interface Traffic {
  /** Makes the listeners of the configuration those of `listeners`. Refused when an address cannot be had: then nothing is changed. */
  apply(listeners: readonly Listener[]): Promise<Refusal | null>
  /** Those of the configuration, and those of routes. */
  listeners(): readonly ListenerStatus[]
  /** The listeners of the configuration that are not open. */
  closed(): readonly string[]
  readonly numbers: TrafficNumbers
  readonly inFlight: InFlight
  /** Stops accepting and resolves when what runs is done. */
  drain(): Promise<void>
  /** Cuts what is left and lets go of everything. */
  close(): void
}

export interface TrafficOptions {
  readonly state: State
  readonly clock: Clock
  readonly random: () => number
  /** Null: requests are not logged. */
  readonly access: AccessLog | null
  /** Told what cannot be had as it was asked for. */
  readonly warn: (text: string) => void
}

export function createTraffic({ state, clock, random, access, warn }: TrafficOptions): Traffic {
  const connects = new Map<string, DurationCounts>()
  const wire = timedWire(tcpWire, ({ pool }, ms) => {
    const durations = connects.get(pool) ?? noDurations()
    connects.set(pool, durations)
    countDuration(durations, ms)
  })
  const shared = createShared({ state, clock })
  const http = createHttp({ state, clock, random, shared, access, wire })
  const l4 = createL4({ state, clock, random, shared, warn, wire })
  let passing: readonly Listener[] = []
  const both = (
    what: 'upstreamErrors' | 'inFlight' | 'connectionsActive' | 'connectionsTotal' | 'connectionsRefused',
  ) =>
    function* (): Iterable<Sample> {
      yield* http.numbers[what]()
      yield* l4.numbers[what]()
    }

  let { definitions } = state.snapshot.world
  const stop = state.onChange(() => {
    if (definitions === state.snapshot.world.definitions) return
    ;({ definitions } = state.snapshot.world)
    const names = namesIn(definitions.value)
    http.numbers.keepOnly(names)
    shared.retries.keepOnly(names)
    for (const pool of connects.keys()) if (!names.pools.has(pool)) connects.delete(pool)
  })

  return {
    async apply(listeners) {
      const isPassing = ({ protocol }: Listener) => protocol === 'tls'
      const next = listeners.filter(isPassing)
      const refused = await l4.apply(next)
      if (refused !== null) return refused
      const also = await http.apply(listeners.filter(one => !isPassing(one)))
      if (also === null) passing = next
      else await l4.apply(passing)
      return also
    },
    listeners: () => [...http.listeners(), ...l4.listeners()],
    closed: () => {
      // One of a route is tried again and again, and keeps nobody from the others.
      const fixed = [...http.listeners(), ...l4.listeners().filter(({ protocol }) => protocol === 'tls')]
      return fixed.filter(({ open }) => !open).map(({ name }) => name)
    },
    numbers: {
      requests: () => http.numbers.requests(),
      durations: () => http.numbers.durations(),
      *connects() {
        for (const [pool, { counts, sum }] of connects) yield { labels: { pool }, bounds: DURATION_BOUNDS, counts, sum }
      },
      retries: () => shared.retries.samples(),
      upstreamErrors: both('upstreamErrors'),
      inFlight: both('inFlight'),
      connectionsActive: both('connectionsActive'),
      connectionsTotal: both('connectionsTotal'),
      connectionsRefused: both('connectionsRefused'),
      bytes: () => l4.numbers.bytes(),
      udpSessions: () => l4.numbers.udpSessions(),
      udpDropped: () => l4.numbers.udpDropped(),
    },
    inFlight: (pool, gateway, instance) =>
      http.inFlight(pool, gateway, instance) + l4.inFlight(pool, gateway, instance),
    async drain() {
      await Promise.all([http.drain(), l4.drain()])
    },
    close() {
      stop()
      shared[Symbol.dispose]()
      http.close()
      l4.close()
    },
  }
}
