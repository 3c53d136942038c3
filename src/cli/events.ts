import { setTimeout as pause } from 'node:timers/promises'
import { InvalidArgumentError } from 'commander'
import type { Answer } from '../admin/contract/endpoints.ts'
import { type Client, createClient } from './client.ts'
import { EXIT } from './io.ts'
import { type Paint, plain } from './print.ts'
import { type AddCommand, fail, type Session, show } from './session.ts'
import { sentEvents } from './sse.ts'

type Event = Answer<'list_events'>['items'][number]

/** Ms until a lost stream is opened again. */
const AGAIN = 1_000

interface Options {
  readonly follow?: boolean
  readonly limit: number
  readonly kind?: string
  readonly subject?: string
  readonly json?: boolean
}

export const addEvents: AddCommand = (parent, session) => {
  parent
    .command('events')
    .description('what happened, and with --follow what happens')
    .option('-f, --follow', 'stay, and print what happens as it happens')
    .option('-n, --limit <count>', 'begin with the newest so many', countArgument, 20)
    .option('--kind <kind>', 'only events of this kind')
    .option('--subject <name>', 'only events about this gateway, pool or listener')
    .option('--json', 'one JSON object a line, for scripts')
    .action((options: Options) => (options.follow === true ? follow(session, options) : list(session, options)))
}

function countArgument(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= 1000) return Number(text)
  throw new InvalidArgumentError('expected 1 to 1000')
}

async function list(session: Session, options: Options): Promise<void> {
  const print = (events: readonly Event[]) => events.map(event => line(session.paint, options, event)).join('')
  const ask = async (client: Client) => {
    const got = await client.get<Answer<'list_events'>>(`api/v1/events?${query(options)}`)
    return got.kind === 'failure' ? got : { ...got, body: got.body.items }
  }
  await show<Event[]>(session, {}, ask, print)
}

/** Follows until it is stopped; a stream that breaks is taken up again where it was. */
async function follow(session: Session, options: Options): Promise<void> {
  const { io, paint } = session
  const client = await createClient(session.env)
  if ('kind' in client) return fail(session, client)
  let last: string | undefined
  let connected = false
  while (!io.signal.aborted) {
    const got = await client.stream(`api/v1/events/stream?${query(options)}`, last, io.signal)
    if (io.signal.aborted) break
    if (got.kind === 'failure' && (!connected || got.exit !== EXIT.unreachable)) return fail(session, got)
    if (got.kind === 'got') {
      connected = true
      try {
        for await (const { id, data } of sentEvents(got.body)) {
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

function query({ limit, kind, subject }: Options): string {
  return new URLSearchParams({
    limit: String(limit),
    ...(kind === undefined ? {} : { kind }),
    ...(subject === undefined ? {} : { subject }),
  }).toString()
}

function line(paint: Paint, { json }: Options, event: Event): string {
  if (json === true) return `${JSON.stringify(event)}\n`
  // Swedish writes local time the way ISO 8601 does.
  const time = new Date(event.at).toLocaleString('sv-SE')
  return `${paint(time, 'gray')}  ${plain(event.kind).padEnd(24)}  ${plain(event.text)}\n`
}
