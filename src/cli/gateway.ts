import type { Answer } from '../admin/contract/endpoints.ts'
import { state, table, when } from './print.ts'
import { type AddCommand, type Session, show } from './session.ts'

type Row = Answer<'list_gateways'>['items'][number]

interface Options {
  readonly json?: boolean
  readonly verbose?: boolean
}

export const addGateway: AddCommand = (parent, session) => {
  parent
    .command('gateway')
    .description('hosts that reach the private network')
    .command('list')
    .description('every gateway, and since when it is as it is')
    .option('-v, --verbose', 'with title, address and how its life is told')
    .option('--json', 'for scripts')
    .action((options: Options) =>
      show<Row[]>(
        session,
        options,
        client => client.list('api/v1/gateways'),
        (rows, now) => list(session, options, rows, now),
      ),
    )
}

function list({ paint }: Session, { verbose = false }: Options, rows: readonly Row[], now: number): string {
  const more = verbose ? ['LIVENESS', 'ADDRESS', 'TITLE'] : []
  return table(
    paint,
    ['GATEWAY', 'STATE', 'SINCE', 'HEARD', 'INSTANCES', 'POOLS', ...more],
    rows.map(row => [
      row.name,
      state(row.state),
      when(row.since, now),
      when(row.newest_beat, now),
      String(row.instances),
      String(row.pools),
      ...(verbose ? [row.liveness, addressOf(row), row.title ?? '-'] : []),
    ]),
  )
}

function addressOf({ address, http_port }: Row): string {
  return `${address.includes(':') ? `[${address}]` : address}:${http_port}`
}
