/** What holds for every command there is, read from the tree of commands itself. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { test } from 'tap'
import { createProgram } from '../../src/cli/cli.ts'
import { createSession } from '../../src/cli/session.ts'
import { runCli, unquoted } from '../support/cli.ts'

const io = { out: () => {}, err: () => {}, color: false, signal: new AbortController().signal, confirm: null }
const program = createProgram(
  createSession({}, io, () => {}),
  { run: async () => 0, demo: async () => 0 },
)

const below = (command: Command): Command[] => command.commands.flatMap(one => [one, ...below(one)])
const pathOf = (command: Command): string[] =>
  command.parent === null ? [] : [...pathOf(command.parent), command.name()]
const all = below(program)
const leaves = all.filter(({ commands }) => commands.length === 0)

test('every command says what it does, and shows an example', async t => {
  t.ok(leaves.length > 10)
  for (const command of all) t.not(command.description(), '', pathOf(command).join(' '))
  for (const command of leaves) {
    const path = pathOf(command)
    const { exit, out } = await runCli([...path, '--help'])
    t.equal(exit, 0)
    t.ok(examplesIn(out).length > 0, path.join(' '))
    for (const example of examplesIn(out)) t.equal(example[0], path[0])
  }
})

/** The command lines of a help text, without `gatepool` and without where their output goes. */
function examplesIn(help: string): string[][] {
  return [...help.matchAll(/^ {2}\$ gatepool (.*?)(?: >.*)?$/gm)].map(([, line = '']) => unquoted(line))
}

test('the examples are right usage', async t => {
  // Nobody listens there, so whatever was understood fails as unreachable or, if it asks nobody, does its work.
  const nowhere = { GATEPOOL_URL: 'http://127.0.0.1:1', GATEPOOL_TOKEN: 'any' }
  for (const command of leaves) {
    for (const example of examplesIn((await runCli([...pathOf(command), '--help'])).out)) {
      const argv = example.map(word => (word === 'definitions.yaml' ? 'config/gatepool.yaml' : word))
      const { exit, err } = await runCli(argv, nowhere)
      t.ok([0, 5].includes(exit), `${example.join(' ')}: ${exit} ${err}`)
    }
  }
})

/** What prints no data by itself, or something that is no list of fields. */
const WITHOUT_JSON = ['run', 'demo', 'schema', 'completion']

test('what prints data prints it as JSON too', t => {
  for (const command of leaves) {
    const path = pathOf(command).join(' ')
    t.equal(
      command.options.some(({ long }) => long === '--json'),
      !WITHOUT_JSON.includes(path),
      path,
    )
  }
  t.end()
})

test('what a shell is given to complete with is a script of that shell', async t => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { exit, out } = await runCli(['completion', shell])
    t.equal(exit, 0)
    for (const command of all) t.ok(out.includes(command.name()), `${shell}: ${command.name()}`)
    const file = join(t.testdir(), shell)
    writeFileSync(file, out)
    if (isThere(shell)) execFileSync(shell, ['-n', file])
    else t.comment(`${shell} is not installed here`)
  }
})

test('bash completes commands, options and choices', async t => {
  const { out } = await runCli(['completion', 'bash'])
  const complete = (...words: string[]) => {
    const line = words.map(word => `'${word}'`).join(' ')
    const script = `${out}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _gatepool; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n')
  }
  t.strictSame(complete('gatepool', 'po'), ['pool'])
  t.strictSame(complete('gatepool', 'pool', 'sh'), ['show'])
  t.strictSame(complete('gatepool', 'pool', '--json', 'members', 'main', 'mo'), ['move'])
  t.strictSame(complete('gatepool', 'pool', 'members', '--po'), ['--position'])
  t.strictSame(complete('gatepool', 'completion', 'z'), ['zsh'])
})

function isThere(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
