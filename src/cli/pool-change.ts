/** Making, changing and deleting pools. */
import type { Command } from 'commander'
import { allDownArgument, membersArgument, nameArgument, named } from './arguments.ts'
import { changesSaid, type FieldOption, fieldsSaid, title, withFields, withSwitches } from './fields.ts'
import { change, command, type Json, type Session, type Sure, sure, withYes } from './session.ts'

const FIELDS: readonly FieldOption[] = [
  {
    key: 'mode',
    flags: '--mode <mode>',
    description: 'failover: the first that is ready; load_balancing: all of them',
  },
  {
    key: 'lb_policy',
    flags: '--lb-policy <name>',
    description: 'round_robin, least_conn, ip_hash, random, two_choices or latency',
  },
  {
    key: 'sticky.cookie',
    flags: '--sticky <cookie>',
    description: 'load balancing: a cookie of this name keeps an HTTP client with its member',
  },
  {
    key: 'failback_cooldown',
    flags: '--cooldown <time>',
    description: 'quiet time before a member is back: 90s, 5m, or a preset such as nas (gatepool presets)',
  },
  {
    key: 'on_all_down',
    flags: '--on-all-down <what>',
    description: 'when nobody can serve: fail_closed, fail_open, hold (or hold=30s), fallback=POOL',
    parse: allDownArgument,
  },
  { key: 'outage_message', flags: '--outage-message <text>', description: 'told to people while nobody can serve' },
  {
    key: 'members',
    flags: '--members <gateways>',
    description: 'all members, first in order first: home,nas or home,nas=2 for a weight of 2',
    parse: membersArgument,
  },
]

interface Options extends Json {
  readonly name?: string
}

export function addPoolChange(pool: Command, session: Session): void {
  const create = command(
    pool,
    'create',
    'make a pool; of a title such as "Home network" the name home-network is made',
    'pool create "Home network" --mode failover --cooldown nas --members home,nas',
  )
    .argument('<title>', 'its title, or its name')
    .option('--name <name>', 'its name, when the title is not to make it', nameArgument)
  withSwitches(withFields(create, FIELDS)).action(async (text: string, options: Options) => {
    const body = { ...named(text, options.name), ...(await fieldsSaid({ ...options }, FIELDS)) }
    return change(
      session,
      options,
      client => client.call('POST /api/v1/gateway-pools', { body }),
      ({ name }) => `pool ${name} is made`,
    )
  })

  const settable = [title, ...FIELDS]
  const set = command(
    pool,
    'set',
    'change what is said about a pool',
    'pool set home-network --cooldown 15m --field passive.max_fails=5',
  )
  withSwitches(withFields(set.argument('<pool>', 'its name', nameArgument), settable)).action(
    async (name: string, options: Options) => {
      const body = asPatch(await changesSaid({ ...options }, settable))
      return change(
        session,
        options,
        client => client.call('PATCH /api/v1/gateway-pools/:name', { params: { name }, body }),
        () => `pool ${name} is changed`,
      )
    },
  )

  withYes(command(pool, 'delete', 'delete a pool that nothing goes to', 'pool delete home-network --yes'))
    .argument('<pool>', 'its name', nameArgument)
    .action(async (name: string, options: Json & Sure) => {
      if (!(await sure(session, options, `Delete pool ${name}?`))) return
      await change(
        session,
        options,
        client => client.call('DELETE /api/v1/gateway-pools/:name', { params: { name } }),
        () => `pool ${name} is deleted`,
      )
    })
}

/** What belongs to one action of `on_all_down` means nothing to another, and a patch leaves in place what it does not name. */
function asPatch(said: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { on_all_down: allDown } = said
  if (typeof allDown !== 'object' || allDown === null) return said
  return { ...said, on_all_down: { hold: null, pool: null, ...allDown } }
}
