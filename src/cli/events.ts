import { setTimeout as pause } from 'node:timers/promises'
import { InvalidArgumentError } from 'commander'
import type { Answer } from '../admin/contract/endpoints.ts'
import { countArgument, past } from './arguments.ts'
import { type Client, createClient, withQuery } from './client.ts'
import { EXIT } from './io.ts'
import { type Paint, plain } from './print.ts'
import { type AddCommand, command, fail, type Json, type Session, show } from './session.ts'
import { sentEvents } from './sse.ts'

type Event = Answer<'list_events'>['items'][number]

/** Ms until a lost stream is opened again. */
const AGAIN = 1_000

interface Options extends Json {
  readonly follow?: boolean
  readonly limit: number
  readonly kind?: string
  readonly subject?: string
  readonly since?: string
  readonly until?: string
}

export const addEvents: AddCommand = (parent, session) => {
  command(
    parent,
    'events',
    'what happened, and with --follow what happens; --json writes an object a line',
    'events --follow --kind gateway_down',
  )
    .option('-f, --follow', 'stay, and print what happens as it happens')
    .option('-n, --limit <count>', 'begin with the newest so many', countArgument(1, 1000), 20)
    .option('--kind <kinds>', 'only events of this kind, or of these: gateway_down,gateway_alive')
    .option('--subject <name>', 'only events about this gateway, pool or listener')
    .option('--since <moment>', 'only from then on: 2h (ago), or 2026-03-29T04:00:00+02:00')
    .option('--until <moment>', 'only before then')
    .action((options: Options) => (options.follow === true ? follow(session, options) : list(session, options)))
}

async function list(session: Session, options: Options): Promise<void> {
  const print = (events: readonly Event[]) => events.map(event => line(session.paint, options, event)).join('')
  const ask = async (client: Client) => {
    const { since, until } = options
    const span = { since: since && (await past(since)), until: until && (await past(until)) }
    const got = await client.call('GET /api/v1/events', { query: { ...query(options), ...span } })
    return got.kind === 'failure' ? got : { ...got, body: got.body.items }
  }
  await show<Event[]>(session, {}, ask, print)
}

/** Follows until it is stopped; a stream that breaks is taken up again where it was. */
async function follow(session: Session, options: Options): Promise<void> {
  if (options.since !== undefined || options.until !== undefined)
    throw new InvalidArgumentError('--since and --until look back: they do not go with --follow')
  const { io, paint } = session
  const client = await createClient(session.env)
  if ('kind' in client) return fail(session, client)
  let last: string | undefined
  let connected = false
  while (!io.signal.aborted) {
    const got = await client.stream(withQuery('/api/v1/events/stream', query(options)), last, io.signal)
    if (io.signal.aborted) break
    if (got.kind === 'failure' && (!connected || got.exit !== EXIT.unreachable)) return fail(session, got)
    if (got.kind === 'got') {
      connected = true
      try {
        for await (const { id, event, data } of sentEvents(got.body)) {
          if (event === 'reset') {
            io.err('gatepool: events may be missing: not everything that was told is kept\n')
            continue
          }
          last = id
          io.out(line(paint, options, JSON.parse(data)))
        }
      } catch {
        // A stream that broke is a stream that ended.
      }
      if (!io.signal.aborted) io.err('gatepool: the connection was lost, trying again\n')
    }
    await pause(AGAIN, undefined, { signal: io.signal }).catch(() => undefined)
  }
  session.ends(EXIT.ok)
}

const query = ({ limit, kind, subject }: Options) => ({ limit, kind, subject })

function line(paint: Paint, { json }: Options, event: Event): string {
  if (json === true) return `${JSON.stringify(event)}\n`
  // Swedish writes local time the way ISO 8601 does.
  const time = new Date(event.at).toLocaleString('sv-SE')
  return `${paint(time, 'gray')}  ${plain(event.kind).padEnd(24)}  ${plain(event.text)}\n`
}
