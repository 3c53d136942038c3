/** What is published: packed as npm packs it, laid out as npm installs it, and run from there. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import manifest from '../package.json' with { type: 'json' }

const ROOT = join(import.meta.dirname, '..')

test('an installed package runs, without sources and without a compiler', t => {
  const place = mkdtempSync(join(tmpdir(), 'gatepool-package-'))
  t.teardown(() => rmSync(place, { recursive: true }))
  const modules = join(place, 'node_modules')
  const own = join(modules, 'gatepool')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  mkdirSync(own)

  // Packing compiles first. tap puts itself into every Node that a test starts, and the compiler does not bear that.
  execFileSync('env', ['-u', 'NODE_OPTIONS', 'npm', 'pack', '--silent', '--pack-destination', place], {
    cwd: ROOT,
    stdio: 'pipe',
  })
  const tarball = readdirSync(place).find(file => file.endsWith('.tgz')) ?? ''
  execFileSync('tar', ['-xzf', join(place, tarball), '-C', own, '--strip-components=1'])
  const files = readdirSync(own, { recursive: true, encoding: 'utf8' })
  for (const file of [
    'dist/main.js',
    'src/cli/gatepool.js',
    'config/reference.yaml',
    'config/schema.json',
    'LICENSE',
  ]) {
    t.ok(files.includes(file), `${file} is in it`)
  }
  t.strictSame(
    files.filter(file => /(?<!\.d)\.ts$|^test|^bench|^\.|node_modules/.test(file)),
    [],
    'nothing is in it that nobody needs to run it',
  )

  // As npm would lay out the dependencies; those of the checkout are the ones that it would fetch.
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(join(modules, name, '..'), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  symlinkSync(join(own, manifest.bin.gatepool), join(modules, '.bin/gatepool'))
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, [join(modules, '.bin/gatepool'), ...args], { encoding: 'utf8', stdio: 'pipe' })
  t.equal(run('version'), `gatepool ${manifest.version}\n`)
  t.strictSame(JSON.parse(run('check', '--json', '-c', join(own, 'config/reference.yaml'))), [])
  t.end()
})
