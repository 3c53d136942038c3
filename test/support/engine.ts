/** The HTTP engine with a real state, a real clock and real sockets, in the test's own process. */
import type { z } from 'zod'
import { realClock } from '../../src/clock.ts'
import type { definitions } from '../../src/config/definitions.ts'
import { listener } from '../../src/config/schema.ts'
import type { Fact } from '../../src/core/events.ts'
import { createState, type State } from '../../src/state.ts'
import type { AccessLog } from '../../src/telemetry/access.ts'
import { createHttp, type HttpTraffic } from '../../src/traffic/http/http.ts'
import { createShared } from '../../src/traffic/shared.ts'
import { watchTrials } from '../../src/watch/trials.ts'
import { type RawMessage, RawPeer, until } from './raw-peer.ts'
import { define, worldOf } from './world.ts'

type Written = z.input<typeof definitions>
type WrittenListener = z.input<typeof listener>
type Of<K extends 'gateways' | 'pools' | 'routes'> = NonNullable<Written[K]>[number]

export interface Engine extends AsyncDisposable {
  readonly port: number
  readonly state: State
  readonly http: HttpTraffic
  /** Everything that was told so far. */
  readonly facts: readonly Fact[]
  connect(): Promise<RawPeer>
  /** One request on a connection of its own, and its answer. */
  ask(raw: string, how?: { toHead?: boolean }): Promise<RawMessage>
  /** Requests that run now, and tunnels that are open. */
  inFlight(): number
  /** Requests counted in a class: `2xx`, `5xx`, `client_left`. */
  counted(codeClass: string): number
  /** Requests sent once more, by reason. */
  retries(): Record<string, number>
}

export interface EngineOptions {
  readonly listener?: Partial<WrittenListener>
  readonly access?: AccessLog
  /** Watches ejected upstreams as the program does. */
  readonly trials?: boolean
}

/** Runs an engine for these definitions, as an operator would write them, on a free port. */
export async function startEngine(written: Written, options: EngineOptions = {}): Promise<Engine> {
  const clock = realClock()
  const world = worldOf(define(written), { sight: { observing_since: clock.now() } })
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({ world, cluster: 'test', replica: 'one', boot: 'b', onError })
  const facts: Fact[] = []
  state.onFact(fact => facts.push(fact))
  const trials = options.trials ? watchTrials({ state, clock }) : undefined
  const shared = createShared({ state, clock })
  const http = createHttp({ state, clock, random: Math.random, shared, access: options.access ?? null })
  const refused = await http.apply([webListener(options.listener)])
  if (refused !== null) throw new Error(refused.detail)
  const port = portOf(http, 'web')
  const inFlight = () => sum(http.numbers.inFlight())

  return {
    port,
    state,
    http,
    facts,
    inFlight,
    connect: () => RawPeer.to(port),
    async ask(raw, how) {
      const client = await RawPeer.to(port)
      client.send(raw)
      const answer = await client.answer(how)
      client.close()
      return answer
    },
    counted: codeClass => sum([...http.numbers.requests()].filter(({ labels }) => labels.code_class === codeClass)),
    retries: () => Object.fromEntries([...shared.retries.samples()].map(({ labels, value }) => [labels.reason, value])),
    async [Symbol.asyncDispose]() {
      trials?.[Symbol.dispose]()
      shared[Symbol.dispose]()
      http.close()
      await until(() => inFlight() === 0 && sum(http.numbers.connectionsActive()) === 0, 'nothing runs any more')
    },
  }
}

/** An engine with one pool of gateways on these ports, named a, b and so on, and one route to it for everything. */
export function startPool(
  ports: readonly number[],
  options: EngineOptions & { readonly pool?: Partial<Of<'pools'>>; readonly route?: Partial<Of<'routes'>> } = {},
): Promise<Engine> {
  const gateways = ports.map((http_port, i) => ({ name: nameOf(i), address: '127.0.0.1', http_port }))
  return startEngine(
    {
      gateways,
      pools: [{ name: 'all', members: gateways.map(({ name }) => name), ...options.pool }],
      routes: [{ name: 'app', target: { pool: 'all' }, ...options.route }],
    },
    options,
  )
}

/** A listener on a free port, as an operator would write it. */
export function webListener(written: Partial<WrittenListener> = {}) {
  return listener.parse({ name: 'web', listen: '127.0.0.1:0', ...written })
}

export function portOf(http: HttpTraffic, name: string): number {
  const address = http.listeners().find(one => one.name === name)?.address ?? ''
  return Number(address.slice(address.lastIndexOf(':') + 1))
}

function nameOf(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + index)
}

function sum(samples: Iterable<{ readonly value: number }>): number {
  let total = 0
  for (const { value } of samples) total += value
  return total
}
