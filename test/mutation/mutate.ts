/**
 * Takes away each check of the stores (`mutants.ts`), one at a time in a copy of the tree, and runs the tests that have to notice. Ends with exit
 * status 1 when a mutant survives, and when it shows nothing because nothing works any more:
 *
 *     node test/mutation/mutate.ts
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { mutants, suites } from './mutants.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Ms that a suite may take. */
const PATIENCE = 120_000
const NOT_COPIED = new Set(['node_modules', '.git', '.tap', 'dist'])

const copy = mkdtempSync(join(tmpdir(), 'gatepool-mutants-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
cpSync(ROOT, copy, {
  recursive: true,
  filter: path => !NOT_COPIED.has(relative(ROOT, path).split(sep)[0] ?? ''),
})
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))

interface Outcome {
  readonly passed: number
  /** The titles of those that did not. */
  readonly failed: readonly string[]
}

function run(suite: keyof typeof suites): Outcome {
  const { stdout } = spawnSync(process.execPath, suites[suite], {
    cwd: copy,
    // The runner's own limit is 30 s for a whole file.
    env: { ...process.env, TAP_TIMEOUT: String(PATIENCE / 1_000), GATEPOOL_TEST_REDIS: 'required' },
    timeout: PATIENCE + 10_000,
    encoding: 'utf8',
  })
  return {
    passed: [...stdout.matchAll(/^ok \d/gm)].length,
    failed: [...stdout.matchAll(/^not ok \d+ - (.*?)(?: # .*)?$/gm)].map(([, title = '']) => title),
  }
}

const problems: string[] = []
const tell = (line: string, isProblem: boolean) => {
  console.log(`${isProblem ? 'PROBLEM' : 'ok'}: ${line}`)
  if (isProblem) problems.push(line)
}

for (const suite of Object.keys(suites) as (keyof typeof suites)[]) {
  const { passed, failed } = run(suite)
  tell(`${suite}: ${passed} pass as it is, ${failed.length} fail`, passed === 0 || failed.length > 0)
}

for (const { file, without, marker, instead, suite } of problems.length > 0 ? [] : mutants) {
  const path = join(copy, 'src/store', file)
  const whole = readFileSync(path, 'utf8')
  const parts = whole.split(marker)
  const name = `${file} without looking ${without}`
  if (parts.length !== 2) {
    tell(`${name}: its marker is there ${parts.length - 1} times`, true)
    continue
  }
  writeFileSync(path, parts.join(instead))
  const { passed, failed } = run(suite)
  writeFileSync(path, whole)
  const found = `${failed.length} of ${passed + failed.length} of ${suite} fail, such as "${failed[0]}"`
  if (failed.length === 0) tell(`${name} survives ${suite}`, true)
  else tell(passed === 0 ? `${name}: nothing works any more` : `${name}: ${found}`, passed === 0)
}

console.log(`${mutants.length} mutants, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
