/** Taking a gateway out for a while, and putting it back. */
import { type Command, InvalidArgumentError } from 'commander'
import { duration, instanceArgument, moment, nameArgument } from './arguments.ts'
import { createClient } from './client.ts'
import { EXIT } from './io.ts'
import { counted } from './print.ts'
import { change, command, fail, type Json, pretty, type Session, warn } from './session.ts'

/** Ms beyond the wait that an answer may take. */
const PATIENCE = 10_000

interface Drain extends Json {
  readonly reason: 'drain' | 'maintenance'
  readonly instance?: string
  readonly note?: string
  readonly until?: string
  readonly wait?: string
}

export function addGatewayHold(gateway: Command, session: Session): void {
  command(
    gateway,
    'drain',
    'send nothing new to a gateway; what runs may finish',
    'gateway drain home --wait 30s',
    'gateway drain home --reason maintenance --note "kernel update" --until 2h',
  )
    .argument('<gateway>', 'its name', nameArgument)
    .option('--reason <why>', 'drain or maintenance', reasonArgument, 'drain')
    .option('--instance <name>', 'only this agent of it', instanceArgument)
    .option('--note <text>', 'for people')
    .option('--until <moment>', 'it ends by itself: 2h, or 2026-03-29T04:00:00+02:00')
    .option('--wait <time>', 'stay until nothing runs on it any more, at most this long; exit 1 if something does')
    .action((name: string, options: Drain) => drain(session, name, options))

  command(
    gateway,
    'resume',
    'lift what you hold; nothing else holding it, it serves again at once',
    'gateway resume home',
  )
    .argument('<gateway>', 'its name', nameArgument)
    .option('--all', 'lift what others hold too, which needs the role admin')
    .option('--reason <why>', 'only holds for this reason')
    .option('--instance <name>', 'only holds of this agent', instanceArgument)
    .action(
      (
        name: string,
        { all, reason, instance, ...options }: Json & { all?: true; reason?: string; instance?: string },
      ) =>
        change(
          session,
          options,
          client =>
            client.call('DELETE /api/v1/gateways/:name/drain', {
              params: { name },
              query: { all: all === true ? 'true' : undefined, reason, instance },
            }),
          () => `${name} is not held by you any more`,
        ),
    )
}

function reasonArgument(text: string): Drain['reason'] {
  if (text === 'drain' || text === 'maintenance') return text
  throw new InvalidArgumentError('expected drain or maintenance')
}

async function drain(session: Session, name: string, { json, wait, until, ...wish }: Drain): Promise<void> {
  const patience = (wait === undefined ? 0 : await duration(wait)) + PATIENCE
  const end = until === undefined ? {} : { until: await moment(until) }
  const { env, io, ends } = session
  const client = await createClient(env)
  if ('kind' in client) return fail(session, client)
  const got = await client.call('POST /api/v1/gateways/:name/drain', {
    params: { name },
    body: { ...wish, ...end, wait },
    patience,
  })
  if (got.kind === 'failure') return fail(session, got)
  const { in_flight } = got.body
  if (json === true) io.out(pretty(got.body))
  else
    io.err(
      `${name} is held; ${in_flight === 0 ? 'nothing runs on it' : `${counted(in_flight, 'request or connection', 'requests and connections')} still on it`}\n`,
    )
  warn(session, got.body)
  ends(wait !== undefined && in_flight > 0 ? EXIT.failure : EXIT.ok)
}
