import type { Answer } from '../admin/contract/endpoints.ts'
import { nameArgument } from './name.ts'
import { plain, serves, state, table, when } from './print.ts'
import { type AddCommand, type Session, show } from './session.ts'

type Row = Answer<'list_pools'>['items'][number]
type Pool = Answer<'get_pool'>
type Why = Answer<'why'>

interface Options {
  readonly json?: boolean
}

export const addPool: AddCommand = (parent, session) => {
  const pool = parent.command('pool').description('pools of gateways')
  pool
    .command('list')
    .description('every pool: how it is, and who serves')
    .option('--json', 'for scripts')
    .action((options: Options) =>
      show<Row[]>(
        session,
        options,
        client => client.list('api/v1/gateway-pools'),
        (rows, now) => list(session, rows, now),
      ),
    )
  pool
    .command('show')
    .description('one pool and its members')
    .argument('<pool>', 'its name', nameArgument)
    .option('--json', 'for scripts')
    .action((name: string, options: Options) =>
      show<Pool>(
        session,
        options,
        client => client.get(`api/v1/gateway-pools/${name}`),
        (one, now) => inFull(session, one, now),
      ),
    )
  pool
    .command('why')
    .description('why a member is as it is, and when that ends')
    .argument('<pool>', 'its name', nameArgument)
    .argument('<gateway>', 'the member', nameArgument)
    .option('--json', 'for scripts')
    .action((name: string, gateway: string, options: Options) =>
      show<Why>(
        session,
        options,
        client => client.get(`api/v1/gateway-pools/${name}/members/${gateway}/why`),
        ({ answer }) => `${plain(answer)}\n`,
      ),
    )
}

function list({ paint }: Session, rows: readonly Row[], now: number): string {
  return table(
    paint,
    ['POOL', 'MODE', 'HEALTH', '', 'SERVES'],
    rows.map(row => [row.name, row.mode, state(row.health), row.text, serves(row, now)]),
  )
}

function inFull({ paint }: Session, pool: Pool, now: number): string {
  const { name, title, enabled, mode, health, text, failing, members, routes } = pool
  const lines = [
    `${name}${title === undefined ? '' : ` (${title})`}: ${mode}${enabled ? '' : ', switched off'}`,
    `health: ${health}, ${text}${failing === null ? '' : '; its last member keeps failing'}`,
    `serves: ${serves(pool, now)}`,
    `routes: ${routes.length === 0 ? 'none' : routes.join(', ')}`,
  ]
  const rows = members.map(({ priority, gateway, weight, state: is, cause, since, back_at }) => [
    String(priority),
    gateway,
    String(weight),
    state(is),
    cause,
    when(since, now),
    when(back_at, now),
  ])
  const head = ['#', 'MEMBER', 'WEIGHT', 'STATE', 'CAUSE', 'SINCE', 'BACK']
  return `${lines.map(plain).join('\n')}\n\n${table(paint, head, rows)}`
}
