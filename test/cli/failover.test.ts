import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

test('a pool is failed over and back by hand', async t => {
  await using it = await testAdmin()
  const run = (...argv: string[]) => runCli(['pool', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  await it.beat('home')
  await it.beat('nas')
  t.match(await run('failover', 'main', '--to', 'nas'), {
    exit: 0,
    out: '',
    err: 'main: nas instead of home, by bootstrap\n',
  })
  t.match((await run('list')).out, /^main .* nas instead of home, by bootstrap +2$/m)
  t.match(await run('failback', 'main'), { exit: 0, out: '', err: 'the order of main counts again\n' })
  t.match((await run('list')).out, /^main .* home +2$/m)
  t.match(await run('failover', 'main'), { exit: 2, err: /required option '--to/ })
  t.match(await run('failover', 'main', '--to', 'spare'), { exit: 1, err: /spare/ })
  t.match(await run('failover', 'none', '--to', 'nas'), { exit: 3 })
  t.match(await run('failover', 'all', '--to', 'home'), { exit: 1, err: /balance/ })
})
