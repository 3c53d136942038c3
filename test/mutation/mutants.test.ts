import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { mutants } from './mutants.ts'

const STORE = join(import.meta.dirname, '../../src/store')
const read = (file: string) => readFileSync(join(STORE, file), 'utf8')

test('the marker of each mutant is in its file, once', t => {
  for (const { file, without, marker } of mutants) t.equal(read(file).split(marker).length, 2, `${file}: ${without}`)
  t.end()
})

test('every script that sets something has a mutant', t => {
  // These only tell the others what they are made of, and what a Redis is fit for.
  const others = new Set(['script.ts', 'look.ts'])
  const scripts = readdirSync(join(STORE, 'redis/scripts')).filter(file => !others.has(file))
  const mutated = new Set(mutants.map(({ file }) => file))
  t.strictSame(
    scripts.filter(file => !mutated.has(`redis/scripts/${file}`)),
    [],
  )
  t.end()
})
