import { EXIT } from './io.ts'
import type { AddCommand } from './session.ts'

export const addSchema: AddCommand = (parent, { io, ends }) => {
  parent
    .command('schema')
    .description('the JSON Schema of the configuration file, for editors')
    .action(async () => {
      const { jsonSchema } = await import('../config/reference.ts')
      io.out(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
      ends(EXIT.ok)
    })
}
