/** Making, changing and deleting routes. */
import { type Command, InvalidArgumentError } from 'commander'
import { countArgument, nameArgument, named } from './arguments.ts'
import type { BodyFor } from './client.ts'
import { changesSaid, type FieldOption, fieldsSaid, title, withFields, withSwitches } from './fields.ts'
import { change, command, type Json, type Session, type Sure, sure, withYes } from './session.ts'

const FIELDS: readonly FieldOption[] = [
  { key: 'match.host', flags: '--host <host>', description: 'host name, or "*.example.com"; without: any' },
  { key: 'match.path', flags: '--path <path>', description: 'this path and everything below it' },
  { key: 'target.pool', flags: '--pool <name>', description: 'it goes to this pool', parse: nameArgument },
  {
    key: 'target.gateway',
    flags: '--gateway <name>',
    description: 'it is pinned to this gateway, with the siblings of its pools as stand-ins',
    parse: nameArgument,
  },
  { key: 'backend', flags: '--backend <address>', description: 'the address behind the gateway' },
  { key: 'failover', flags: '--failover <when>', description: 'may a stand-in serve? auto, always or never' },
  { key: 'protocol', flags: '--protocol <name>', description: 'http, tcp, udp or tls' },
  { key: 'listener', flags: '--listener <name>', description: 'only on this listener', parse: nameArgument },
  { key: 'listen', flags: '--listen <address>', description: 'tcp, udp: its own address' },
  {
    key: 'gateway_port',
    flags: '--gateway-port <port>',
    description: 'tcp, udp, tls: the port on the gateway',
    parse: countArgument(1, 65_535),
  },
  { key: 'match.sni', flags: '--sni <host>', description: 'tls: the server name asked for' },
]

/** What a target may be: a patch that says one of them takes the others away. */
const TARGETS = ['pool', 'gateway', 'redirect', 'respond'] as const

interface Options extends Json {
  readonly name?: string
  readonly validate?: true
}

const VALIDATE = ['--validate', 'only if a connection through a healthy member comes about'] as const

/** Ms: every member may be tried, each for as long as the route waits for a connection. */
const PATIENCE = 60_000

const tried = ({ validate }: Options) => (validate === true ? { query: { validate: 'true' }, patience: PATIENCE } : {})

export function addRouteChange(route: Command, session: Session): void {
  const create = command(
    route,
    'create',
    'make a route: which requests, and where they go',
    'route create nas --host nas.example.com --gateway home --backend 192.168.1.5:5001',
    'route create "Old wiki" --host wiki.example.com --field \'target={ redirect: { to: "https://new.example.com{path}" } }\'',
  )
    .argument('<title>', 'its title, or its name')
    .option('--name <name>', 'its name, when the title is not to make it', nameArgument)
  withSwitches(withFields(create, FIELDS).option(...VALIDATE)).action(async (text: string, options: Options) => {
    const said = await fieldsSaid({ ...options }, FIELDS)
    if (said.target === undefined) throw new InvalidArgumentError('say where it goes: --pool or --gateway')
    // Checked by the API, which knows what a target may be.
    const body = { ...named(text, options.name), ...said } as BodyFor<'POST /api/v1/routes'>
    return change(
      session,
      options,
      client => client.call('POST /api/v1/routes', { body, ...tried(options) }),
      ({ name, target }) => `route ${name} is made, to ${target}`,
    )
  })

  const settable = [title, ...FIELDS]
  const set = command(route, 'set', 'change what is said about a route', 'route set nas --pool home-network')
  withSwitches(withFields(set.argument('<route>', 'its name', nameArgument), settable).option(...VALIDATE)).action(
    async (name: string, options: Options) => {
      const said = await changesSaid({ ...options }, settable)
      const { target } = said
      const instead = typeof target === 'object' ? Object.fromEntries(TARGETS.map(kind => [kind, null])) : {}
      const body = target === undefined ? said : { ...said, target: { ...instead, ...(target as object) } }
      return change(
        session,
        options,
        client => client.call('PATCH /api/v1/routes/:name', { params: { name }, body, ...tried(options) }),
        one => `route ${name} is changed; it goes to ${one.target}`,
      )
    },
  )

  withYes(command(route, 'delete', 'delete a route', 'route delete nas --yes'))
    .argument('<route>', 'its name', nameArgument)
    .action(async (name: string, options: Json & Sure) => {
      if (!(await sure(session, options, `Delete route ${name}?`))) return
      await change(
        session,
        options,
        client => client.call('DELETE /api/v1/routes/:name', { params: { name } }),
        () => `route ${name} is deleted`,
      )
    })
}
