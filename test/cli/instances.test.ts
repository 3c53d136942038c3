import { test } from 'tap'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'
import { handClock } from '../support/hand-clock.ts'

test('the instances of a gateway are listed, and forgotten when they are gone', async t => {
  await using it = await testAdmin({}, undefined, handClock(Date.now()))
  const run = (...argv: string[]) => runCli(['gateway', ...argv], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN: TOKEN })
  await it.beat('home')
  await it.beat('home', { instance: 'home-2', state: 'drain' })
  const { out } = await run('instances', 'home')
  t.match(out, /^INSTANCE +STATE +SINCE +HEARD +LEAVES +ADDRESS +WEIGHT +OUT OF\n/)
  t.match(out, /^home-1 +ready +\d+ s ago +\d+ s ago +in 1 min \d\d s +- +100% +-$/m)
  t.match(out, /^home-2 +held /m)
  const verbose = (await run('list', '--verbose')).out
  t.match(verbose, /^home +\S+ .* 2 +2 +heartbeat +127\.0\.0\.1:9101 +Home$/m)
  t.match(verbose, /^home\/home-1 +ready /m)
  t.match(JSON.parse((await run('list', '--verbose', '--json')).out), [
    { name: 'home', instances: [{ instance: 'home-1' }, { instance: 'home-2' }] },
    { name: 'nas' },
    { name: 'spare' },
  ])
  t.match(await run('forget', 'home', 'home-2'), { exit: 0, out: '', err: 'instance home-2 of home is forgotten\n' })
  t.match(JSON.parse((await run('instances', 'home', '--json')).out).items.length, 1)
  t.match(await run('forget', 'home', 'home-2'), { exit: 3 })
  t.match(await run('forget', 'home', '../x'), { exit: 2, err: /an instance has/ })
  t.match(await run('set-max-instances', 'home', '1'), { exit: 0, err: /^gateway home may have 1 instance\n/ })
  t.equal((await it.beat('home', { instance: 'home-3' })).status, 409)
  t.match(await run('set-max-instances', 'home', 'none'), {
    exit: 0,
    err: /^gateway home may have any number of instances\n/,
  })
  t.equal((await it.beat('home', { instance: 'home-3' })).status, 200)
  t.match(await run('instances', 'none'), { exit: 3, err: /there is no gateway "none"/ })
})
