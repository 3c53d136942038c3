/** Would a route work? As far as a connection through a healthy member. */
import type { Command } from 'commander'
import { nameArgument } from './arguments.ts'
import { type AnswerTo, createClient } from './client.ts'
import { EXIT } from './io.ts'
import { plain } from './print.ts'
import { command, fail, type Json, pretty, type Session, warn } from './session.ts'

/** Ms: every member may be tried, each for as long as the route waits for a connection. */
const PATIENCE = 60_000

export function addRouteValidate(route: Command, session: Session): void {
  const description = 'does a route work? Connects through a healthy member and changes nothing; exit 3 if it does not'
  command(route, 'validate', description, 'route validate nas')
    .argument('<route>', 'its name', nameArgument)
    .action(async (name: string, { json }: Json) => {
      const { env, io, ends } = session
      const client = await createClient(env)
      if ('kind' in client) return fail(session, client)
      const got = await client.call('GET /api/v1/routes/:name', { params: { name } })
      if (got.kind === 'failure') return fail(session, got)
      const tried = await client.call('POST /api/v1/routes/validate', { body: got.body.definition, patience: PATIENCE })
      if (tried.kind === 'failure') return fail(session, tried)
      const { valid, problems } = tried.body
      if (json === true) io.out(pretty(tried.body))
      else if (valid && got.body.protocol === 'udp')
        io.out(`${name} is right; UDP has no connection that could be tried\n`)
      else if (valid) io.out(`${name} works${throughWhom(tried.body)}\n`)
      for (const { at, message } of problems)
        io.err(`gatepool: ${plain(`${at.replace(/^body\.?/, '')}: ${message}`)}\n`)
      warn(session, tried.body)
      ends(valid ? EXIT.ok : EXIT.unhealthy)
    })
}

function throughWhom({ connected }: AnswerTo<'POST /api/v1/routes/validate'>): string {
  if (connected === null) return ''
  const { gateway, address, port, ms } = connected
  return `: connected to ${plain(gateway)} at ${plain(address)} port ${port} in ${Math.round(ms)} ms`
}
