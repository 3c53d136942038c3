import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import { type BodyFor, createClient, type ItemOf } from './client.ts'
import { EXIT } from './io.ts'
import { type Cell, plain, table, when } from './print.ts'
import {
  type AddCommand,
  change,
  command,
  fail,
  type Json,
  pretty,
  type Session,
  type Sure,
  show,
  sure,
  withYes,
} from './session.ts'

type Row = ItemOf<'GET /api/v1/webhooks'>

interface Create extends Json {
  readonly url: string
  readonly kinds?: string
  readonly allowPrivate?: boolean
}

export const addWebhook: AddCommand = (parent, session) => {
  const webhook = parent.command('webhook').description('programs that are told what happens')
  command(webhook, 'list', 'every webhook, and how telling it goes', 'webhook list').action((options: Json) =>
    show(
      session,
      options,
      client => client.list('GET /api/v1/webhooks'),
      (rows, now) => list(session, rows, now),
    ),
  )
  command(
    webhook,
    'create',
    'tell a program what happens from now on; the secret that it is signed with is printed now and never again',
    'webhook create chat --url https://hooks.example.com/gatepool --kinds gateway_down,gateway_alive',
  )
    .argument('<name>', 'its name', nameArgument)
    .requiredOption('--url <address>', 'where events are posted to')
    .option('--kinds <names>', 'only these; without: gateways, failovers and outages')
    .option('--allow-private', 'it may be in a private network, or on this host')
    .action((name: string, { url, kinds, allowPrivate = false, json }: Create) => {
      // Checked by the API, which knows the kinds.
      const said = {
        name,
        url,
        allow_private: allowPrivate,
        ...(kinds === undefined ? {} : { kinds: kinds.split(',') }),
      }
      const body = said as BodyFor<'POST /api/v1/webhooks'>
      return show(
        session,
        {},
        client => client.call('POST /api/v1/webhooks', { body }),
        made => {
          session.io.err(`webhook ${name} is made: keep its secret, it is not told again\n`)
          return json === true ? pretty(made) : `${made.secret}\n`
        },
      )
    })
  addTest(webhook, session)
  withYes(command(webhook, 'delete', 'tell it nothing more', 'webhook delete chat --yes'))
    .argument('<webhook>', 'its name', nameArgument)
    .action(async (name: string, options: Json & Sure) => {
      if (!(await sure(session, options, `Delete webhook ${name}?`))) return
      await change(
        session,
        options,
        client => client.call('DELETE /api/v1/webhooks/:name', { params: { name } }),
        () => `webhook ${name} is deleted`,
      )
    })
}

function addTest(webhook: Command, session: Session): void {
  command(webhook, 'test', 'send an event now and once; exit 3 if it was not taken', 'webhook test chat')
    .argument('<webhook>', 'its name', nameArgument)
    .action(async (name: string, { json }: Json) => {
      const { env, io, ends } = session
      const client = await createClient(env)
      if ('kind' in client) return fail(session, client)
      const got = await client.call('POST /api/v1/webhooks/:name/test', { params: { name }, patience: PATIENCE })
      if (got.kind === 'failure') return fail(session, got)
      const { delivered, said } = got.body
      if (json === true) io.out(pretty(got.body))
      else io.err(`${name} ${delivered ? 'took it' : 'did not take it'}: ${plain(said)}\n`)
      ends(delivered ? EXIT.ok : EXIT.unhealthy)
    })
}

/** Ms that the other program may take, and some more. */
const PATIENCE = 30_000

function list({ paint }: Session, rows: readonly Row[], now: number): string {
  const state = ({ failing }: Row): Cell =>
    failing === null ? { text: 'well', style: 'green' } : { text: `failing: ${failing.said}`, style: 'red' }
  return table(
    paint,
    ['WEBHOOK', 'URL', 'EVENTS', 'LAST', 'STATE'],
    rows.map(row => [row.name, row.url, kindsOf(row), when(row.last?.at ?? null, now), state(row)]),
  )
}

const MOST_KINDS = 2

function kindsOf({ kinds }: Row): string {
  const rest = kinds.length - MOST_KINDS
  return kinds.slice(0, MOST_KINDS).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
