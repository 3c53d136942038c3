/**
 * A home network set up and run by the command line alone, against the program with an empty store: two gateways, a pool with the cooldown of
 * a NAS, another order, a pinned route, a failover by hand and back, routes that move to the pool, a drain, and the way out.
 */
import { test } from 'tap'
import { request } from 'undici'
import { startGateway } from '../../src/demo/gateways.ts'
import { runCli } from '../support/cli.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'

const CONFIG = `
version: 1
definitions: store
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
`

test('a home network, by the command line alone', async t => {
  const [home, ds918] = await Promise.all(['home', 'ds918'].map(name => startGateway(name, ADMIN_TOKEN)))
  if (home === undefined || ds918 === undefined) throw new Error('two were started')
  t.teardown(() => Promise.all([home, ds918].map(one => one[Symbol.asyncDispose]())))
  const program = await runProgram(t, CONFIG)
  const env = { GATEPOOL_URL: String(program.url.admin), GATEPOOL_TOKEN: ADMIN_TOKEN }
  const fails = (...argv: string[]) => runCli(argv, env)
  const run = async (...argv: string[]) => {
    const ran = await fails(...argv)
    t.equal(ran.exit, 0, `gatepool ${argv.join(' ')}: ${ran.err}`)
    return ran
  }
  const json = async (...argv: string[]) => JSON.parse((await run(...argv, '--json')).out)
  const server = async (host = 'nas.example.com') => {
    const { statusCode, headers, body } = await request(String(program.url.web), { headers: { host } })
    await body.dump()
    return headers['x-served-by'] ?? statusCode
  }

  t.equal((await run('pool', 'list')).out.split('\n').length, 2, 'nothing is there')
  for (const gateway of [home, ds918]) gateway.beatAt(String(program.url.admin))
  const place = ({ port }: { port: number }) => [
    '--address',
    '127.0.0.1',
    '--http-port',
    String(port),
    '--liveness',
    'heartbeat',
  ]
  await run('gateway', 'create', 'Home', ...place(home))
  await run('gateway', 'create', 'DS918', ...place(ds918))
  await Promise.all([program.fact('first_alive', 'home'), program.fact('first_alive', 'ds918')])

  await run('pool', 'create', 'Home network', '--mode', 'failover', '--cooldown', 'nas', '--members', 'ds918,home')
  t.match(await json('pool', 'show', 'home-network'), {
    title: 'Home network',
    health: 'green',
    serving: ['ds918'],
    definition: { failback_cooldown: '15m' },
  })
  await run('pool', 'members', 'home-network', 'move', 'home', '--to', '1')
  t.match(await json('pool', 'show', 'home-network'), { serving: ['home'] })

  t.equal(await server(), 404)
  await run('route', 'create', 'NAS', '--host', 'nas.example.com', '--gateway', 'home', '--backend', '192.168.1.5:5001')
  t.equal(await server(), 'home')

  await run('pool', 'failover', 'home-network', '--to', 'ds918')
  t.match(await program.fact('pool_failover_activated', 'home-network'), {
    from: 'home',
    to: 'ds918',
    cause: 'operator',
  })
  t.equal(await server(), 'ds918', 'the pinned route goes with its pool')
  t.match((await run('status')).out, /^nas .* ds918 instead of home, by bootstrap/m)
  await run('pool', 'failback', 'home-network')
  t.equal(await server(), 'home')

  t.match((await run('route', 'candidates')).out, /^home +nas +192\.168\.1\.5:5001 +home-network$/m)
  await run('route', 'migrate', 'home-network', 'nas')
  t.match(await json('route', 'show', 'nas'), { target: 'pool:home-network' })
  t.equal(await server(), 'home')

  t.match(
    (await run('simulate', '--held', 'home')).out,
    /^nas +pool:home-network +home +ds918 instead of home +moves$/m,
  )
  await run('gateway', 'drain', 'home', '--reason', 'maintenance', '--note', 'kernel update', '--wait', '5s')
  t.equal(await server(), 'ds918')
  t.match((await run('pool', 'why', 'home-network', 'home')).out, /maintenance|held/)
  await run('gateway', 'resume', 'home')
  t.equal(await server(), 'home')

  t.match(await fails('pool', 'delete', 'home-network', '--yes'), { exit: 1, err: /in use.*\n {2}routes: nas/ })
  t.equal(await server(), 'home', 'a refusal changes nothing')
  await run('route', 'delete', 'nas', '--yes')
  t.equal(await server(), 404)
  await run('pool', 'delete', 'home-network', '--yes')
  await run('gateway', 'delete', 'home', '--yes')
  await run('gateway', 'delete', 'ds918', '--yes')
  t.match(await json('export'), { gateways: [], pools: [], routes: [] })
  t.match(await run('audit', 'verify'), { err: /^unbroken, / })
  t.match((await run('history')).out, /bootstrap +gateway:ds918$/m)
})
