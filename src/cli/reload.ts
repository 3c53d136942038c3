import { type AddCommand, change, command, type Json } from './session.ts'

export const addReload: AddCommand = (parent, session) => {
  const description = 'read the configuration file again, all of it or nothing'
  command(parent, 'reload', description, 'reload').action((options: Json) =>
    change(
      session,
      options,
      client => client.call('POST /api/v1/reload'),
      ({ changed }) => (changed.length === 0 ? 'nothing is different' : `different now: ${changed.join(', ')}`),
    ),
  )
}
