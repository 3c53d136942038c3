/** `config/keepalived.conf`: keepalived takes it, its check says of a replica what it should, and the address goes where it should. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, userInfo } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { run, without } from '../support/daemons.ts'
import { findProgram } from '../support/debian.ts'
import { type Host, startHosts, withoutHosts } from '../support/hosts.ts'
import { folder } from '../support/launch.ts'
import { runProgram } from '../support/program.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { startReplica } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const keepalived = findProgram(['keepalived'], ['keepalived'])
const curl = findProgram(['curl'], ['curl'])
const conf = readFileSync(join(import.meta.dirname, '../../config/keepalived.conf'), 'utf8')
/** The file names it, and whoever runs it there may be nobody. */
const CURL = '/usr/bin/curl'
const [, script = ''] = /script "(.*)"/.exec(conf) ?? []
/** Keepalived has no use for a loopback. */
const [outward] = Object.entries(networkInterfaces()).find(([, of]) => of?.some(({ internal }) => !internal)) ?? []

test('keepalived takes the file', {
  skip: without(keepalived, curl) || (outward === undefined && 'this machine has no network interface'),
}, async t => {
  const file = join(folder(t), 'keepalived.conf')
  const check = async (text: string) => {
    writeFileSync(file, text)
    return await run(t, keepalived, ['--config-test', '--use-file', file])
  }
  const here = conf
    .replace('interface eth0', `interface ${outward}`)
    // Keepalived 2.2.7 ends itself when it looks at a file for the sake of it and has been another user meanwhile.
    .replace('script_user nobody', `script_user ${userInfo().username}`)
    .replace(CURL, typeof curl === 'string' ? '' : curl.path)
  t.strictSame(await check(here), { status: 0, out: '', err: '' })
  t.match(
    await check(here.replace('priority 100', 'priority 1000')),
    { status: /[^0]/, err: /1000/ },
    'and would say no',
  )
})

test('its check goes by /readyz: well, without Redis, draining, gone', {
  skip: withoutRedis() || without(curl),
}, async t => {
  const slow = createServer().listen(0, '127.0.0.1')
  await once(slow, 'listening')
  t.teardown(() => slow.close().closeAllConnections())
  const redis = await startRedis(t)
  const ports = { home: (slow.address() as AddressInfo).port }
  const { program } = await startReplica(t, { name: 'a', url: redis.url, ports, liveness: 'probe' })
  const [, ...args] = script.replace('http://127.0.0.1:9900', program.url.admin ?? '').split(' ')
  const says = async () => (await run(t, curl, args)).status
  t.equal(await says(), 0)
  await redis.kill()
  await program.fact('store_lost')
  t.equal(await says(), 0, 'traffic goes on without Redis')
  const asked = once(slow, 'request')
  const answer = fetch(program.url.web ?? '', { signal: AbortSignal.timeout(20_000) })
  const [, response] = await asked
  program.signal('SIGTERM')
  await until('it drains', async () => (await says()) === 22)
  response.end('late')
  t.equal(await (await answer).text(), 'late', 'and finishes what it had begun')
  await program.ended
  t.equal(await says(), 7)
})

test('the address is at a host whose replica is ready, and stays where it is', {
  skip: withoutRedis() || without(keepalived, existsSync(CURL) ? curl : `there is no ${CURL}`) || withoutHosts(),
}, async t => {
  const redis = await startRedis(t)
  const hosts = startHosts(t)
  const start = ({ name, within }: Host) =>
    runProgram(
      t,
      `
version: 1
cluster: test
replica: ${name}
definitions: file
store: { kind: redis, url: ${JSON.stringify(redis.url)} }
admin: { listen: 127.0.0.1:9900 }
listeners: [{ name: web, listen: 0.0.0.0:8080 }]
routes: [{ name: all, target: { respond: { body: ${name} } } }]
`,
      folder(t),
      { through: within },
    )
  const replicas = await Promise.all(hosts.map(start))
  for (const [n, host] of hosts.entries()) keepAlive(t, host, conf.replace('priority 100', `priority ${100 - n}`))
  /** Who answers at the address. */
  const answers = async ({ within: [path = '', ...args] }: Host) =>
    (await run(t, { path, env: {} }, [...args, CURL, '--silent', '--max-time', '1', 'http://10.0.0.10:8080/'])).out
  const moved = (to: Host, from: Host) =>
    until(`the address is at ${to.name}`, async () => (await answers(from)) === to.name)

  // Whoever is ready first; priorities decide only among those who are at the same time.
  let name = ''
  await until('somebody has the address', async () => {
    name = await answers(hosts[0])
    return name !== ''
  })
  const [one, two] = hosts.toSorted((a, b) => Number(b.name === name) - Number(a.name === name)) as [Host, Host]
  replicas[hosts.indexOf(one)]?.signal('SIGTERM')
  t.comment(`moved after ${Math.round(await moved(two, one))} ms`)
  await start(one)
  // As long as it would take: `rise` looks, and three adverts that it does not send.
  const since = performance.now()
  await until('it could have moved', async () => performance.now() - since > 6_000)
  t.equal(await answers(one), two.name, 'no connection is broken for the sake of an order')
  two.unplug()
  t.comment(`moved after ${Math.round(await moved(one, one))} ms`)
})

/** Runs keepalived on a host. */
function keepAlive(t: Test, { within: [file = '', ...args] }: Host, text: string): void {
  if (typeof keepalived === 'string') return
  const home = folder(t)
  const path = join(home, 'keepalived.conf')
  writeFileSync(path, text)
  const files = ['pid', 'vrrp_pid', 'checkers_pid'].flatMap(name => [`--${name}`, join(home, name)])
  const command = [...args, keepalived.path, '--dont-fork', '--use-file', path, ...files]
  const child = spawn(file, command, { env: { ...process.env, ...keepalived.env }, stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await ended
  })
}
