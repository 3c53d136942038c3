import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

test('pinned routes are listed as candidates, and migrate all or none', async t => {
  await using it = await testAdmin()
  const run = (...argv: string[]) => runCli(['route', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  await run('create', 'shell', '--host', 'ssh.example.com', '--gateway', 'home', '--backend', '127.0.0.1:22')
  const { out } = await run('candidates')
  t.match(out, /^GATEWAY +ROUTE +BACKEND +POOLS\nhome +pinned +- +(main, all|all, main)$/m)
  t.match(out, /^home +shell +127\.0\.0\.1:22 +loopback +(main, all|all, main)$/m)
  t.match(await run('migrate', 'main', 'pinned', 'shell'), {
    exit: 1,
    err: /The backend of the route is a loopback address.*shell/,
  })
  t.match((await run('show', 'pinned')).out, /^target: gateway:home$/m)
  t.match(await run('migrate', 'main', 'pinned', 'shell', '--allow-loopback'), {
    exit: 0,
    out: '',
    err: /^2 routes to main now: (pinned, shell|shell, pinned)\n/,
  })
  t.match((await run('show', 'pinned')).out, /^target: pool:main$/m)
  t.match(await run('migrate', 'main', 'none'), { exit: 1, err: /none/ })
  t.match(await run('migrate', 'main'), { exit: 2, err: /missing required argument/ })
})
