import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import type { AnswerTo } from './client.ts'
import { counted, plain, state, table, when } from './print.ts'
import { command, type Json, type Session, show } from './session.ts'

type Gateway = AnswerTo<'GET /api/v1/gateways/:name'>

export function addGatewayShow(gateway: Command, session: Session): void {
  command(gateway, 'show', 'one gateway: its instances, what holds it, and its pools', 'gateway show home')
    .argument('<gateway>', 'its name', nameArgument)
    .action((name: string, options: Json) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/gateways/:name', { params: { name } }),
        (one, now) => inFull(session, one, now),
      ),
    )
}

function inFull({ paint }: Session, gateway: Gateway, now: number): string {
  const { name, title, enabled, liveness, state: is, since, newest_beat, holds, instances, pools } = gateway
  const lines = [
    `${name}${title === undefined ? '' : ` (${title})`}: ${is}${since === null ? '' : ` since ${when(since, now)}`}${enabled ? '' : ', switched off'}`,
    `address: ${addressOf(gateway)}`,
    `liveness: ${liveness}${newest_beat === null ? '' : `, heard ${when(newest_beat, now)}`}; ${counted(instances.length, 'instance')}`,
    ...holds.map(hold => `held: ${heldWords(hold, now)}`),
  ]
  const rows = pools.map(({ pool, priority, weight, state: here, cause, since: from, back_at }) => [
    pool,
    String(priority),
    String(weight),
    state(here),
    cause,
    when(from, now),
    when(back_at, now),
  ])
  const head = ['POOL', '#', 'WEIGHT', 'STATE', 'CAUSE', 'SINCE', 'BACK']
  return `${lines.map(plain).join('\n')}\n${rows.length === 0 ? '' : `\n${table(paint, head, rows)}`}`
}

function heldWords({ reason, holder, instance, since, until, note }: Gateway['holds'][number], now: number): string {
  const what = instance === undefined ? reason : `${reason} of ${instance}`
  const end = until === undefined ? '' : `, until ${when(until, now)}`
  return `${what}, by ${holder} ${when(since, now)}${end}${note === undefined ? '' : `: ${note}`}`
}

export function addressOf({ address, http_port }: { readonly address: string; readonly http_port: number }): string {
  return `${address.includes(':') ? `[${address}]` : address}:${http_port}`
}
