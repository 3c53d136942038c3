/** TCP, TLS and UDP traffic with a real state, a real clock and real sockets, in the test's own process. */
import type { z } from 'zod'
import { type Clock, realClock } from '../../src/clock.ts'
import type { definitions } from '../../src/config/definitions.ts'
import { listener } from '../../src/config/schema.ts'
import type { Fact } from '../../src/core/events.ts'
import { createState, type State } from '../../src/state.ts'
import type { Sample } from '../../src/telemetry/metrics.ts'
import { createL4, type L4Traffic } from '../../src/traffic/l4.ts'
import { createShared } from '../../src/traffic/shared.ts'
import { watchTrials } from '../../src/watch/trials.ts'
import { RawPeer, until } from './raw-peer.ts'
import { define, type Known, worldOf } from './world.ts'

type Written = z.input<typeof definitions>
type WrittenRoute = NonNullable<Written['routes']>[number]
type WrittenPool = NonNullable<Written['pools']>[number]
type WrittenListener = z.input<typeof listener>

export interface L4 extends AsyncDisposable {
  readonly state: State
  readonly l4: L4Traffic
  readonly facts: readonly Fact[]
  /** Where a route or a listener listens. */
  port(name: string): number
  connect(name: string): Promise<RawPeer>
  /** Changes the definitions, and waits until the listeners are those of the routes. */
  define(written: Written): Promise<void>
  /** Connections and sessions that are open. */
  inFlight(): number
  retries(): readonly Sample[]
}

export interface L4Options {
  readonly listeners?: readonly Partial<WrittenListener>[]
  readonly known?: Known
  readonly clock?: Clock
  /** Watches ejected upstreams as the program does. */
  readonly trials?: boolean
  /** UDP sessions that there may be in all. */
  readonly most?: number
}

/** Runs these definitions as an operator would write them. */
export async function startL4(written: Written, options: L4Options = {}): Promise<L4> {
  const clock = options.clock ?? realClock()
  const { known = {} } = options
  const world = worldOf(define(written), { ...known, sight: { observing_since: clock.now(), ...known.sight } })
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({ world, cluster: 'test', replica: 'one', boot: 'b', onError })
  const facts: Fact[] = []
  state.onFact(fact => facts.push(fact))
  const trials = options.trials ? watchTrials({ state, clock }) : undefined
  const shared = createShared({ state, clock })
  const l4 = createL4({
    state,
    clock,
    random: Math.random,
    shared,
    ...(options.most === undefined ? {} : { room: { taken: 0, most: options.most } }),
  })
  const listeners = (options.listeners ?? []).map(one =>
    listener.parse({ name: 'pass', protocol: 'tls', listen: '127.0.0.1:0', ...one }),
  )
  const refused = await l4.apply(listeners)
  if (refused !== null) throw new Error(refused.detail)
  const inFlight = () => sum(l4.numbers.inFlight())
  const port = (name: string) => {
    const address = l4.listeners().find(one => one.name === name)?.address ?? ''
    return Number(address.slice(address.lastIndexOf(':') + 1))
  }

  return {
    state,
    l4,
    facts,
    port,
    inFlight,
    retries: () => [...shared.retries.samples()],
    connect: name => RawPeer.to(port(name)),
    async define(next) {
      state.apply({ kind: 'loaded', definitions: define(next), changed: [], at: clock.now() })
      await Promise.resolve()
      await l4.apply(listeners)
    },
    async [Symbol.asyncDispose]() {
      trials?.[Symbol.dispose]()
      shared[Symbol.dispose]()
      l4.close()
      await until(() => inFlight() === 0 && sum(l4.numbers.connectionsActive()) === 0, 'nothing runs any more')
    },
  }
}

/** Gateways on loopback addresses of their own, 127.0.0.2 and so on, so that one port serves all; in one pool, with one TCP route to it. */
export function tcpPool(
  gateways: readonly string[],
  port: number,
  { pool, route }: { readonly pool?: Partial<WrittenPool>; readonly route?: Partial<WrittenRoute> } = {},
): Written {
  return {
    gateways: gateways.map((name, i) => ({ name, address: `127.0.0.${i + 2}` })),
    pools: [{ name: 'all', members: [...gateways], ...pool }],
    routes: [
      { name: 'tcp', protocol: 'tcp', listen: '127.0.0.1:0', gateway_port: port, target: { pool: 'all' }, ...route },
    ],
  }
}

/** What was counted under these labels. */
export function sum(
  samples: Iterable<{ readonly labels: object; readonly value: number }>,
  labels: object = {},
): number {
  let total = 0
  for (const sample of samples)
    if (Object.entries(labels).every(([key, value]) => (sample.labels as Record<string, unknown>)[key] === value))
      total += sample.value
  return total
}
