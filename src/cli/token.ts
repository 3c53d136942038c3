import type { Command } from 'commander'
import { nameArgument, namesArgument } from './arguments.ts'
import type { ItemOf } from './client.ts'
import { type Cell, table, when } from './print.ts'
import {
  type AddCommand,
  change,
  command,
  type Json,
  pretty,
  type Session,
  type Sure,
  show,
  sure,
  warn,
  withYes,
} from './session.ts'

type Row = ItemOf<'GET /api/v1/tokens'>

export const addToken: AddCommand = (parent, session) => {
  const token = parent.command('token').description('who may ask for what')
  command(token, 'list', 'every token: what it may, how long, when it was last used', 'token list').action(
    (options: Json) =>
      show(
        session,
        options,
        client => client.list('GET /api/v1/tokens'),
        (rows, now) => list(session, rows, now),
      ),
  )
  addCreate(token, session)
  withYes(command(token, 'delete', 'delete a token; it is no good from now on', 'token delete dashboard --yes'))
    .argument('<token>', 'its name', nameArgument)
    .action(async (name: string, options: Json & Sure) => {
      if (!(await sure(session, options, `Delete token ${name}?`))) return
      await change(
        session,
        options,
        client => client.call('DELETE /api/v1/tokens/:name', { params: { name } }),
        () => `token ${name} is deleted`,
      )
    })
}

interface Options extends Json {
  readonly role: Row['role']
  readonly pools?: string[]
  readonly gateway?: string
  readonly expires?: string
}

function addCreate(token: Command, session: Session): void {
  command(
    token,
    'create',
    'make a token; it is printed now and never again',
    'token create dashboard --role viewer --pools home-network --expires 90d',
    'token create home-agent --role gateway --gateway home > home.token',
  )
    .argument('<name>', 'its name', nameArgument)
    .requiredOption(
      '--role <role>',
      'viewer reads, operator also holds and fails over, admin does everything, gateway only beats',
    )
    .option('--pools <names>', 'only for these pools', namesArgument)
    .option('--gateway <name>', 'the gateway that it beats for', nameArgument)
    .option('--expires <time>', 'no good after this time, such as 90d')
    .action(async (name: string, { json, ...body }: Options) => {
      const { io } = session
      await show(
        session,
        { json: false },
        client => client.call('POST /api/v1/tokens', { body: { name, ...body } }),
        made => {
          io.err(`token ${name} is made: keep it, it is not told again\n`)
          warn(session, made)
          return json === true ? pretty(made) : `${made.token}\n`
        },
      )
    })
}

const STATES: Readonly<Record<Row['state'], Cell>> = {
  valid: { text: 'valid', style: 'green' },
  expired: { text: 'expired', style: 'red' },
  orphaned: { text: 'orphaned', style: 'yellow' },
}

function list({ paint }: Session, rows: readonly Row[], now: number): string {
  return table(
    paint,
    ['TOKEN', 'ROLE', 'FOR', 'STATE', 'EXPIRES', 'LAST USED'],
    rows.map(({ name, role, pools, gateway, state, expires_at, last_used }) => [
      name,
      role,
      gateway ?? pools?.join(', ') ?? 'everything',
      STATES[state],
      when(expires_at, now),
      when(last_used, now),
    ]),
  )
}
