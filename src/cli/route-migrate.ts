/** From routes that are pinned to a gateway to routes of a pool. */
import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import { counted, table } from './print.ts'
import { change, command, type Json, type Session, show } from './session.ts'

export function addRouteMigrate(route: Command, session: Session): void {
  command(
    route,
    'candidates',
    'routes that are pinned to a gateway, and the pools that they could go to',
    'route candidates',
  ).action((options: Json) =>
    show(
      session,
      options,
      client => client.list('GET /api/v1/gateway-pools/migration-candidates'),
      gateways =>
        table(
          session.paint,
          ['GATEWAY', 'ROUTE', 'BACKEND', '', 'POOLS'],
          gateways.flatMap(({ gateway, pools, routes }) =>
            routes.map(({ name, backend, loopback }) => [
              gateway,
              name,
              backend ?? '-',
              loopback ? { text: 'loopback', style: 'yellow' } : '',
              pools.length === 0 ? 'none' : pools.join(', '),
            ]),
          ),
        ),
    ),
  )
  command(
    route,
    'migrate',
    'let pinned routes go to a pool of their gateway, all of them or none',
    'route migrate home-network nas photos',
  )
    .argument('<pool>', 'where they go from now on', nameArgument)
    .argument('<routes...>', 'which (gatepool route candidates)', (text: string, before: string[] = []) => [
      ...before,
      nameArgument(text),
    ])
    .option('--allow-loopback', 'also those whose backend is the gateway itself: it becomes another machine')
    .action((name: string, routes: string[], { allowLoopback, ...options }: Json & { readonly allowLoopback?: true }) =>
      change(
        session,
        options,
        client =>
          client.call('POST /api/v1/gateway-pools/:name/migrate-routes', {
            params: { name },
            body: { routes, allow_loopback: allowLoopback === true },
          }),
        ({ routes: moved }) =>
          `${counted(moved.length, 'route')} to ${name} now: ${moved.map(one => one.name).join(', ')}`,
      ),
    )
}
