import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

const run = ({ url }: TestAdmin, ...argv: string[]) => runCli(argv, { GATEPOOL_URL: url, GATEPOOL_TOKEN: TOKEN })

test('what is exported is a configuration file, without what is said by default', async t => {
  await using it = await testAdmin()
  await run(it, 'pool', 'set', 'main', '--outage-message', 'costs ${MONEY} or $$', '-f', 'passive.max_fails=5')
  const { exit, out } = await run(it, 'export')
  t.equal(exit, 0)
  t.strictSame(parse(out), {
    version: 1,
    settings: {},
    gateways: [
      { name: 'home', title: 'Home', address: '127.0.0.1', http_port: 9101, liveness: 'heartbeat' },
      { name: 'nas', address: '127.0.0.1', http_port: 9102, liveness: 'heartbeat' },
      { name: 'spare', address: '::1', http_port: 9103 },
    ],
    pools: [
      {
        name: 'main',
        title: 'Main',
        outage_message: 'costs $${MONEY} or $$$$',
        members: ['home', { gateway: 'nas', weight: 2 }],
        passive: { max_fails: 5 },
      },
      { name: 'all', mode: 'load_balancing', members: ['home', 'spare'] },
    ],
    routes: [
      { name: 'pinned', match: { host: 'nas.example.com' }, target: { gateway: 'home' } },
      { name: 'app', match: { host: '*.example.org', path: '/app' }, target: { pool: 'main' } },
    ],
  })
  const file = join(t.testdir({ 'd.yaml': out }), 'd.yaml')
  const loaded = loadConfig(file, {})
  t.equal(loaded.kind, 'config', 'it loads')
  t.match(await run(it, 'import', file), { exit: 0, out: '', err: 'nothing is different\n' })
  t.match(await run(it, 'import', file, '--json'), { exit: 0, out: '[]\n' })
})

test('an import shows what would be different, and applies it all or nothing', async t => {
  await using it = await testAdmin()
  const file = join(t.testdir(), 'd.yaml')
  writeFileSync(
    file,
    (await run(it, 'export')).out
      .replace('name: spare', 'name: attic')
      .replace('- spare', '- attic')
      .replace('settings: {}', 'settings: { gateway_down_threshold: "${THRESHOLD:-2m}" }'),
  )
  const shown = await run(it, 'import', file)
  t.equal(shown.exit, 0)
  t.equal(
    shown.out,
    [
      '~ settings',
      '    gateway_down_threshold: 90s → 2m',
      '- gateway spare',
      '+ gateway attic',
      '~ pool all',
      '    members: ["home","spare"] → ["home","attic"]',
      '',
    ].join('\n'),
  )
  t.equal(shown.err, 'nothing was changed: say --yes to apply this\n')
  t.equal((await run(it, 'gateway', 'show', 'attic')).exit, 3)
  const done = await run(it, 'import', file, '--yes')
  t.match(done, { exit: 0, out: shown.out, err: /applied, as revision 2\n$/ })
  t.equal((await run(it, 'gateway', 'show', 'attic')).exit, 0)
  t.equal((await run(it, 'gateway', 'show', 'spare')).exit, 3)
})

test('what is wrong with a file is told at its line, and nothing is changed', async t => {
  await using it = await testAdmin()
  const before = (await run(it, 'export', '--json')).out
  const file = join(t.testdir(), 'd.yaml')
  const cases: [yaml: string, err: RegExp][] = [
    ['pools:\n  - name: x\n    mod: failover\n', /d\.yaml:3:10: pools\[0\]\.mod: unknown key "mod".*mode/],
    ['pools: [\n', /d\.yaml:\d+:\d+: /],
    [
      'pools:\n  - name: x\n    members: [nobody]\n',
      /something unknown\n.*d\.yaml:3:15: pools\[0\]\.members\[0\]: .*nobody/,
    ],
    ['gateways:\n  - { name: a, address: a }\n  - { name: a, address: b }\n', /d\.yaml:3:13: gateways\[1\]/],
    ['gateways:\n  - { name: a, address: "${ADDRESS}" }\n', /d\.yaml:2:\d+: .*ADDRESS is not set/],
  ]
  for (const [yaml, err] of cases) {
    writeFileSync(file, yaml)
    t.match(await run(it, 'import', file, '--yes'), { exit: 1, err }, yaml)
  }
  t.match(await run(it, 'import', join(t.testdir(), 'none')), { exit: 1, err: /cannot read .*ENOENT/ })
  t.equal((await run(it, 'export', '--json')).out, before)
})
