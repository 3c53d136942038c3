import { test } from 'tap'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'
import { handClock } from '../support/hand-clock.ts'

const run = ({ url }: TestAdmin, ...argv: string[]) => runCli(argv, { GATEPOOL_URL: url, GATEPOOL_TOKEN: TOKEN })

test('a token is printed once, opens what its role may, and is deleted', async t => {
  // Its clock agrees with the Date field of its answers.
  await using it = await testAdmin({}, undefined, handClock(Date.now()))
  const made = await run(it, 'token', 'create', 'dashboard', '--role', 'viewer', '--pools', 'main', '--expires', '90d')
  t.match(made, { exit: 0, out: /^gp_\S+\n$/, err: /^token dashboard is made: keep it, it is not told again\n/ })
  const token = made.out.trim()
  const asViewer = (...argv: string[]) => runCli(argv, { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: token })
  t.match(await asViewer('pool', 'list'), { exit: 0, out: /^main /m })
  t.match(await asViewer('pool', 'failover', 'main', '--to', 'nas'), {
    exit: 4,
    out: '',
    err: /This token may not do that/,
  })
  const { out } = await run(it, 'token', 'list')
  t.match(out, /^TOKEN +ROLE +FOR +STATE +EXPIRES +LAST USED\ndashboard +viewer +main +valid +in \d+ d.* ago$/m)
  t.notMatch(out, token)
  t.match(await run(it, 'token', 'delete', 'dashboard', '--yes'), { exit: 0, err: 'token dashboard is deleted\n' })
  t.match(await asViewer('pool', 'list'), { exit: 4, err: /set GATEPOOL_TOKEN/ })
  const json = await run(it, 'token', 'create', 'home-agent', '--role', 'gateway', '--gateway', 'home', '--json')
  t.match(JSON.parse(json.out), { name: 'home-agent', gateway: 'home', token: /^gp_/ })
  t.match(await run(it, 'token', 'create', 'x', '--role', 'king'), { exit: 1, err: /role: expected one of/ })
  t.match(await run(it, 'token', 'create', 'x', '--role', 'gateway'), { exit: 1, err: /gateway: .*for one gateway/ })
})

test('the audit chain is listed and verified', async t => {
  await using it = await testAdmin()
  await run(it, 'token', 'create', 'a', '--role', 'viewer')
  await run(it, 'token', 'create', 'b', '--role', 'viewer')
  t.match(
    (await run(it, 'audit', 'list')).out,
    /^# +WHEN +BY +ACTION +SUBJECT\n1 .* bootstrap +create_token +token:a\n2 .* bootstrap +create_token +token:b\n$/,
  )
  t.match((await run(it, 'audit', 'list', '--subject', 'token:b', '--json')).out, /"seq": 2/)
  const good = await run(it, 'audit', 'verify')
  t.match(good, { exit: 0, out: /^2:[0-9a-f]{64}\n$/, err: /^unbroken, 2 records; / })
  t.match(await run(it, 'audit', 'verify', '--noted', good.out.trim()), { exit: 0 })
  t.match(await run(it, 'audit', 'verify', '--noted', `2:${'0'.repeat(64)}`), { exit: 3 })
  t.match(await run(it, 'audit', 'verify', '--noted', '2'), { exit: 2, err: /NUMBER:HASH/ })
})
