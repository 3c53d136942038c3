/** `config/keepalived.conf`: keepalived takes it as it is, and its check says of a replica what it should. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, userInfo } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { run, without } from '../support/daemons.ts'
import { findProgram } from '../support/debian.ts'
import { folder } from '../support/launch.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import { startReplica } from '../support/replicas.ts'
import { until } from '../support/until.ts'

const keepalived = findProgram(['keepalived'], ['keepalived'])
const curl = findProgram(['curl'], ['curl'])
const conf = readFileSync(join(import.meta.dirname, '../../config/keepalived.conf'), 'utf8')
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
    .replace('/usr/bin/curl', typeof curl === 'string' ? '' : curl.path)
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
