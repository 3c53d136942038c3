import type { ItemOf } from './client.ts'
import { addGatewayChange } from './gateway-change.ts'
import { addGatewayHold } from './gateway-hold.ts'
import { addGatewayInstances } from './gateway-instances.ts'
import { addGatewayShow, addressOf } from './gateway-show.ts'
import { addGatewayWindow } from './gateway-window.ts'
import { state, table, when } from './print.ts'
import { type AddCommand, command, type Json, type Session, show } from './session.ts'

type Row = ItemOf<'GET /api/v1/gateways'>

interface Options extends Json {
  readonly verbose?: boolean
}

export const addGateway: AddCommand = (parent, session) => {
  const gateway = parent.command('gateway').description('hosts that reach the private network')
  command(gateway, 'list', 'every gateway, and since when it is as it is', 'gateway list --verbose')
    .option('-v, --verbose', 'with title, address and how its life is told')
    .action((options: Options) =>
      show(
        session,
        options,
        client => client.list('GET /api/v1/gateways'),
        (rows, now) => list(session, options, rows, now),
      ),
    )
  addGatewayShow(gateway, session)
  addGatewayChange(gateway, session)
  addGatewayHold(gateway, session)
  addGatewayWindow(gateway, session)
  addGatewayInstances(gateway, session)
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
