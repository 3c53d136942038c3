/** Writes the files of this folder that are made from the schema. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonSchema, referenceYaml } from '../src/config/reference.ts'

writeFileSync(join(import.meta.dirname, 'reference.yaml'), referenceYaml())
writeFileSync(join(import.meta.dirname, 'schema.json'), `${JSON.stringify(jsonSchema(), null, 2)}\n`)
