/**
 * The import table: which room may load which at run time. `import type` is free, since nothing of it is left when the program runs.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'tap'

const SRC = join(import.meta.dirname, '../src')

/** A room is a folder of src, or a file at its top. */
interface Rule {
  /** Rooms (or single files of theirs) besides its own. */
  readonly rooms: readonly string[] | 'all'
  /** Packages and Node's own modules. */
  readonly packages: readonly string[] | 'all'
}

const inner = ['core', 'state', 'ledger', 'errors', 'clock', 'telemetry']

const table: Record<string, Rule> = {
  core: { rooms: [], packages: [] },
  config: { rooms: ['errors'], packages: ['zod', 'yaml', 'node:fs'] },
  errors: { rooms: [], packages: [] },
  clock: { rooms: [], packages: [] },
  state: { rooms: ['core', 'errors', 'clock'], packages: [] },
  ledger: { rooms: ['core', 'errors', 'clock'], packages: [] },
  telemetry: { rooms: ['core', 'errors', 'clock'], packages: 'all' },
  traffic: { rooms: inner, packages: 'all' },
  watch: { rooms: inner, packages: 'all' },
  store: { rooms: inner, packages: 'all' },
  admin: { rooms: [...inner, 'config'], packages: 'all' },
  cli: { rooms: ['config', 'errors', 'admin/contract'], packages: 'all' },
  agent: { rooms: ['config', 'errors', 'admin/contract'], packages: 'all' },
  gatepool: { rooms: 'all', packages: 'all' },
  remembered: { rooms: ['store', 'reload', 'config', 'core', 'errors', 'clock', 'telemetry'], packages: [] },
  reload: { rooms: ['config', 'core', 'errors'], packages: 'all' },
  // The whole product on a stage: started as main starts it, and watched.
  demo: { rooms: ['gatepool', 'config', 'core', 'errors', 'clock', 'telemetry'], packages: 'all' },
  main: { rooms: ['cli', 'config', 'gatepool', 'demo'], packages: 'all' },
}

/** What would make a decision depend on anything but its arguments. */
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\b|\bcrypto\b|\bprocess\b|\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bfetch\(/g

const withoutComments = (text: string): string =>
  text.replace(/'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, piece =>
    piece.startsWith('/') ? '' : piece,
  )

const IMPORTS = [
  /^\s*(?:import|export)\s+(?!type\b)[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
]

/** What a file of src (`path` from there) does against the table, in words. */
function offences(path: string, source: string): string[] {
  const text = withoutComments(source)
  const room = roomOf(path)
  const rule = table[room]
  if (rule === undefined) return [`${path}: no room of the table`]
  const found: string[] = []
  if (/(^|\/)index\.\w+$/.test(path)) found.push(`${path}: a barrel file`)
  for (const [, target = ''] of IMPORTS.flatMap(form => [...text.matchAll(form)])) {
    if (!mayLoad(rule, room, path, target)) found.push(`${path}: loads ${target}`)
  }
  if (room === 'core') for (const [word] of text.matchAll(IMPURE)) found.push(`${path}: uses ${word}`)
  return found
}

const roomOf = (path: string): string => (path.split('/')[0] ?? '').replace(/\.[jt]s$/, '')

function mayLoad(rule: Rule, room: string, path: string, target: string): boolean {
  if (!target.startsWith('.')) return rule.packages === 'all' || rule.packages.includes(target)
  const file = posix.join(posix.dirname(path), target)
  if (file.startsWith('..')) return false
  return (
    rule.rooms === 'all' ||
    roomOf(file) === room ||
    rule.rooms.some(allowed => file === `${allowed}.ts` || file.startsWith(`${allowed}/`))
  )
}

test('every file of src loads only what its room may', t => {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(file => /\.[jt]s$/.test(file))
  t.ok(files.length > 5, 'the sources are there')
  t.strictSame(
    files.flatMap(file => offences(file.replaceAll('\\', '/'), readFileSync(join(SRC, file), 'utf8'))),
    [],
  )
  t.end()
})

test('a planted offence is found', t => {
  const planted: [path: string, source: string, offence: string][] = [
    ['core/machine.ts', `import { readFileSync } from 'node:fs'`, 'loads node:fs'],
    ['core/machine.ts', `import { z } from 'zod'`, 'loads zod'],
    ['core/machine.ts', `import {\n  type Config,\n} from '../config/schema.ts'`, 'loads ../config/schema.ts'],
    ['core/policies/random.ts', `const pick = () => Math.random()`, 'uses Math.random'],
    ['core/machine.ts', `const now = Date.now()`, 'uses Date.now'],
    ['core/machine.ts', `const now = performance.now()`, 'uses performance'],
    ['core/machine.ts', `setTimeout(() => {}, 1)`, 'uses setTimeout'],
    ['traffic/relay.ts', `import { beats } from '../watch/beats.ts'`, 'loads ../watch/beats.ts'],
    ['traffic/http/head.ts', `export { config } from '../../config/schema.ts'`, 'loads ../../config/schema.ts'],
    ['store/embedded.ts', `const admin = await import('../admin/server.ts')`, 'loads ../admin/server.ts'],
    ['store/embedded.ts', `import '../admin/server.ts'`, 'loads ../admin/server.ts'],
    ['config/load.ts', `import { connect } from 'node:net'`, 'loads node:net'],
    ['cli/status.ts', `import { open } from '../admin/server.ts'`, 'loads ../admin/server.ts'],
    ['demo/stage.ts', `import { startAdmin } from '../admin/server.ts'`, 'loads ../admin/server.ts'],
    ['state.ts', `import { open } from './store/embedded.ts'`, 'loads ./store/embedded.ts'],
    ['clock.ts', `import { refuse } from './errors.ts'`, 'loads ./errors.ts'],
    ['main.ts', `import { state } from './state.ts'`, 'loads ./state.ts'],
    ['gatepool.ts', `import { handClock } from '../test/support/hand-clock.ts'`, 'loads ../test/support/hand-clock.ts'],
    ['core/index.ts', '', 'a barrel file'],
    ['helpers/time.ts', '', 'no room of the table'],
  ]
  for (const [path, source, offence] of planted) t.strictSame(offences(path, source), [`${path}: ${offence}`])
  t.end()
})

test('types, comments and the own room are free', t => {
  const source = `
    import type { Config } from '../config/schema.ts'
    import { move } from './machine.ts'
    export type { Gateway } from '../config/definitions.ts'
    // never Date.now() here; import { z } from 'zod'
    /* Math.random() neither */
    export const url = 'http://example.org'
  `
  t.strictSame(offences('core/plan.ts', source), [])
  t.strictSame(offences('admin/rest.ts', `import { pool } from '../config/definitions.ts'`), [])
  t.strictSame(offences('cli/status.ts', `import { status } from '../admin/contract.ts'`), [])
  t.end()
})
