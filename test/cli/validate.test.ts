import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

test('a route is tried out as it is, or before it is saved', async t => {
  let alive = true
  await using it = await testAdmin({ connects: async () => alive })
  const run = (...argv: string[]) => runCli(['route', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  await it.beat('home')
  t.match(await run('validate', 'app'), {
    exit: 0,
    out: /^app works: connected to home at 127\.0\.0\.1 port 9101 in \d+ ms\n$/,
    err: /^warning: nas is not ready|^$/,
  })
  alive = false
  t.match(await run('validate', 'app'), {
    exit: 3,
    out: '',
    err: /^gatepool: target: no connection to home at 127\.0\.0\.1 port 9101/,
  })
  t.match(JSON.parse((await run('validate', 'app', '--json')).out), { valid: false, connected: null })
  t.match(await run('create', 'wiki', '--host', 'wiki.example.com', '--pool', 'main', '--validate'), { exit: 1 })
  t.match(await run('show', 'wiki'), { exit: 3 })
  t.match(await run('set', 'app', '--path', '/other', '--validate'), { exit: 1 })
  alive = true
  t.match(await run('set', 'app', '--path', '/other', '--validate'), { exit: 0 })
  t.match(await run('validate', 'none'), { exit: 3 })
})
