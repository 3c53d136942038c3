import { countArgument } from './arguments.ts'
import { table, when } from './print.ts'
import { type AddCommand, change, command, type Json, type Sure, show, sure, withExamples, withYes } from './session.ts'

export const addHistory: AddCommand = (parent, session) => {
  const history = parent.command('history').description('what was defined before: who changed what, and the way back')
  withExamples(history.command('list', { isDefault: true }), 'history', 'history --limit 5')
    .description('revisions of the definitions, newest first')
    .option('--json', 'for scripts')
    .option('-n, --limit <count>', 'so many', countArgument(1, 100), 20)
    .action(({ limit, ...options }: Json & { readonly limit: number }) =>
      show(
        session,
        options,
        client => client.call('GET /api/v1/history', { query: { limit } }),
        ({ items }, now) =>
          table(
            session.paint,
            ['REVISION', 'WHEN', 'BY', 'CHANGED'],
            items.map(({ revision, at, by, changed }) => [String(revision), when(at, now), by, short(changed)]),
          ),
      ),
    )
  withYes(command(history, 'restore', 'make the definitions what they were', 'history restore 12 --yes'))
    .argument('<revision>', 'its number', countArgument(1, 999_999_999))
    .action(async (revision: number, options: Json & Sure) => {
      if (!(await sure(session, options, `Make the definitions what they were at revision ${revision}?`))) return
      await change(
        session,
        options,
        client => client.call('POST /api/v1/history/:revision/restore', { params: { revision: String(revision) } }),
        ({ changed, revision: now }) =>
          changed.length === 0 ? 'they are that already' : `restored, as revision ${now}: ${changed.join(', ')}`,
      )
    })
}

/** Names that fit into a table. */
const MOST_NAMES = 4

function short(names: readonly string[]): string {
  const rest = names.length - MOST_NAMES
  return names.slice(0, MOST_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
