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
  const { version, replica, cluster, started_at, definitions, store, listeners, pools, routes } = status
  const lines = [
    `gatepool ${version}, replica ${replica} of cluster ${cluster}, up for ${span(status.now - started_at)}`,
    `definitions from the ${definitions.mode}, revision ${definitions.revision}; the store is ${store.available ? 'there' : 'away'}`,
  ]
  const tables = [
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
  ]
  return `${lines.map(plain).join('\n')}\n\n${tables.join('\n')}`
}
