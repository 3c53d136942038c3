import { createClient } from './client.ts'
import { EXIT } from './io.ts'
import { plain } from './print.ts'
import { type AddCommand, command, fail, type Json, pretty } from './session.ts'

export const addHealth: AddCommand = (parent, session) => {
  const description = 'may traffic be sent here? For health checks: exit 0, or 3 with the reasons'
  command(parent, 'health', description, 'health').action(async ({ json }: Json) => {
    const { env, io, ends } = session
    const client = await createClient(env)
    if ('kind' in client) return fail(session, client)
    const got = await client.call('GET /readyz')
    if (got.kind === 'failure') return fail(session, got)
    if (json === true) io.out(pretty(got.body))
    for (const reason of got.body.reasons) io.err(`gatepool: not ready: ${plain(reason)}\n`)
    ends(got.status === 200 ? EXIT.ok : EXIT.unhealthy)
  })
}
