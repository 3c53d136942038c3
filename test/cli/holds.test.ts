import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'
import { handClock } from '../support/hand-clock.ts'

test('a gateway is drained and put back', async t => {
  await using it = await testAdmin({}, undefined, handClock(Date.now()))
  const run = (...argv: string[]) => runCli(['gateway', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  await it.beat('home')
  await it.beat('nas')
  t.match(
    await run('drain', 'home', '--reason', 'maintenance', '--note', 'new disk', '--until', '2h', '--wait', '1s'),
    {
      exit: 0,
      out: '',
      err: /^home is held; nothing runs on it\n/,
    },
  )
  t.match(
    (await run('show', 'home')).out,
    /^home \(Home\): held .*\n.*\n.*\nheld: maintenance, by bootstrap .* ago, until in (2 h|1 h 59 min): new disk$/m,
  )
  t.match(JSON.parse((await run('drain', 'home', '--json')).out), { gateway: 'home', in_flight: 0 })
  t.match(await run('resume', 'home', '--reason', 'maintenance'), {
    exit: 0,
    err: 'home is not held by you any more\n',
  })
  t.match((await run('show', 'home')).out, /held: drain, by bootstrap/)
  t.match(await run('resume', 'home', '--all'), { exit: 0 })
  t.match((await run('show', 'home')).out, /^home \(Home\): up/)
  await it.beat('home', { instance: 'home-2' })
  t.match(await run('drain', 'home', '--instance', 'home-2', '--until', '2099-01-01T00:00:00Z'), { exit: 0 })
  t.match((await run('show', 'home')).out, /held: drain of home-2, by bootstrap/)
  for (const [argv, err] of [
    [['drain', 'home', '--until', 'soon'], /soon: expected a time such as/],
    [['drain', 'home', '--wait', 'x'], /x: expected a time such as/],
    [['drain', 'home', '--reason', 'shutdown'], /expected drain or maintenance/],
    [['drain', '../x'], /a name has/],
  ] as const) {
    t.match(await run(...argv), { exit: 2, out: '', err })
  }
  t.match(await run('drain', 'none'), { exit: 3, err: /there is no gateway "?none/ })
})

test('maintenance windows are made, listed and deleted', async t => {
  await using it = await testAdmin({}, undefined, handClock(Date.now()))
  const run = (...argv: string[]) =>
    runCli(['gateway', 'window', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  t.match(
    await run(
      'create',
      'home',
      'updates',
      '--days',
      'sun,mon',
      '--from',
      '02:00',
      '--to',
      '04:00',
      '--time-zone',
      'Europe/Berlin',
    ),
    {
      exit: 0,
      err: /^window updates of home is made; it opens /,
    },
  )
  t.match(
    await run(
      'create',
      'home',
      'disk',
      '--from',
      '2099-03-29T02:00:00Z',
      '--to',
      '2099-03-29T04:00:00+01:00',
      '--note',
      'new',
    ),
    {
      exit: 0,
    },
  )
  const { out } = await run('list', 'home')
  t.match(out, /^disk +closed +in \d+ d.* 2099-03-29T02:00:00.000Z to 2099-03-29T03:00:00.000Z +bootstrap +new$/m)
  t.match(out, /^updates +(closed|open) +.* (sun, mon|mon, sun) 02:00 to 04:00 Europe\/Berlin +bootstrap +-$/m)
  t.match(await run('delete', 'home', 'updates', '--yes'), { exit: 0, err: 'window updates of home is deleted\n' })
  t.notMatch((await run('list', 'home')).out, 'updates')
  t.match(await run('create', 'home', 'x', '--days', 'sunday', '--from', '02:00', '--to', '04:00'), {
    exit: 2,
    err: /expected some of mon/,
  })
  t.match(await run('delete', 'home', 'updates', '--yes'), { exit: 3 })
})
