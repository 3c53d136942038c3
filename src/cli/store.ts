import { type AddCommand, change, command, type Json, type Sure, sure, withYes } from './session.ts'

export const addStore: AddCommand = (parent, session) => {
  const store = parent.command('store').description('where the replicas keep what they share')
  withYes(
    command(
      store,
      'adopt',
      'go by what is in Redis now, though it is another store than the replicas know',
      'store adopt --yes',
    ),
  ).action(async (options: Json & Sure) => {
    const question =
      'Make what is in Redis count, and give up what the replicas know? Their definitions go into its history; their tokens, holds, events and audit records do not.'
    if (!(await sure(session, options, question))) return
    await change(
      session,
      options,
      client => client.call('POST /api/v1/store/adopt'),
      ({ before, after, orphaned }) =>
        `store ${after} counts instead of ${before}${orphaned ? '; the definitions that were given up are in gatepool history, by orphaned' : ''}`,
    )
  })
}
