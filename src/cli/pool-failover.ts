/** Failover and failback by hand. */
import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import { serves } from './print.ts'
import { change, command, type Json, type Session } from './session.ts'

const PATH = '/api/v1/gateway-pools/:name/failover'

export function addPoolFailover(pool: Command, session: Session): void {
  command(
    pool,
    'failover',
    'fail over now: this member takes the traffic while it is ready',
    'pool failover home-network --to nas',
  )
    .argument('<pool>', 'its name', nameArgument)
    .requiredOption('--to <gateway>', 'the member that is to serve', nameArgument)
    .action((name: string, { to, ...options }: Json & { readonly to: string }) =>
      change(
        session,
        options,
        client => client.call(`POST ${PATH}`, { params: { name }, body: { to } }),
        (one, now) => `${name}: ${serves(one, now)}`,
      ),
    )
  command(
    pool,
    'failback',
    'fail back now: the order of the members counts again, without waiting',
    'pool failback home-network',
  )
    .argument('<pool>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      change(
        session,
        options,
        client => client.call(`DELETE ${PATH}`, { params: { name } }),
        () => `the order of ${name} counts again`,
      ),
    )
}
