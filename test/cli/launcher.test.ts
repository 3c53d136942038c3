import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Test, test } from 'tap'

const LAUNCHER = join(import.meta.dirname, '../../src/cli/gatepool.js')

/** Says who runs it and with what, and then what it hears. */
const MAIN = `
const [what, code]: string[] = process.argv.slice(2)
if (what === 'exit') process.exitCode = Number(code)
if (what === 'die') process.kill(process.pid, 'SIGKILL')
if (what === 'wait') {
  const wait = setInterval(() => {}, 1000)
  process.on('SIGHUP', () => console.log('SIGHUP'))
  process.on('SIGTERM', () => {
    console.log('SIGTERM')
    clearInterval(wait)
    process.exitCode = 7
  })
}
console.log(process.version, process.argv.slice(2).join(' '))
`

/** Makes this Node pass for an old one, so that the launcher has to look for another. */
const PRETEND_OLD = [
  '--import',
  "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.11.0'}})",
]

/**
 * The launcher with a program, in a place that no other package reaches; with `version`, the npm package `node` of that version is
 * beside it, as far as the launcher looks at it.
 */
function place(t: Test, { version, program = true }: { version?: string; program?: boolean } = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'gatepool-launcher-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, 'src/cli'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  if (program) writeFileSync(join(root, 'src/main.ts'), MAIN)
  const launcher = join(root, 'src/cli/gatepool.js')
  copyFileSync(LAUNCHER, launcher)
  if (version !== undefined) {
    const node = join(root, 'node_modules/node')
    mkdirSync(join(node, 'bin'), { recursive: true })
    writeFileSync(join(node, 'package.json'), JSON.stringify({ version, bin: { node: 'bin/node' } }))
    symlinkSync(process.execPath, join(node, 'bin/node'))
  }
  return launcher
}

async function run(
  args: readonly string[],
): Promise<{ code: number | null; signal: string | null; out: string; err: string }> {
  const child = spawn(process.execPath, args)
  const [out, err, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code, signal, out, err }
}

test('a Node that is new enough runs the program itself', async t => {
  const launcher = place(t)
  t.match(await run([launcher, 'exit', '3', '--flag']), { code: 3, out: `${process.version} exit 3 --flag\n`, err: '' })
})

test('an older one hands over to the Node that the checkout brings, and ends as it ends', async t => {
  const launcher = place(t, { version: '24.21.0' })
  t.match(await run([...PRETEND_OLD, launcher, 'exit', '3']), { code: 3, out: `${process.version} exit 3\n`, err: '' })
  t.match(await run([...PRETEND_OLD, launcher, 'die']), { code: null, signal: 'SIGKILL' })
})

test('signals reach the program through the launcher', async t => {
  const child = spawn(process.execPath, [...PRETEND_OLD, place(t, { version: '24.21.0' }), 'wait'])
  const ended = once(child, 'close')
  const heard: string[] = []
  for await (const chunk of child.stdout) {
    const words = String(chunk).trim()
    heard.push(words)
    if (words.endsWith('wait')) child.kill('SIGHUP')
    if (words === 'SIGHUP') child.kill('SIGTERM')
  }
  t.strictSame(heard.slice(1), ['SIGHUP', 'SIGTERM'])
  t.equal((await ended)[0], 7)
})

test('without a fitting Node it says in one line what to do', async t => {
  for (const beside of [{}, { version: '22.1.0' }]) {
    const { code, out, err } = await run([...PRETEND_OLD, place(t, beside), 'version'])
    t.equal(code, 1)
    t.equal(out, '')
    t.match(err, /^gatepool: Node 24\.15 or newer is needed and this is 20\.11\.0; .*npm ci.*\n$/)
  }
})

test('without its program it says so', async t => {
  const { code, err } = await run([place(t, { program: false }), 'version'])
  t.equal(code, 1)
  t.match(err, /^gatepool: the program is missing; .*\n$/)
})
