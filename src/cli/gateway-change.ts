/** Making, changing and deleting gateways. */
import { type Command, InvalidArgumentError } from 'commander'
import { countArgument, nameArgument, named } from './arguments.ts'
import { changesSaid, type FieldOption, fieldsSaid, title, withFields, withSwitches } from './fields.ts'
import { counted } from './print.ts'
import { change, command, type Json, type Session, type Sure, sure, withYes } from './session.ts'

const FIELDS: readonly FieldOption[] = [
  {
    key: 'address',
    flags: '--address <host>',
    description: 'host name, IPv4 or IPv6 address; from_heartbeat: as it announces',
  },
  {
    key: 'http_port',
    flags: '--http-port <port>',
    description: 'where its HTTP is (8080)',
    parse: countArgument(1, 65_535),
  },
  { key: 'liveness', flags: '--liveness <kind>', description: 'heartbeat: it beats; assumed: it is taken to be there' },
  {
    key: 'max_instances',
    flags: '--max-instances <count>',
    description: 'how many agents may share it',
    parse: countArgument(1, 1_000_000),
  },
]

interface Options extends Json {
  readonly name?: string
  readonly address?: string
}

export function addGatewayChange(gateway: Command, session: Session): void {
  const create = command(
    gateway,
    'create',
    'make a gateway; of a title such as "DS918" the name ds918 is made',
    'gateway create "DS918" --address nas.lan --http-port 9102 --liveness heartbeat',
  )
    .argument('<title>', 'its title, or its name')
    .option('--name <name>', 'its name, when the title is not to make it', nameArgument)
  withSwitches(withFields(create, FIELDS)).action(async (text: string, options: Options) => {
    const { address } = options
    if (address === undefined) throw new InvalidArgumentError('say where it is: --address')
    const body = { ...named(text, options.name), ...(await fieldsSaid({ ...options }, FIELDS)), address }
    return change(
      session,
      options,
      client => client.call('POST /api/v1/gateways', { body }),
      ({ name }) => `gateway ${name} is made`,
    )
  })

  const settable = [title, ...FIELDS]
  const patch = (name: string, options: Json, body: Record<string, unknown>, words: string) =>
    change(
      session,
      options,
      client => client.call('PATCH /api/v1/gateways/:name', { params: { name }, body }),
      () => words,
    )
  const set = command(gateway, 'set', 'change what is said about a gateway', 'gateway set home --address 192.168.2.6')
  withSwitches(withFields(set.argument('<gateway>', 'its name', nameArgument), settable)).action(
    async (name: string, options: Options) =>
      patch(name, options, await changesSaid({ ...options }, settable), `gateway ${name} is changed`),
  )
  command(
    gateway,
    'set-max-instances',
    'how many agents may share a gateway; those that run already stay',
    'gateway set-max-instances home 2',
    'gateway set-max-instances home none',
  )
    .argument('<gateway>', 'its name', nameArgument)
    .argument('<count>', '1 or more, or none for any number', text =>
      text === 'none' ? null : countArgument(1, 1_000_000)(text),
    )
    .action((name: string, max_instances: number | null, options: Json) =>
      patch(
        name,
        options,
        { max_instances },
        `gateway ${name} may have ${max_instances === null ? 'any number of instances' : counted(max_instances, 'instance')}`,
      ),
    )

  const gone = 'delete a gateway that no route is pinned to, and its memberships with it'
  withYes(command(gateway, 'delete', gone, 'gateway delete home --yes'))
    .argument('<gateway>', 'its name', nameArgument)
    .action(async (name: string, options: Json & Sure) => {
      if (!(await sure(session, options, `Delete gateway ${name} and its memberships?`))) return
      await change(
        session,
        options,
        client => client.call('DELETE /api/v1/gateways/:name', { params: { name } }),
        () => `gateway ${name} is deleted`,
      )
    })
}
