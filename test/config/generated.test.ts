import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { jsonSchema, referenceYaml } from '../../src/config/reference.ts'
import { config } from '../../src/config/schema.ts'

const folder = join(import.meta.dirname, '../../config')
const text = (file: string): string => readFileSync(join(folder, file), 'utf8')

test('what is made from the schema is what the schema says now: npm run generate', t => {
  t.equal(text('reference.yaml'), referenceYaml())
  t.strictSame(JSON.parse(text('schema.json')), JSON.parse(JSON.stringify(jsonSchema())))
  t.end()
})

test('the reference page and the sample are configurations that load', t => {
  for (const file of ['reference.yaml', 'gatepool.yaml', 'active-active.yaml']) {
    const loaded = loadConfig(join(folder, file), {})
    t.strictSame(loaded.kind === 'problems' ? loaded.problems : [], [], file)
  }
  t.end()
})

test('the reference page shows every key, each with its meaning', t => {
  const keys = new Set(keysOf(jsonSchema()))
  t.ok(keys.size > 100, `${keys.size} keys`)
  const lines = text('reference.yaml').split('\n')
  for (const key of keys) {
    const shown = lines.filter(line => line.replace(/^[\s#-]*/, '').startsWith(`${key}:`))
    t.not(shown.length, 0, `${key} is shown`)
    t.ok(
      shown.some(line => / {2}# \S/.test(line)),
      `${key} is explained`,
    )
  }
  t.end()
})

test('the values of the reference page are the defaults', t => {
  const loaded = loadConfig(join(folder, 'reference.yaml'), {})
  if (loaded.kind === 'problems') throw new Error('see above')
  const { version, listeners, gateways, pools, routes, ...rest } = loaded.config
  const bare = config.parse({
    version,
    listeners: listeners.map(({ name }) => ({ name, listen: '127.0.0.1:8080' })),
    gateways: gateways.map(({ name }) => ({ name, address: '127.0.0.1' })),
    pools: pools.map(({ name }) => ({ name })),
    routes: routes.map(({ name }) => ({ name, target: { pool: 'home-network' } })),
  })
  t.strictSame({ version, listeners, gateways, pools, routes, ...rest }, bare)
  t.end()
})

/** The keys that a JSON Schema knows, at any depth. Members are written on one line. */
function keysOf(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(keysOf)
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([word, value]: [string, unknown]) => {
    if (word !== 'properties' || typeof value !== 'object' || value === null) return keysOf(value)
    return Object.entries(value).flatMap(([key, inner]) => (key === 'weight' ? [] : [key, ...keysOf(inner)]))
  })
}
