/** What the documents name has to be there: files in ARCHITECTURE.md, README.md and the decisions, and scripts of package.json. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'tap'
import manifest from '../package.json' with { type: 'json' }

const ROOT = join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')
const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.md'))
  .map(file => `docs/${file}`)
const sources = new Set(
  readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).map(file => basename(file)),
)

/** Paths in backticks, and in links from the folder `from`; a file name alone stands for a file somewhere in src. */
function missing(text: string, from = ''): string[] {
  const quoted = [...text.matchAll(/`([\w./-]+)`/g)].map(([, name = '']) => name)
  const linked = [...text.matchAll(/\]\(([\w./-]+)\)/g)].map(([, name = '']) => join(from, name))
  const paths = [...quoted.filter(name => /^(src|test|config|docs|bench)\//.test(name)), ...linked]
  const names = quoted.filter(name => /^[\w-]+\.ts$/.test(name))
  return [...paths.filter(path => !existsSync(join(ROOT, path))), ...names.filter(name => !sources.has(name))]
}

test('every path that a document names exists', t => {
  t.strictSame(missing('`src/main.ts` `src/no-such.ts` [it](docs/none.md) `nowhere.ts`'), [
    'src/no-such.ts',
    'docs/none.md',
    'nowhere.ts',
  ])
  for (const file of ['ARCHITECTURE.md', 'README.md', 'CHANGELOG.md', 'SECURITY.md']) {
    t.strictSame(missing(read(file)), [], file)
  }
  for (const file of docs) t.strictSame(missing(read(file), dirname(file)), [], file)
  t.end()
})

test('the index names every document', t => {
  const index = read('docs/README.md')
  const named = docs.filter(file => !file.startsWith('docs/decisions/') && file !== 'docs/README.md')
  t.strictSame(
    named.filter(file => !index.includes(`](${file.slice('docs/'.length)})`)),
    [],
  )
  t.end()
})

test('every script that the README names is there', t => {
  const named = [...read('README.md').matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name)
  t.ok(named.length > 3)
  t.strictSame(
    named.filter(name => !Object.hasOwn(manifest.scripts, name)),
    [],
  )
  t.end()
})
