/**
 * What `npm pack` makes is what people install: compiled, it has to start the whole program and the demo's processes without the
 * checkout, and with nothing but its own dependencies.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import manifest from '../../package.json' with { type: 'json' }
import { folder, launch, WITHOUT_TAP } from '../support/launch.ts'

const ROOT = join(import.meta.dirname, '../..')

test('an installed package tells its version and runs the demo', async t => {
  // Packed in a copy, since packing compiles, and a test leaves no build in the checkout.
  const copy = folder(t)
  for (const name of [
    'package.json',
    'tsconfig.json',
    'src',
    'config',
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    'SECURITY.md',
  ])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  execFileSync('env', [...WITHOUT_TAP, 'npm', 'pack', '--offline'], { cwd: copy, stdio: 'pipe' })

  // Unpacked and linked by hand: npm would ask the registry for what the checkout has already. Only the declared dependencies are
  // linked, so that the use of any other package shows.
  const modules = join(folder(t), 'node_modules')
  const installed = join(modules, manifest.name)
  const tarball = join(copy, `${manifest.name}-${manifest.version}.tgz`)
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed])
  const files = readdirSync(installed, { recursive: true, encoding: 'utf8' })
  for (const file of ['dist/main.js', 'src/cli/gatepool.js', 'config/reference.yaml', 'config/schema.json', 'LICENSE'])
    t.ok(files.includes(file), `${file} is in it`)
  const unwanted = files.filter(file => /(?<!\.d)\.ts$|^test|^bench|^\.|node_modules/.test(file))
  t.strictSame(unwanted, [], 'nothing is in it that nobody needs to run it')
  for (const name of Object.keys(manifest.dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  const launcher = join(installed, manifest.bin.gatepool)

  const version = await launch(t, ['version'], { launcher }).ended
  t.hasStrict(version, { code: 0, out: `gatepool ${manifest.version}\n`, err: '' })

  const check = await launch(t, ['check', '-c', join(installed, 'config/reference.yaml')], { launcher }).ended
  t.equal(check.code, 0, 'its reference configuration is right')

  const env = { TMPDIR: folder(t), GATEPOOL_DEMO_PORT: '0', GATEPOOL_DEMO_ADMIN_PORT: '0' }
  const { child, line, ended } = launch(t, ['demo'], { launcher, env })
  await line(text => text.includes('=> everything: home'), 'start of the demo')
  child.kill('SIGTERM')
  t.hasStrict(await ended, { code: 0, err: '' })
})
