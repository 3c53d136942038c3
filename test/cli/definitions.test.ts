import { test } from 'tap'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'

const envOf = ({ url }: TestAdmin) => ({ GATEPOOL_URL: url, GATEPOOL_TOKEN: TOKEN })

function commands(it: TestAdmin) {
  const run = (...argv: string[]) => runCli(argv, envOf(it))
  return { run, json: async (...argv: string[]) => JSON.parse((await run(...argv, '--json')).out) }
}

test('a pool is made of a title, changed and deleted', async t => {
  await using it = await testAdmin()
  const { run, json } = commands(it)
  const made = await run(
    'pool',
    'create',
    'Home network',
    '--mode',
    'failover',
    '--cooldown',
    'nas',
    '--members',
    'spare,nas=2',
  )
  t.match(made, { exit: 0, out: '', err: /^pool home-network is made\nwarning: nas is not ready/ })
  t.match(await json('pool', 'show', 'home-network'), {
    title: 'Home network',
    definition: { mode: 'failover', failback_cooldown: '15m', members: ['spare', { gateway: 'nas', weight: 2 }] },
  })
  t.match(
    await run(
      'pool',
      'set',
      'home-network',
      '--cooldown',
      '5m',
      '-f',
      'passive.max_fails=5',
      '--title',
      'Home',
      '--disable',
    ),
    {
      exit: 0,
      err: /^pool home-network is changed/,
    },
  )
  t.match(await json('pool', 'show', 'home-network'), {
    title: 'Home',
    enabled: false,
    definition: { failback_cooldown: '5m', passive: { max_fails: 5, fail_duration: '30s' } },
  })
  t.equal((await run('pool', 'set', 'home-network', '-f', 'title=null')).exit, 0)
  t.equal((await json('pool', 'show', 'home-network')).title, undefined)
  t.match(await run('pool', 'delete', 'home-network', '--yes'), { exit: 0, err: 'pool home-network is deleted\n' })
  t.equal((await run('pool', 'show', 'home-network')).exit, 3)
  t.match(await json('pool', 'create', 'Other', '--name', 'x'), { name: 'x', title: 'Other' })
})

test('what a pool does when all are down is changed from one action to another, and a cookie is given and taken', async t => {
  await using it = await testAdmin()
  const { run, json } = commands(it)
  const definition = async () => (await json('pool', 'show', 'team')).definition
  const made = await run(
    'pool',
    'create',
    'team',
    '--mode',
    'load_balancing',
    '--on-all-down',
    'hold=30s',
    '--sticky',
    'm',
  )
  t.equal(made.exit, 0, made.err)
  t.match(await definition(), { on_all_down: { action: 'hold', hold: '30s' }, sticky: { cookie: 'm' } })
  t.equal((await run('pool', 'create', 'spare')).exit, 0)
  t.equal((await run('pool', 'set', 'team', '--on-all-down', 'fallback=spare', '-f', 'sticky=null')).exit, 0)
  const { on_all_down, sticky } = await definition()
  t.strictSame(on_all_down, { action: 'fallback', pool: 'spare' })
  t.equal(sticky, undefined)
  t.equal((await run('pool', 'set', 'team', '-f', 'on_all_down.pool=spare')).exit, 0)
  t.equal((await run('pool', 'set', 'team', '--on-all-down', 'hold')).exit, 0)
  t.strictSame((await definition()).on_all_down, { action: 'hold', hold: '10s' })
})

test('gateways and routes are made, changed and deleted', async t => {
  await using it = await testAdmin()
  const { run, json } = commands(it)
  t.match(
    await run('gateway', 'create', 'DS918', '--address', '::1', '--http-port', '9104', '--liveness', 'heartbeat'),
    {
      exit: 0,
      err: /^gateway ds918 is made/,
    },
  )
  t.match(
    (await run('gateway', 'show', 'ds918')).out,
    /^ds918 \(DS918\): unknown\naddress: \[::1\]:9104\nliveness: heartbeat; 0 instances\n$/,
  )
  t.match(await run('gateway', 'set', 'ds918', '--address', 'nas.lan'), { exit: 0 })
  t.match(await json('gateway', 'show', 'ds918'), { address: 'nas.lan', http_port: 9104 })

  t.match(
    await run(
      'route',
      'create',
      'Wiki',
      '--host',
      'wiki.example.com',
      '--gateway',
      'ds918',
      '--backend',
      '192.168.1.5:5001',
    ),
    {
      exit: 0,
      err: /^route wiki is made, to gateway:ds918/,
    },
  )
  t.match(
    (await run('route', 'show', 'wiki')).out,
    /^wiki \(Wiki\): http\ntakes: wiki.example.com\/\ntarget: gateway:ds918\n/,
  )
  t.match(await run('route', 'set', 'wiki', '--pool', 'main', '--path', '/w', '-f', 'retry.tries=1'), {
    exit: 0,
    err: /^route wiki is changed; it goes to pool:main/,
  })
  t.match(await json('route', 'show', 'wiki'), {
    definition: {
      target: { pool: 'main' },
      match: { host: 'wiki.example.com', path: '/w' },
      retry: { tries: 1, within: '10s' },
    },
  })
  t.equal(
    (
      await run(
        'route',
        'set',
        'wiki',
        '-f',
        'backend=null',
        '-f',
        'target={ redirect: { to: "https://e.example{path}" } }',
      )
    ).exit,
    0,
  )
  t.match(await json('route', 'show', 'wiki'), { target: 'redirect:308' })
  t.match(await run('route', 'delete', 'wiki', '-y'), { exit: 0, err: 'route wiki is deleted\n' })
  t.match(await run('gateway', 'delete', 'ds918', '-y'), { exit: 0, err: 'gateway ds918 is deleted\n' })
})

test('what is in use stays, and the refusal names what is in the way', async t => {
  await using it = await testAdmin()
  const { run } = commands(it)
  t.match(await run('pool', 'delete', 'main', '--yes'), {
    exit: 1,
    err: /^gatepool: The pool is in use: .*app\n {2}routes: app\n$/,
  })
  t.match(await run('gateway', 'delete', 'home', '--yes'), {
    exit: 1,
    err: /The gateway is in use: .*\n {2}routes: pinned/,
  })
  t.match(await run('pool', 'create', 'main'), { exit: 1, err: /The name is taken/ })
  t.match(await run('pool', 'create', 'x', '--members', 'nobody'), {
    exit: 1,
    err: /refers to something unknown\n {2}members\[0\]/,
  })
  t.match(await run('pool', 'create', 'x', '--mode', 'failovr', '-f', 'pasive=1'), {
    exit: 1,
    err: /The request is malformed\n {2}mode: .*failover.*\n {2}pasive: unknown key "pasive".*passive/,
  })
  t.match(await run('route', 'set', 'app', '--pool', 'none'), { exit: 1, err: /something unknown/ })
})

test('what destroys asks, or wants to be told', async t => {
  await using it = await testAdmin()
  const { run } = commands(it)
  t.match(await run('pool', 'delete', 'all'), {
    exit: 2,
    out: '',
    err: /Delete pool all\? Nobody is here to ask: say --yes/,
  })
  const asked: string[] = []
  const answering = (answer: boolean) => async (question: string) => {
    asked.push(question)
    return answer
  }
  const no = await runCli(['pool', 'delete', 'all'], envOf(it), undefined, answering(false))
  t.match(no, { exit: 1, err: 'gatepool: nothing was changed\n' })
  t.equal((await run('pool', 'show', 'all')).exit, 0)
  t.equal((await runCli(['pool', 'delete', 'all'], envOf(it), undefined, answering(true))).exit, 0)
  t.equal((await run('pool', 'show', 'all')).exit, 3)
  t.strictSame(asked, ['Delete pool all?', 'Delete pool all?'])
})

test('wrong usage is told before anybody is asked', async t => {
  const cases: [argv: string[], err: RegExp][] = [
    [['pool', 'create', '家'], /--name/],
    [['pool', 'create', 'a', '-f', 'x'], /expected KEY=VALUE/],
    [['pool', 'create', 'a', '--members', 'a=0'], /expected 1 to 1000/],
    [['gateway', 'create', 'a'], /--address/],
    [['gateway', 'create', 'a', '--address', 'b', '--http-port', '0'], /expected 1 to 65535/],
    [['gateway', 'set-max-instances', 'a', '0'], /expected 1 to/],
    [['route', 'create', 'a'], /--pool or --gateway/],
    [['pool', 'set', 'a'], /say what to change/],
    [['settings', 'set'], /say what to change/],
  ]
  for (const [argv, err] of cases) t.match(await runCli(argv, {}), { exit: 2, out: '', err }, argv.join(' '))
})

test('settings are shown and changed', async t => {
  await using it = await testAdmin()
  const { run } = commands(it)
  t.match((await run('settings', 'show')).out, /^gateway_down_threshold: 1m30s$|^gateway_down_threshold: 90s$/m)
  t.match(await run('settings', 'set', '--gateway-down-threshold', '2m'), {
    exit: 0,
    err: 'the settings are changed\n',
  })
  t.match((await run('settings', 'show')).out, /^gateway_down_threshold: 2m$/m)
})

test('history tells what was changed, and goes back', async t => {
  await using it = await testAdmin()
  const { run, json } = commands(it)
  await run('pool', 'set', 'main', '--cooldown', '5m')
  await run('pool', 'delete', 'all', '--yes')
  t.match(
    (await run('history')).out,
    /^REVISION +WHEN +BY +CHANGED\n3 .* bootstrap +pool:all\n2 .* bootstrap +pool:main\n1 /,
  )
  t.match(await run('history', 'restore', '1'), { exit: 2, err: /say --yes/ })
  t.match(await run('history', 'restore', '1', '--yes'), {
    exit: 0,
    err: /^restored, as revision 4: pool:all, pool:main|^restored, as revision 4: pool:main, pool:all/,
  })
  t.match(await json('pool', 'show', 'main'), { definition: { failback_cooldown: '1m' } })
  t.match(await run('history', 'restore', '99', '--yes'), { exit: 3 })
})
