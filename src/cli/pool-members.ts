/**
 * `pool members`: who is in a pool and in which order. Whatever is changed, the whole list goes back at once, and only if nobody else
 * changed it meanwhile.
 */
import { Argument, type Command, InvalidArgumentError } from 'commander'
import { countArgument, memberArgument, nameArgument } from './arguments.ts'
import type { AnswerTo, BodyFor } from './client.ts'
import { EXIT } from './io.ts'
import { state, table, when } from './print.ts'
import { failure } from './refused.ts'
import { change, command, type Json, type Session, show } from './session.ts'

const READ = 'GET /api/v1/gateway-pools/:name/members'
const WRITE = 'PUT /api/v1/gateway-pools/:name/members'

export type MemberRow = AnswerTo<typeof READ>['items'][number]
type Members = BodyFor<typeof WRITE>

const ACTIONS = ['list', 'set', 'add', 'remove', 'move'] as const

interface Options extends Json {
  readonly weight?: number
  readonly position?: number
  readonly to?: number
}

export function addPoolMembers(pool: Command, session: Session): void {
  command(
    pool,
    'members',
    'who is in a pool, in order: the first is the primary',
    'pool members home-network set home nas',
    'pool members home-network add spare --weight 2 --position 1',
    'pool members home-network move nas --to 1',
  )
    .argument('<pool>', 'its name', nameArgument)
    .addArgument(new Argument('[action]', 'what to do').choices(ACTIONS).default('list'))
    .argument('[gateways...]', 'set: all of them in order, GATEWAY or GATEWAY=WEIGHT; add, remove, move: one')
    .option('--weight <count>', 'add: its share in load balancing', countArgument(1, 1000))
    .option(
      '--position <place>',
      'add: its place in the order, 1 is the first; without: the last',
      countArgument(1, 256),
    )
    .option('--to <place>', 'move: its new place in the order', countArgument(1, 256))
    .action((name: string, action: (typeof ACTIONS)[number], gateways: string[], options: Options) => {
      const { paint } = session
      if (action === 'list') {
        return show(
          session,
          options,
          client => client.call(READ, { params: { name } }),
          ({ items }, now) => memberTable({ paint }, items, now),
        )
      }
      const edit = editOf(action, gateways, options)
      return change(
        session,
        options,
        async client => {
          const params = { name }
          if (action === 'set') return client.call(WRITE, { params, body: edit([]) ?? [] })
          const got = await client.call(READ, { params })
          if (got.kind === 'failure') return got
          const body = edit(got.body.items.map(written))
          if (body === null) return failure(EXIT.notFound, `${gateways[0]} is not a member of ${name}`)
          return client.call(WRITE, { params, body, if_match: got.etag })
        },
        ({ items }) => `${name}: ${items.length === 0 ? 'no members' : items.map(one => one.gateway).join(', ')}`,
      )
    })
}

/** What becomes of the list; null: the gateway is not in it. */
type Edit = (members: Members) => Members | null

function editOf(
  action: Exclude<(typeof ACTIONS)[number], 'list'>,
  gateways: readonly string[],
  options: Options,
): Edit {
  if (action === 'set') {
    const all = gateways.map(memberArgument)
    return () => all
  }
  const [gateway, ...others] = gateways
  if (gateway === undefined || others.length > 0) throw new InvalidArgumentError(`members ${action} takes one gateway`)
  nameArgument(gateway)
  const { weight, position = 257, to } = options
  switch (action) {
    case 'add': {
      const member = weight === undefined ? gateway : { gateway, weight }
      return members => members.toSpliced(position - 1, 0, member)
    }
    case 'remove':
      return members => (members.some(isOf(gateway)) ? members.filter(one => !isOf(gateway)(one)) : null)
    case 'move': {
      if (to === undefined) throw new InvalidArgumentError('say where to: members move GATEWAY --to 1')
      return members => {
        const moved = members.find(isOf(gateway))
        return moved === undefined ? null : members.filter(one => one !== moved).toSpliced(to - 1, 0, moved)
      }
    }
  }
}

const isOf = (gateway: string) => (member: Members[number]) =>
  (typeof member === 'string' ? member : member.gateway) === gateway

const written = ({ gateway, weight }: MemberRow): Members[number] => (weight === 1 ? gateway : { gateway, weight })

export function memberTable({ paint }: Pick<Session, 'paint'>, members: readonly MemberRow[], now: number): string {
  return table(
    paint,
    ['#', 'MEMBER', 'WEIGHT', 'STATE', 'CAUSE', 'SINCE', 'BACK'],
    members.map(({ priority, gateway, weight, state: is, cause, since, back_at }) => [
      String(priority),
      gateway,
      String(weight),
      state(is),
      cause,
      when(since, now),
      when(back_at, now),
    ]),
  )
}
