import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import type { AnswerTo, ItemOf } from './client.ts'
import { plain, serves, table, when } from './print.ts'
import { addRouteChange } from './route-change.ts'
import { addRouteMigrate } from './route-migrate.ts'
import { addRouteValidate } from './route-validate.ts'
import { type AddCommand, command, type Json, type Session, show } from './session.ts'

type Row = ItemOf<'GET /api/v1/routes'>
type Route = AnswerTo<'GET /api/v1/routes/:name'>

export const addRoute: AddCommand = (parent, session) => {
  const route = parent.command('route').description('which traffic goes where')
  addLooks(route, session)
  addRouteChange(route, session)
  addRouteMigrate(route, session)
  addRouteValidate(route, session)
}

function addLooks(route: Command, session: Session): void {
  command(route, 'list', 'every route, and who serves it', 'route list').action((options: Json) =>
    show(
      session,
      options,
      client => client.list('GET /api/v1/routes'),
      (rows, now) => routeTable(session, rows, now),
    ),
  )
  command(route, 'show', 'one route: where it leads, and who serves it', 'route show nas')
    .argument('<route>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/routes/:name', { params: { name } }),
        (one, now) => inFull(one, now),
      ),
    )
}

export function routeTable({ paint }: Pick<Session, 'paint'>, rows: readonly Row[], now: number): string {
  return table(
    paint,
    ['ROUTE', 'TAKES', 'TARGET', 'SERVES'],
    rows.map(route => [
      route.enabled ? route.name : { text: `${route.name} (off)`, style: 'gray' },
      route.takes,
      route.target,
      serves(route, now),
    ]),
  )
}

function inFull(route: Route, now: number): string {
  const { name, title, enabled, protocol, takes, target, since, definition } = route
  const lines = [
    `${name}${title === undefined ? '' : ` (${title})`}: ${protocol}${enabled ? '' : ', switched off'}`,
    `takes: ${takes}`,
    `target: ${target}`,
    `serves: ${serves(route, now)}${since === null ? '' : `; since ${when(since, now)}`}`,
    ...(definition.gateway_port === undefined ? [] : [`gateway port: ${definition.gateway_port}`]),
    ...(definition.backend === undefined ? [] : [`backend: ${definition.backend}`]),
  ]
  return `${lines.map(plain).join('\n')}\n`
}
