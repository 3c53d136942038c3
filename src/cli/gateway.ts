import type { AnswerTo, Client, Got, ItemOf } from './client.ts'
import { addGatewayChange } from './gateway-change.ts'
import { addGatewayHold } from './gateway-hold.ts'
import { addGatewayInstances, instanceTable } from './gateway-instances.ts'
import { addGatewayShow, addressOf } from './gateway-show.ts'
import { addGatewayWindow } from './gateway-window.ts'
import { EXIT } from './io.ts'
import { state, table, when } from './print.ts'
import type { Failure } from './refused.ts'
import { type AddCommand, command, type Json, type Session, show } from './session.ts'

type Row = ItemOf<'GET /api/v1/gateways'>
type Detail = AnswerTo<'GET /api/v1/gateways/:name'>

interface Options extends Json {
  readonly verbose?: boolean
}

export const addGateway: AddCommand = (parent, session) => {
  const gateway = parent.command('gateway').description('hosts that reach the private network')
  command(gateway, 'list', 'every gateway, and since when it is as it is', 'gateway list', 'gateway list --verbose')
    .option('-v, --verbose', 'with title, address, how its life is told, and each of its instances')
    .action(({ verbose = false, ...options }: Options) =>
      verbose
        ? show(session, options, inFull, (gateways, now) => listInFull(session, gateways, now))
        : show(
            session,
            options,
            client => client.list('GET /api/v1/gateways'),
            (rows, now) =>
              table(
                session.paint,
                HEAD,
                rows.map(row => cells(row, row.instances, row.pools, now)),
              ),
          ),
    )
  addGatewayShow(gateway, session)
  addGatewayChange(gateway, session)
  addGatewayHold(gateway, session)
  addGatewayWindow(gateway, session)
  addGatewayInstances(gateway, session)
}

/** Every gateway as `gateway show` has it. */
async function inFull(client: Client): Promise<Got<Detail[]> | Failure> {
  const rows = await client.list('GET /api/v1/gateways')
  if (rows.kind === 'failure') return rows
  const gateways: Detail[] = []
  for (const { name } of rows.body) {
    const got = await client.call('GET /api/v1/gateways/:name', { params: { name } })
    // Deleted since it was listed: then it is none of them.
    if (got.kind === 'failure' && got.exit !== EXIT.notFound) return got
    if (got.kind === 'got') gateways.push(got.body)
  }
  return { ...rows, body: gateways }
}

const HEAD = ['GATEWAY', 'STATE', 'SINCE', 'HEARD', 'INSTANCES', 'POOLS']

type Common = Pick<Row, 'name' | 'state' | 'since' | 'newest_beat'>

const cells = ({ name, state: is, since, newest_beat }: Common, instances: number, pools: number, now: number) => [
  name,
  state(is),
  when(since, now),
  when(newest_beat, now),
  String(instances),
  String(pools),
]

function listInFull({ paint }: Session, gateways: readonly Detail[], now: number): string {
  const rows = gateways.map(one => [
    ...cells(one, one.instances.length, one.pools.length, now),
    one.liveness,
    addressOf(one),
    one.title ?? '-',
  ])
  const instances = gateways.flatMap(one =>
    one.instances.map(instance => ({ ...instance, instance: `${one.name}/${instance.instance}` })),
  )
  const all = table(paint, [...HEAD, 'LIVENESS', 'ADDRESS', 'TITLE'], rows)
  return instances.length === 0 ? all : `${all}\n${instanceTable({ paint }, instances, now)}`
}
