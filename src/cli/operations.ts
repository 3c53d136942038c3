/** What is asked beside the definitions: what leans on a pool, whom to dial, what if, and durations by name. */
import type { Command } from 'commander'
import { nameArgument, namesArgument } from './arguments.ts'
import type { AnswerTo } from './client.ts'
import { plain, serves, state, table } from './print.ts'
import { type AddCommand, command, type Json, type Session, show } from './session.ts'

export function addPoolOperations(pool: Command, session: Session): void {
  command(
    pool,
    'resources',
    'what leans on a pool: its routes, and pools that fall back to it',
    'pool resources home-network',
  )
    .argument('<pool>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/gateway-pools/:name/resources', { params: { name } }),
        ({ routes, fallback_of }) =>
          table(
            session.paint,
            ['KIND', 'NAME', 'HOW', 'TITLE'],
            [
              ...routes.map(one => [
                'route',
                one.name,
                one.gateway === null ? 'goes to it' : `pinned to ${one.gateway}`,
                one.title ?? '-',
              ]),
              ...fallback_of.map(one => ['pool', one.name, 'falls back to it', one.title ?? '-']),
            ],
          ),
      ),
    )
  command(
    pool,
    'pick',
    'one member by the policy of the pool, for callers that dial by themselves',
    'pool pick home-network',
    'pool pick home-network --address 203.0.113.7',
  )
    .argument('<pool>', 'its name', nameArgument)
    .option('--gateway <name>', 'this member if it is ready, else a sibling', nameArgument)
    .option('--address <ip>', 'the address of the client, for ip_hash')
    .action(
      (name: string, { json = false, ...body }: Json & { readonly gateway?: string; readonly address?: string }) =>
        show(
          session,
          { json },
          client => client.call('POST /api/v1/gateway-pools/:name/pick', { params: { name }, body }),
          ({ gateway, address, port }) =>
            `${plain(gateway)} ${plain(address.includes(':') ? `[${address}]` : address)}:${port}\n`,
        ),
    )
}

export const addPresets: AddCommand = (parent, session) => {
  command(parent, 'presets', 'durations by name, for failback cooldowns and thresholds', 'presets').action(
    (options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/presets'),
        ({ failback_cooldown, gateway_down_threshold }) =>
          table(
            session.paint,
            ['COOLDOWN', 'TIME'],
            failback_cooldown.map(({ name, seconds }) => [name, `${seconds}s`]),
          ) +
          `\ngateway_down_threshold: ${gateway_down_threshold.map(one => one.threshold).join(', ')}, or any other from 1s\n`,
      ),
  )
}

type Simulated = AnswerTo<'POST /api/v1/simulate'>

export const addSimulate: AddCommand = (parent, session) => {
  command(
    parent,
    'simulate',
    'where everything would go if some gateways were down or held; changes nothing',
    'simulate --down home',
    'simulate --down home --held ds918',
  )
    .option('--down <gateways>', 'as if these were down: home,nas', namesArgument, [])
    .option('--held <gateways>', 'as if these were held', namesArgument, [])
    .action(({ down, held, json = false }: Json & { readonly down: string[]; readonly held: string[] }) =>
      show(
        session,
        { json },
        client => client.call('POST /api/v1/simulate', { body: { down, held } }),
        (answer, now) => simulatedWords(session, answer, now),
      ),
    )
}

function simulatedWords({ paint }: Session, { pools, routes }: Simulated, now: number): string {
  const was = (names: readonly string[]) => (names.length === 0 ? 'nobody' : names.join(', '))
  const moves = (moved: boolean) => (moved ? ({ text: 'moves', style: 'yellow' } as const) : 'stays')
  return [
    table(
      paint,
      ['POOL', 'HEALTH', '', 'NOW', 'THEN', ''],
      pools.map(one => [one.name, state(one.health), one.text, was(one.was), serves(one, now), moves(one.moved)]),
    ),
    table(
      paint,
      ['ROUTE', 'TARGET', 'NOW', 'THEN', ''],
      routes.map(one => [
        one.name,
        one.target,
        one.serving_as === 'here' ? '-' : was(one.was),
        serves(one, now),
        moves(one.moved),
      ]),
    ),
  ].join('\n')
}
