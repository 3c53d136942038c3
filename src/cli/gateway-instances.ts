/** The agents that beat for a gateway. */
import type { Command } from 'commander'
import { instanceArgument, nameArgument } from './arguments.ts'
import type { ItemOf } from './client.ts'
import { type Cell, state, table, when } from './print.ts'
import { change, command, type Json, type Session, show } from './session.ts'

type Row = ItemOf<'GET /api/v1/gateways/:name/instances'>

export function addGatewayInstances(gateway: Command, session: Session): void {
  const description = 'the agents that beat for a gateway: which, since when, and until when they count'
  command(gateway, 'instances', description, 'gateway instances home')
    .argument('<gateway>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/gateways/:name/instances', { params: { name }, query: { limit: 1000 } }),
        ({ items }, now) => instanceTable(session, items, now),
      ),
    )
  const forgetting = 'forget an instance that is gone, to make room; one that lives comes back with its next beat'
  command(gateway, 'forget', forgetting, 'gateway forget home home-1')
    .argument('<gateway>', 'its name', nameArgument)
    .argument('<instance>', 'which agent', instanceArgument)
    .action((name: string, instance: string, options: Json) =>
      change(
        session,
        options,
        client => client.call('DELETE /api/v1/gateways/:name/instances/:instance', { params: { name, instance } }),
        () => `instance ${instance} of ${name} is forgotten`,
      ),
    )
}

export function instanceTable({ paint }: Pick<Session, 'paint'>, rows: readonly Row[], now: number): string {
  const said = (row: Row): Cell | string => {
    if (row.held) return state('held')
    return row.state === 'ready' ? { text: 'ready', style: 'green' } : (row.state ?? 'not heard')
  }
  return table(
    paint,
    ['INSTANCE', 'STATE', 'SINCE', 'HEARD', 'LEAVES', 'ADDRESS', 'WEIGHT', 'OUT OF'],
    rows.map(row => [
      row.instance,
      said(row),
      when(row.since, now),
      when(row.newest_beat, now),
      when(row.stale_at, now),
      row.address ?? '-',
      `${row.weight}%`,
      row.out_of.length === 0 ? '-' : row.out_of.join(', '),
    ]),
  )
}
