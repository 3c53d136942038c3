/** The pages of every metric and of every event, made from the registry and from the table of facts. */
import { begin, firstSight } from '../core/advance.ts'
import type { Fact, FactKind } from '../core/events.ts'
import { EMPTY } from '../core/store.ts'
import { DEFAULT_KINDS } from '../core/webhooks.ts'
import { sentence, TOLD } from './facts.ts'
import { createMetrics, type TrafficNumbers } from './metrics.ts'

const METRICS = `# Metrics

Made from the registry by \`npm run generate\`: do not edit it here. They are at \`/metrics\` of the admin API, in the Prometheus text format.
Beside these are the process's own (\`process_…\`, \`nodejs_…\`), as prom-client names them. Facts of the cluster (failovers, failbacks) are
counted by the replica that committed them, so that the sum over all replicas is right.
`

const EVENTS = `# Events

Made from the table of facts by \`npm run generate\`: do not edit it here. An event is told exactly once: to the log, to \`GET /events\` and its
stream, to webhooks and to the metrics. Each has \`id\`, \`kind\`, \`at\` (ms since 1970), \`cluster\`, \`subject\` and \`cause\`; \`replica\` where one
replica saw it by itself. In the sentences, capitals stand for what the event says. Webhooks that name no kinds are told those marked.
`

/** `docs/reference/metrics.md`. */
export function metricsReference(): string {
  const rows = nothingRuns()
    .describe()
    .map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(' '), help])
  return `${METRICS}\n${table(['metric', 'type', 'labels', 'meaning'], rows)}`
}

/** `docs/reference/events.md`. */
export function eventsReference(): string {
  const rows = (Object.keys(TOLD) as FactKind[]).map(kind => {
    const { about, level, more } = TOLD[kind]
    const isDefault = DEFAULT_KINDS.includes(kind)
    return [code(kind), about, more.map(code).join(' '), sentence(sample(kind)), level, isDefault ? 'yes' : '']
  })
  return `${EVENTS}\n${table(['kind', 'subject', 'carries too', 'sentence', 'log level', 'webhooks'], rows)}`
}

const code = (text: string) => `\`${text}\``

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  return [head, head.map(() => '---'), ...rows].map(line).join('')
}

/** A fact whose every word says what stands there. */
function sample(kind: FactKind): Fact {
  const every = {
    ...{ kind, at: 0, subject: 'SUBJECT', cause: 'CAUSE', id: 'ID', cluster: 'CLUSTER' },
    ...{ from: 'FROM', to: 'TO', original: 'ORIGINAL', routes: ['ROUTE'], pool: 'POOL', pools: ['POOL'] },
    ...{ cooldown: 60_000, holder: 'HOLDER', instance: 'INSTANCE', changed: ['pool:NAME'], upstream: 'UPSTREAM' },
    ...{ documents: ['DOCUMENT'], revision: 7 },
  }
  // It has the fields of all kinds, and so of this one.
  return every as unknown as Fact
}

/** The metrics of a program in which nothing runs. */
function nothingRuns() {
  const none = () => []
  const traffic: TrafficNumbers = {
    requests: none,
    durations: none,
    connects: none,
    retries: none,
    upstreamErrors: none,
    connectionsActive: none,
    connectionsTotal: none,
    connectionsRefused: none,
    bytes: none,
    udpSessions: none,
    udpDropped: none,
    inFlight: none,
  }
  const empty = <T>(value: T) => ({ revision: 0, value })
  const sight = firstSight(0)
  const world = {
    definitions: empty(EMPTY.definitions),
    holds: empty(EMPTY.holds),
    liveness: empty(EMPTY.liveness),
    access: empty(EMPTY.access),
    sight,
  }
  return createMetrics({
    state: { snapshot: begin(world) },
    traffic,
    version: '',
    commit: '',
    sharing: () => ({ up: true, conflicts: 0, replicas: [] }),
  })
}
