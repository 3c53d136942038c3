/**
 * The metrics page. Whatever is counted per request is a plain number of traffic's, read here when somebody asks; prom-client only
 * renders. Labels come from small sets.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Fact } from '../core/events.ts'
import { NO_POOL } from '../core/homes.ts'
import type { State } from '../state.ts'
import { tellOfProcess } from './event-loop.ts'

/** One reading of a number that lives elsewhere. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Durations {
  readonly labels: Readonly<Record<string, string>>
  readonly bounds: readonly number[]
  readonly counts: ArrayLike<number>
  readonly sum: number
}

/** One metric as the reference page lists it. */
export interface Described {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly labels: readonly string[]
}

/** What traffic counts, as the metrics page wants it. `bounds` are upper bounds in seconds; `counts` per bound, not cumulative, one more for the rest. */
export interface TrafficNumbers {
  requests(): Iterable<Sample>
  durations(): Iterable<Durations>
  /** Connects of upstreams that succeeded. */
  connects(): Iterable<Durations>
  retries(): Iterable<Sample>
  upstreamErrors(): Iterable<Sample>
  connectionsActive(): Iterable<Sample>
  connectionsTotal(): Iterable<Sample>
  connectionsRefused(): Iterable<Sample>
  bytes(): Iterable<Sample>
  udpSessions(): Iterable<Sample>
  udpDropped(): Iterable<Sample>
  /** What runs now, by member: requests, tunnels, connections and sessions. */
  inFlight(): Iterable<Sample>
}

export interface MetricsOptions {
  readonly state: Pick<State, 'snapshot'>
  readonly traffic: TrafficNumbers
  readonly version: string
  readonly commit: string
  /** How it stands with a shared store. */
  readonly sharing: () => {
    readonly up: boolean
    readonly conflicts: number
    /** Those that are here, this one too, and by how many revisions each of them was behind when it asked last. */
    readonly replicas: readonly { readonly name: string; readonly behind: number }[]
  }
}

export interface Metrics {
  count(fact: Fact): void
  /** A beat of `gateway` was heard. */
  heard(gateway: string): void
  readonly healthChecks: Counter<'pool' | 'gateway' | 'result'>
  readonly reloadSuccessful: Gauge
  /** Seconds that a shared store took to answer. */
  readonly storeLatency: Histogram
  /** The page in the Prometheus text format. */
  render(): Promise<string>
  /** Those of our own, by name. */
  describe(): readonly Described[]
}

const PREFIX = 'gatepool_'

export function createMetrics({ state, traffic, version, commit, sharing }: MetricsOptions): Metrics {
  const registry = new Registry()
  const registers = [registry]
  tellOfProcess(registry, `${PREFIX}event_loop_lag_seconds`)

  /** A metric whose value is read when the page is rendered. */
  const read = (
    kind: 'counter' | 'gauge',
    name: string,
    help: string,
    labelNames: readonly string[],
    samples: () => Iterable<Sample>,
  ) => {
    const collect = function (this: Counter | Gauge) {
      this.reset()
      for (const { labels, value } of samples()) this.inc(labels, value)
    }
    const options = { name: PREFIX + name, help, labelNames: [...labelNames], registers, collect }
    return kind === 'counter' ? new Counter(options) : new Gauge(options)
  }

  const pools = () => Object.values(state.snapshot.pools)
  read('counter', 'http_requests_total', 'Requests answered', ['listener', 'route', 'pool', 'code_class'], () =>
    traffic.requests(),
  )
  read('counter', 'retries_total', 'Requests sent once more, and retries the budget refused', ['pool', 'reason'], () =>
    traffic.retries(),
  )
  read('counter', 'upstream_errors_total', 'Attempts that failed', ['pool', 'gateway'], () => traffic.upstreamErrors())
  read('gauge', 'connections_active', 'Client connections open', ['listener', 'protocol'], () =>
    traffic.connectionsActive(),
  )
  read('counter', 'connections_total', 'Client connections taken', ['listener', 'protocol'], () =>
    traffic.connectionsTotal(),
  )
  read(
    'counter',
    'connections_refused_total',
    'Connections that were not passed on',
    ['listener', 'protocol', 'reason'],
    () => traffic.connectionsRefused(),
  )
  read('counter', 'l4_bytes_total', 'Bytes passed on', ['listener', 'protocol', 'direction'], () => traffic.bytes())
  read('gauge', 'udp_sessions_active', 'UDP sessions', ['listener'], () => traffic.udpSessions())
  read('counter', 'udp_datagrams_dropped_total', 'Datagrams that were not passed on', ['listener', 'reason'], () =>
    traffic.udpDropped(),
  )
  read('gauge', 'member_up', '1 when the member is ready', ['pool', 'gateway'], () =>
    pools().flatMap(({ name: pool, members }) =>
      members.map(({ gateway, ready }) => ({ labels: { pool, gateway }, value: Number(ready) })),
    ),
  )
  read('gauge', 'member_state', '1 for the state the member is in', ['pool', 'gateway', 'state'], () =>
    pools().flatMap(({ name: pool, members }) =>
      members.map(({ gateway, state: is }) => ({ labels: { pool, gateway, state: is }, value: 1 })),
    ),
  )
  read('gauge', 'pool_members', 'Members of the pool', ['pool'], () =>
    pools().map(({ name: pool, members }) => ({ labels: { pool }, value: members.length })),
  )
  read('gauge', 'pool_serving', '1 for each gateway that serves the pool', ['pool', 'gateway'], () =>
    pools().flatMap(({ name: pool, serving }) => {
      const gateways = 'gateways' in serving ? serving.gateways : 'gateway' in serving ? [serving.gateway] : []
      return gateways.map(gateway => ({ labels: { pool, gateway }, value: 1 }))
    }),
  )
  read('gauge', 'definitions_revision', 'Revision of the definitions in use', [], () => [
    { labels: {}, value: state.snapshot.world.definitions.revision },
  ])
  read('gauge', 'store_up', '1 while the store answers', [], () => [{ labels: {}, value: Number(sharing().up) }])
  read('gauge', 'replicas', 'Replicas of the cluster that are here', [], () => [
    { labels: {}, value: sharing().replicas.length },
  ])
  read('gauge', 'replica_lag_revisions', 'Revisions that a replica did not know yet', ['replica'], () =>
    sharing().replicas.map(({ name: replica, behind: value }) => ({ labels: { replica }, value })),
  )
  read('counter', 'store_conflicts_total', 'Changes made again since somebody else was faster', [], () => [
    { labels: {}, value: sharing().conflicts },
  ])
  read('gauge', 'build_info', 'Always 1', ['version', 'commit'], () => [{ labels: { version, commit }, value: 1 }])
  histogram(registry, {
    name: 'http_request_duration_seconds',
    help: 'From the head of a request to the end of its answer',
    labels: ['listener', 'pool'],
    durations: () => traffic.durations(),
  })
  histogram(registry, {
    name: 'upstream_connect_duration_seconds',
    help: 'Until an upstream took a connection; those that did not are errors',
    labels: ['pool'],
    durations: () => traffic.connects(),
  })

  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: PREFIX + name, help, labelNames, registers })
  const failovers = counter('failovers_total', 'Failovers of the pool', 'pool', 'kind')
  const failbacks = counter('failbacks_total', 'Failbacks of the pool', 'pool', 'kind')
  const ejections = counter('ejections_total', 'Members taken out by passive health', 'pool', 'kind')
  const healthChecks = counter('health_checks_total', 'Active checks made', 'pool', 'gateway', 'result')

  // As plain numbers: a fleet beats all the time, and the page is read now and then.
  const beats = new Map<string, number>()
  read('counter', 'heartbeats_total', 'Beats heard', ['gateway'], function* () {
    for (const [gateway, value] of beats) yield { labels: { gateway }, value }
  })

  let { definitions } = state.snapshot.world
  /** Names come and go: what was counted under one that is no more goes with it. */
  const forgetStrangers = async () => {
    if (definitions === state.snapshot.world.definitions) return
    ;({ definitions } = state.snapshot.world)
    const pools = new Set([NO_POOL, ...definitions.value.pools.map(({ name }) => name)])
    const gateways = new Set(definitions.value.gateways.map(({ name }) => name))
    for (const gateway of beats.keys()) if (!gateways.has(gateway)) beats.delete(gateway)
    const counters: readonly Counter[] = [failovers, failbacks, ejections, healthChecks]
    for (const one of counters) {
      for (const { labels } of (await one.get()).values) {
        const { pool = NO_POOL, gateway } = labels
        if (!pools.has(`${pool}`) || (gateway !== undefined && !gateways.has(`${gateway}`))) one.remove(labels)
      }
    }
  }

  return {
    heard(gateway) {
      beats.set(gateway, (beats.get(gateway) ?? 0) + 1)
    },
    healthChecks,
    reloadSuccessful: new Gauge({
      name: `${PREFIX}config_last_reload_successful`,
      help: '1 when the last reload was taken',
      registers,
    }),
    storeLatency: new Histogram({
      name: `${PREFIX}store_latency_seconds`,
      help: 'Seconds until a shared store answered',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1],
      registers,
    }),
    count(fact) {
      if (fact.kind === 'pool_failover_activated') failovers.inc({ pool: fact.subject, kind: fact.cause })
      else if (fact.kind === 'pool_failover_restored') failbacks.inc({ pool: fact.subject, kind: fact.cause })
      else if (fact.kind === 'member_ejected') ejections.inc({ pool: fact.pool, kind: fact.cause })
    },
    async render() {
      // Metric by metric, with a turn of the loop between them: a large page must not hold up traffic.
      await forgetStrangers()
      const parts: string[] = []
      for (const { name } of registry.getMetricsAsArray()) {
        parts.push(await registry.getSingleMetricAsString(name))
        await new Promise(resolve => setImmediate(resolve))
      }
      return `${parts.join('\n\n')}\n`
    },
    describe() {
      // What prom-client's types do not tell: every metric of a registry knows these of itself.
      const all = registry.getMetricsAsArray() as unknown as (Omit<Described, 'labels'> & { labelNames: string[] })[]
      return all
        .filter(({ name }) => name.startsWith(PREFIX))
        .map(({ name, type, help, labelNames }) => ({ name, type, help, labels: labelNames }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },
  }
}

interface HistogramOptions {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly durations: () => Iterable<Durations>
}

/** prom-client's own histogram costs 350 ns an observation; traffic's buckets are read whole instead. */
function histogram(registry: Registry, { name: short, help, labels: labelNames, durations }: HistogramOptions): void {
  const name = PREFIX + short
  const type = 'histogram'
  const values = () =>
    [...durations()].flatMap(({ labels, bounds, counts, sum }) => {
      let total = 0
      const buckets = [...bounds, '+Inf'].map((le, i) => {
        total += counts[i] ?? 0
        return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total }
      })
      const rest = [
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: total },
      ]
      return [...buckets, ...rest]
    })
  const get = async () => ({ name, help, type, aggregator: 'sum', values: values() })
  // The registry asks a metric for no more than this; its type wants one of prom-client's own classes.
  registry.registerMetric({ name, help, type, labelNames, get, reset() {} } as unknown as Gauge)
}
