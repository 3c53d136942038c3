import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

test('what leans on a pool, whom to dial, what if, and durations by name', async t => {
  await using it = await testAdmin()
  const run = (...argv: string[]) => runCli(argv, { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  await it.beat('home')
  await it.beat('nas')
  t.equal(
    (await run('pool', 'resources', 'main')).out,
    'KIND   NAME    HOW             TITLE\nroute  pinned  pinned to home  -\nroute  app     goes to it      -\n',
  )
  t.equal((await run('pool', 'pick', 'main')).out, 'home 127.0.0.1:9101\n')
  t.equal(
    (await run('pool', 'pick', 'all', '--gateway', 'spare', '--address', '203.0.113.7')).out,
    'spare [::1]:9103\n',
  )
  t.match((await run('presets')).out, /^COOLDOWN +TIME\n.*^nas +900s$.*gateway_down_threshold: .*30s/ms)
  const { out } = await run('simulate', '--down', 'home', '--held', 'spare')
  t.match(out, /^main +yellow +1\/2 healthy +home +nas instead of home +moves$/m)
  t.match(out, /^all +red +0\/2 healthy +home, spare +nobody +moves$/m)
  t.match(out, /^pinned +gateway:home +home +nas instead of home +moves$/m)
  t.match((await run('simulate')).out, /^main +green +2\/2 healthy +home +home +stays$/m)
  t.match(await run('simulate', '--down', 'nobody'), { exit: 1, err: /nobody/ })
  t.match(await run('simulate', '--down', '../x'), { exit: 2 })
  t.match(JSON.parse((await run('simulate', '--down', 'home', '--json')).out), {
    pools: [{ name: 'all' }, { moved: true }],
  })
})
