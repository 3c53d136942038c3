/** What TCP, TLS and UDP traffic has counted, read when somebody asks. */
import type { Slots } from './slots.ts'
import type { TcpListener } from './tcp/listener.ts'
import type { UdpListener } from './udp/listener.ts'

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Counted {
  readonly tcp: () => Iterable<TcpListener>
  readonly udp: () => Iterable<UdpListener>
  readonly slots: Slots
}

export class L4Numbers {
  readonly #counted: Counted

  constructor(counted: Counted) {
    this.#counted = counted
  }

  /** Connections and sessions that are open, by member. */
  *inFlight(): Iterable<Sample> {
    for (const { upstream, load } of this.#counted.slots.all())
      yield { labels: { pool: upstream.pool, gateway: upstream.gateway }, value: load.inFlight }
  }

  *upstreamErrors(): Iterable<Sample> {
    for (const { pool, name: gateway, failures: value } of this.#counted.slots.members())
      if (value > 0) yield { labels: { pool, gateway }, value }
  }

  *connectionsActive(): Iterable<Sample> {
    for (const { rules, counts } of this.#counted.tcp())
      yield { labels: { listener: rules.name, protocol: rules.protocol }, value: counts.active }
  }

  *connectionsTotal(): Iterable<Sample> {
    for (const { rules, counts } of this.#counted.tcp())
      yield { labels: { listener: rules.name, protocol: rules.protocol }, value: counts.total }
  }

  /** Connections that were not passed on. */
  *connectionsRefused(): Iterable<Sample> {
    for (const { rules, counts } of this.#counted.tcp()) {
      const { limited, denied, malformed, outages } = counts
      for (const [reason, value] of Object.entries({ limited, denied, malformed, outage: outages }))
        if (value > 0) yield { labels: { listener: rules.name, protocol: rules.protocol, reason }, value }
    }
  }

  *bytes(): Iterable<Sample> {
    for (const { rules, counts } of this.#counted.tcp())
      yield* both({ listener: rules.name, protocol: rules.protocol }, counts)
    for (const { route, counts } of this.#counted.udp())
      yield* both({ listener: route.route.name, protocol: 'udp' }, counts)
  }

  *udpSessions(): Iterable<Sample> {
    for (const { route, counts } of this.#counted.udp())
      yield { labels: { listener: route.route.name }, value: counts.active }
  }

  /** Datagrams that were not passed on. */
  *udpDropped(): Iterable<Sample> {
    for (const { route, counts } of this.#counted.udp()) {
      const { limited, denied, malformed, outages, lost } = counts
      for (const [reason, value] of Object.entries({ limited, denied, malformed, outage: outages, lost }))
        if (value > 0) yield { labels: { listener: route.route.name, reason }, value }
    }
  }
}

function* both(
  labels: Sample['labels'],
  { bytesToUpstream, bytesToClient }: { readonly bytesToUpstream: number; readonly bytesToClient: number },
): Iterable<Sample> {
  yield { labels: { ...labels, direction: 'to_upstream' }, value: bytesToUpstream }
  yield { labels: { ...labels, direction: 'to_client' }, value: bytesToClient }
}
