import { InvalidArgumentError } from 'commander'
import { countArgument } from './arguments.ts'
import { createClient } from './client.ts'
import { EXIT } from './io.ts'
import { table, when } from './print.ts'
import { type AddCommand, command, fail, type Json, pretty, show } from './session.ts'

interface Filter extends Json {
  readonly limit: number
  readonly by?: string
  readonly action?: string
  readonly subject?: string
}

export const addAudit: AddCommand = (parent, session) => {
  const audit = parent.command('audit').description('who asked for what')
  command(audit, 'list', 'the newest records, oldest first', 'audit list --subject pool:home-network')
    .option('-n, --limit <count>', 'so many', countArgument(1, 1000), 20)
    .option('--by <token>', 'only what this token asked for')
    .option('--action <name>', 'only this operation, such as create_pool')
    .option('--subject <name>', 'only what was done to this, such as pool:home-network')
    .action(({ json = false, ...query }: Filter) =>
      show(
        session,
        { json },
        client => client.call('GET /api/v1/audit', { query }),
        ({ items }, now) =>
          table(
            session.paint,
            ['#', 'WHEN', 'BY', 'ACTION', 'SUBJECT'],
            items.map(({ seq, at, by, action, subject }) => [String(seq), when(at, now), by, action, subject]),
          ),
      ),
    )
  command(
    audit,
    'verify',
    'has nobody rewritten what was recorded? Exit 3 if somebody has',
    'audit verify',
    `audit verify --noted 42:${'0123456789abcdef'.repeat(4)}`,
  )
    .option('--noted <seq:hash>', 'an end of the chain that was told earlier: is it still in it?', noted)
    .action(async ({ noted: end, json }: Json & { readonly noted?: End }) => {
      const { io, ends } = session
      const client = await createClient(session.env)
      if ('kind' in client) return fail(session, client)
      const got = await client.call('GET /api/v1/audit/verify', { query: { ...end } })
      if (got.kind === 'failure') return fail(session, got)
      const { unbroken, records, head, broken } = got.body
      if (json === true) io.out(pretty(got.body))
      else if (unbroken) io.out(`${head.seq}:${head.hash}\n`)
      if (unbroken)
        io.err(`unbroken, ${records} records; this end, noted elsewhere, shows later that nothing was rewritten\n`)
      else io.err(`gatepool: broken${broken === null ? '' : ` at record ${broken.seq}: ${broken.why}`}\n`)
      ends(unbroken ? EXIT.ok : EXIT.unhealthy)
    })
}

interface End {
  readonly seq: string
  readonly hash: string
}

function noted(text: string): End {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (seq === undefined || hash === undefined)
    throw new InvalidArgumentError('expected NUMBER:HASH, as audit verify prints it')
  return { seq, hash }
}
