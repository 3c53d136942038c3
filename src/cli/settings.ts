import { changesSaid, type FieldOption, withFields } from './fields.ts'
import { type AddCommand, change, command, type Json, show } from './session.ts'

const FIELDS: readonly FieldOption[] = [
  {
    key: 'gateway_down_threshold',
    flags: '--gateway-down-threshold <time>',
    description: 'a gateway is down when its newest heartbeat is older than this',
  },
]

export const addSettings: AddCommand = (parent, session) => {
  const settings = parent.command('settings').description('what holds for all replicas')
  command(settings, 'show', 'the settings', 'settings show').action(async (options: Json) => {
    const { stringify } = await import('yaml')
    await show(
      session,
      options,
      client => client.call('GET /api/v1/settings'),
      all => stringify(all),
    )
  })
  const set = command(settings, 'set', 'change settings', 'settings set --gateway-down-threshold 2m')
  withFields(set, FIELDS).action(async (options: Json) => {
    const body = await changesSaid({ ...options }, FIELDS)
    await change(
      session,
      options,
      client => client.call('PATCH /api/v1/settings', { body }),
      () => 'the settings are changed',
    )
  })
}
