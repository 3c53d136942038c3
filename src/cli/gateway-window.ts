/** Maintenance windows: times at which a gateway is held by itself. */
import { type Command, InvalidArgumentError } from 'commander'
import { nameArgument } from './arguments.ts'
import type { ItemOf } from './client.ts'
import { type Cell, table, when } from './print.ts'
import { change, command, type Json, type Session, type Sure, show, sure, withYes } from './session.ts'

const PATH = '/api/v1/gateways/:name/windows'

type Row = ItemOf<`GET ${typeof PATH}`>

interface Create extends Json {
  readonly from: string
  readonly to: string
  readonly days?: Day[]
  readonly timeZone?: string
  readonly note?: string
}

export function addGatewayWindow(gateway: Command, session: Session): void {
  const window = gateway.command('window').description('times at which a gateway is held by itself')
  command(window, 'list', 'the maintenance windows of a gateway, and when each opens next', 'gateway window list home')
    .argument('<gateway>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      show(
        session,
        options,
        client => client.call(`GET ${PATH}`, { params: { name }, query: { limit: 1000 } }),
        ({ items }, now) => list(session, items, now),
      ),
    )
  command(
    window,
    'create',
    'add a window: every week with --days, else once',
    'gateway window create home updates --days sun --from 02:00 --to 04:00 --time-zone Europe/Berlin',
    'gateway window create home new-disk --from 2026-03-29T02:00:00Z --to 2026-03-29T04:00:00Z',
  )
    .argument('<gateway>', 'its name', nameArgument)
    .argument('<window>', 'the name of the window', nameArgument)
    .requiredOption('--from <time>', 'when it begins: 02:00 with --days, else such as 2026-03-29T02:00:00Z')
    .requiredOption('--to <time>', 'when it ends')
    .option('--days <days>', 'the days on which it begins: mon,wed,sun', daysArgument)
    .option('--time-zone <zone>', 'whose clocks count, with --days; without: those of this machine')
    .option('--note <text>', 'for people')
    .action((name: string, window: string, { days, from, to, timeZone, note, json = false }: Create) => {
      const weekly =
        days === undefined ? {} : { days, time_zone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone }
      const body = { name: window, from, to, note, ...weekly }
      return change(
        session,
        { json },
        client => client.call(`POST ${PATH}`, { params: { name }, body }),
        ({ next }, now) =>
          `window ${window} of ${name} is made${next === null ? '' : `; it opens ${when(next.from, now)}`}`,
      )
    })
  withYes(
    command(window, 'delete', 'remove a window; one that is open ends', 'gateway window delete home updates --yes'),
  )
    .argument('<gateway>', 'its name', nameArgument)
    .argument('<window>', 'the name of the window', nameArgument)
    .action(async (name: string, window: string, options: Json & Sure) => {
      if (!(await sure(session, options, `Delete window ${window} of ${name}?`))) return
      await change(
        session,
        options,
        client => client.call(`DELETE ${PATH}/:window`, { params: { name, window } }),
        () => `window ${window} of ${name} is deleted`,
      )
    })
}

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
type Day = (typeof DAYS)[number]

function daysArgument(text: string): Day[] {
  return text.split(',').map(word => {
    const day = DAYS.find(one => one === word.trim())
    if (day === undefined) throw new InvalidArgumentError(`expected some of ${DAYS.join(',')}`)
    return day
  })
}

function list({ paint }: Session, rows: readonly Row[], now: number): string {
  return table(
    paint,
    ['WINDOW', 'STATE', 'NEXT', 'TIMES', 'BY', 'NOTE'],
    rows.map(({ name, open, next, by, note, ...times }): (string | Cell)[] => [
      name,
      open ? { text: 'open', style: 'yellow' } : 'closed',
      next === null ? 'never' : when(next.from, now),
      timesWords(times),
      by,
      note ?? '-',
    ]),
  )
}

function timesWords({ days, from, to, time_zone }: Pick<Row, 'days' | 'from' | 'to' | 'time_zone'>): string {
  if (days !== undefined) return `${days.join(', ')} ${from} to ${to} ${time_zone}`
  const moment = (at: number | string) => (typeof at === 'number' ? new Date(at).toISOString() : at)
  return `${moment(from)} to ${moment(to)}`
}
