/** Writes what is made from the schema, the commands and the admin API's contract: files of this folder, and `docs/reference`. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { apiReference } from '../src/admin/reference.ts'
import { cliReference } from '../src/cli/reference.ts'
import { jsonSchema, referenceYaml } from '../src/config/reference.ts'
import { eventsReference, metricsReference } from '../src/telemetry/reference.ts'
import { withDiagrams } from './diagrams.ts'

const concepts = join(import.meta.dirname, '../docs/concepts')
const files: Readonly<Record<string, string>> = {
  'config/reference.yaml': referenceYaml(),
  'config/schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
  'docs/reference/cli.md': cliReference(),
  'docs/reference/api.md': apiReference(),
  'docs/reference/metrics.md': metricsReference(),
  'docs/reference/events.md': eventsReference(),
  ...Object.fromEntries(
    readdirSync(concepts).map(name => [
      `docs/concepts/${name}`,
      withDiagrams(readFileSync(join(concepts, name), 'utf8')),
    ]),
  ),
}
for (const [path, text] of Object.entries(files)) {
  const file = join(import.meta.dirname, '..', path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}
