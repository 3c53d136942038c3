import { span } from '../admin/contract/span.ts'
import type { AnswerTo } from './client.ts'
import { plain, serves, state, table } from './print.ts'
import { routeTable } from './route.ts'
import { type AddCommand, command, type Json, type Session, show } from './session.ts'

type Status = AnswerTo<'GET /api/v1/status'>

export const addStatus: AddCommand = (parent, session) => {
  command(parent, 'status', 'the replica, its listeners, and who serves what', 'status').action((options: Json) =>
    show(
      session,
      options,
      client => client.call('GET /api/v1/status'),
      (status, now) => words(session, status, now),
    ),
  )
}

function words({ paint }: Session, status: Status, now: number): string {
  const { version, replica, cluster, started_at, definitions, store, replicas, listeners, members, pools, routes } =
    status
  const lines = [
    `gatepool ${version}, replica ${replica} of cluster ${cluster}, up for ${span(status.now - started_at)}`,
    `definitions from the ${definitions.mode}, revision ${definitions.revision}; the store is ${store.available ? 'there' : `away: ${store.reason}`}`,
    ...store.warnings.map(warning => `warning: ${warning}`),
    ...(store.code === 'store_foreign'
      ? ['gatepool store adopt makes what is in Redis count, and gives up what this replica knows']
      : []),
    ...(definitions.differ ? ['the replicas go by different definitions, each by its own file'] : []),
  ]
  const others = replicas.map(
    ({ name, version, started_at, seen_at, behind, definitions, evaluates, in_charge_since }) => [
      name,
      version,
      span(status.now - started_at),
      `${span(Math.max(0, status.now - seen_at))} ago`,
      behind === 0 ? 'up to date' : `${behind} behind`,
      definitions,
      evaluates ? `in charge for ${span(Math.max(0, status.now - (in_charge_since ?? status.now)))}` : '',
    ],
  )
  const tables = [
    // One that is alone with its store is in the first line.
    ...(others.length === 0
      ? []
      : [table(paint, ['REPLICA', 'VERSION', 'UP', 'SEEN', 'KNOWS', 'DEFINITIONS', ''], others)]),
    table(
      paint,
      ['LISTENER', 'PROTOCOL', 'ADDRESS', 'STATE'],
      listeners.map(({ name, protocol, address, open }) => [
        name,
        protocol,
        address,
        open ? { text: 'open', style: 'green' } : { text: 'closed', style: 'red' },
      ]),
    ),
    table(
      paint,
      ['POOL', 'HEALTH', '', 'SERVES'],
      pools.map(pool => [pool.name, state(pool.health), pool.text, serves(pool, now)]),
    ),
    routeTable({ paint }, routes, now),
    ...(members.length === 0
      ? []
      : [
          table(
            paint,
            ['POOL', 'MEMBER', 'CONNECTIONS'],
            members.map(({ pool, gateway, connections }) => [pool, gateway, String(connections)]),
          ),
        ]),
  ]
  return `${lines.map(plain).join('\n')}\n\n${tables.join('\n')}`
}
