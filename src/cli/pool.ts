import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import type { AnswerTo, ItemOf } from './client.ts'
import { addPoolOperations } from './operations.ts'
import { addPoolChange } from './pool-change.ts'
import { addPoolFailover } from './pool-failover.ts'
import { addPoolMembers, memberTable } from './pool-members.ts'
import { plain, serves, state, table } from './print.ts'
import { type AddCommand, command, type Json, type Session, show } from './session.ts'

type Row = ItemOf<'GET /api/v1/gateway-pools'>
type Pool = AnswerTo<'GET /api/v1/gateway-pools/:name'>

export const addPool: AddCommand = (parent, session) => {
  const pool = parent.command('pool').description('pools of gateways')
  addLooks(pool, session)
  addPoolChange(pool, session)
  addPoolMembers(pool, session)
  addPoolFailover(pool, session)
  addPoolOperations(pool, session)
}

function addLooks(pool: Command, session: Session): void {
  command(pool, 'list', 'every pool: how it is, and who serves', 'pool list').action((options: Json) =>
    show(
      session,
      options,
      client => client.list('GET /api/v1/gateway-pools'),
      (rows, now) => list(session, rows, now),
    ),
  )
  command(pool, 'show', 'one pool and its members', 'pool show home-network')
    .argument('<pool>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/gateway-pools/:name', { params: { name } }),
        (one, now) => inFull(session, one, now),
      ),
    )
  command(pool, 'why', 'why a member is as it is, and when that ends', 'pool why home-network home')
    .argument('<pool>', 'its name', nameArgument)
    .argument('<gateway>', 'the member', nameArgument)
    .action((name: string, gateway: string, options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/gateway-pools/:name/members/:gateway/why', { params: { name, gateway } }),
        ({ answer }) => `${plain(answer)}\n`,
      ),
    )
}

function list({ paint }: Session, rows: readonly Row[], now: number): string {
  return table(
    paint,
    ['POOL', 'MODE', 'HEALTH', '', 'SERVES', 'ROUTES'],
    rows.map(row => [row.name, row.mode, state(row.health), row.text, serves(row, now), String(row.routes)]),
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
  return `${lines.map(plain).join('\n')}\n\n${memberTable({ paint }, members, now)}`
}
