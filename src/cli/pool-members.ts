/** `pool members`: who is in a pool, and in which order. */
import { Argument, type Command, InvalidArgumentError } from 'commander'
import { countArgument, memberArgument, nameArgument } from './arguments.ts'
import type { ItemOf } from './client.ts'
import { state, table, when } from './print.ts'
import { change, command, type Json, type Session, show } from './session.ts'

const PATH = '/api/v1/gateway-pools/:name/members'

type MemberRow = ItemOf<`GET ${typeof PATH}`>

const ACTIONS = ['list', 'set', 'add', 'remove', 'move'] as const
type Action = (typeof ACTIONS)[number]

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
    .action((name: string, action: Action, gateways: string[], options: Options) => {
      if (action === 'list') {
        return show(
          session,
          options,
          client => client.call(`GET ${PATH}`, { params: { name } }),
          ({ items }, now) => memberTable(session, items, now),
        )
      }
      if (action === 'set') {
        const body = gateways.map(memberArgument)
        return change(
          session,
          options,
          client => client.call(`PUT ${PATH}`, { params: { name }, body }),
          ({ items }) => `${name}: ${items.length === 0 ? 'no members' : items.map(one => one.gateway).join(', ')}`,
        )
      }
      const [gateway, ...others] = gateways
      if (gateway === undefined || others.length > 0) {
        throw new InvalidArgumentError(`members ${action} takes one gateway`)
      }
      return one(session, action, { name, gateway: nameArgument(gateway) }, options)
    })
}

type Which = { readonly name: string; readonly gateway: string }

/** Adds, removes or moves a member. */
function one(session: Session, action: Exclude<Action, 'list' | 'set'>, params: Which, options: Options) {
  const { name, gateway } = params
  const { weight, position, to } = options
  switch (action) {
    case 'add':
      return change(
        session,
        options,
        client => client.call(`POST ${PATH}`, { params: { name }, body: { gateway, weight, position } }),
        ({ priority }) => `${gateway} is member ${priority} of ${name}`,
      )
    case 'remove':
      return change(
        session,
        options,
        client => client.call(`DELETE ${PATH}/:gateway`, { params }),
        () => `${gateway} is no member of ${name} any more`,
      )
    case 'move':
      if (to === undefined) throw new InvalidArgumentError('say where to: members move GATEWAY --to 1')
      return change(
        session,
        options,
        async client => {
          // To put a member makes it one, and who moves means one that is there.
          const got = await client.call(`GET ${PATH}/:gateway`, { params })
          if (got.kind === 'failure') return got
          return client.call(`PUT ${PATH}/:gateway`, { params, body: { position: to }, if_match: got.etag })
        },
        ({ priority }) => `${gateway} is member ${priority} of ${name}`,
      )
  }
}

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
