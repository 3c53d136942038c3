/**
 * The demo, started as people start it. The gateways hold the demo's stderr, so a program that has ended has left no process behind.
 */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { type Test, test } from 'tap'
import { folder, launch } from '../support/launch.ts'

/** The demo on free ports, with a folder of its own for what is temporary. */
function demo(t: Test, args: readonly string[] = [], env: Record<string, string> = {}) {
  const TMPDIR = folder(t)
  const ports = { GATEPOOL_DEMO_PORT: '0', GATEPOOL_DEMO_ADMIN_PORT: '0' }
  return { TMPDIR, ...launch(t, ['demo', ...args], { env: { TMPDIR, ...ports, ...env } }) }
}

const says = (words: string) => (line: string) => line.includes(words)

test('the tour shows a failover and the failback, and loses no request', async t => {
  const { ended, TMPDIR } = demo(t, ['--tour'])
  const { code, out, err } = await ended
  t.equal(code, 0)
  t.equal(err, '')
  const story = [
    '=> everything: home',
    'home-network moved from home to ds918',
    '=> everything: ds918 instead of home',
    'home is back and has to stay for its cooldown',
    'home takes over in 1 s',
    'home-network is back from ds918 to home',
    '=> everything: home',
  ]
  let from = 0
  for (const part of story) {
    from = out.indexOf(part, from)
    t.not(from, -1, part)
  }
  const summary = /^\d{3,} requests, 0 failures; .*$/m.exec(out)?.[0]
  t.ok(summary, 'the summary')
  t.comment(summary)
  t.strictSame(readdirSync(TMPDIR), [], 'nothing is left')
})

test('the demo brings back a gateway that is killed, and ends by SIGINT', async t => {
  const { child, line, ended, TMPDIR } = demo(t)
  const [pid] = /(?<=kill -9 )\d+/.exec(await line(says('kill -9'), 'way to kill home')) ?? []
  await line(says('=> everything: home, nas: ds918'), 'start')
  process.kill(Number(pid), 'SIGKILL')
  await line(says('home has ended (SIGKILL)'), 'end of home')
  await line(says('=> everything: ds918 instead of home'), 'failover')
  await line(says('home runs again'), 'new process of home', 12_000)
  await line(says('home is back and has to stay'), 'cooldown')
  child.kill('SIGINT')
  t.hasStrict(await ended, { code: 0, signal: null, err: '' })
  t.strictSame(readdirSync(TMPDIR), [], 'nothing is left')
})

test('the gateways end with the demo, also when it is killed', async t => {
  const { child, line, ended } = demo(t)
  await line(says('=> everything: home'), 'start')
  child.kill('SIGKILL')
  t.hasStrict(await ended, { code: null, signal: 'SIGKILL' })
})

test('a port in use is told in one line', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const variable of ['GATEPOOL_DEMO_PORT', 'GATEPOOL_DEMO_ADMIN_PORT']) {
    const err = `gatepool demo: port ${port} is in use; set ${variable} to another one, 0 for any\n`
    t.hasStrict(await demo(t, [], { [variable]: String(port) }).ended, { code: 1, out: '', err })
  }
  const err = 'gatepool demo: GATEPOOL_DEMO_PORT must be a port, and "http" is none\n'
  t.hasStrict(await demo(t, [], { GATEPOOL_DEMO_PORT: 'http' }).ended, { code: 1, out: '', err })
})
