import { EXIT } from './io.ts'
import { type AddCommand, withExamples } from './session.ts'

export const addSchema: AddCommand = (parent, { io, ends }) => {
  withExamples(parent.command('schema'), 'schema > gatepool.schema.json')
    .description('the JSON Schema of the configuration file, for editors')
    .action(async () => {
      const { jsonSchema } = await import('../config/reference.ts')
      io.out(`${JSON.stringify(jsonSchema(), null, 2)}\n`)
      ends(EXIT.ok)
    })
}
