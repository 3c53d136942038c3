import type { Answer } from '../admin/contract/endpoints.ts'
import { createClient } from './client.ts'
import { EXIT } from './io.ts'
import { plain } from './print.ts'
import { type AddCommand, fail } from './session.ts'

export const addHealth: AddCommand = (parent, session) => {
  parent
    .command('health')
    .description('may traffic be sent here? For health checks: exit 0, or 3 with the reasons')
    .action(async () => {
      const { env, io, ends } = session
      const client = await createClient(env)
      if ('kind' in client) return fail(session, client)
      const got = await client.get<Answer<'ready'>>('readyz')
      if (got.kind === 'failure') return fail(session, got)
      if (got.status === 200) return ends(EXIT.ok)
      for (const reason of got.body.reasons) io.err(`gatepool: not ready: ${plain(reason)}\n`)
      ends(EXIT.unhealthy)
    })
}
