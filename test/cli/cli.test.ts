import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { cli } from '../../src/cli/cli.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { runCli } from '../support/cli.ts'
import { handClock } from '../support/hand-clock.ts'

/** An admin API whose clock agrees with the Date field of its answers. */
const today = () => testAdmin({}, undefined, handClock(Date.now()))

const envOf = ({ url }: TestAdmin) => ({ GATEPOOL_URL: url, GATEPOOL_TOKEN: TOKEN })

test('status shows the replica, its listeners, and who serves what', async t => {
  await using it = await today()
  await it.beat('nas')
  const { exit, out, err } = await runCli(['status'], envOf(it))
  t.equal(exit, 0)
  t.equal(err, '')
  t.match(out, /^gatepool 1\.2\.3, replica one of cluster test, up for 1 min 3\d s$/m)
  t.match(out, /^definitions from the store, revision 1; the store is there$/m)
  t.match(out, /^web +http +127\.0\.0\.1:8080 +open$/m)
  t.match(out, /^main +yellow +1\/2 healthy +nas instead of home$/m)
  t.match(out, /^app +\*\.example\.org\/app +pool:main +nas instead of home$/m)
  t.notMatch(out, 'CONNECTIONS')
})

test('status shows what runs on each member', async t => {
  await using it = await testAdmin({ inFlight: (_, gateway) => (gateway === 'nas' ? 3 : 0) })
  const { out } = await runCli(['status'], envOf(it))
  t.match(out, /^POOL +MEMBER +CONNECTIONS\nmain +nas +3\n$/m)
})

test('routes of TCP, UDP and TLS show what they take, and what can be tried of them', async t => {
  const lines = [
    '{ name: rdp, protocol: tcp, listen: "0.0.0.0:3389", gateway_port: 13389, target: { pool: main } }',
    '{ name: dns, protocol: udp, listen: "[::]:53", gateway_port: 53, target: { pool: main } }',
    '{ name: h2, protocol: tls, listener: pass, match: { sni: a.example.org, alpn: [h2] }, gateway_port: 443, target: { pool: main } }',
  ]
  const yaml = `version: 1
definitions: store
listeners: [{ name: pass, protocol: tls, listen: "127.0.0.1:8443" }]
gateways: [{ name: home, address: 127.0.0.1 }]
pools: [{ name: main, members: [home] }]
routes:
${lines.map(line => `  - ${line}`).join('\n')}
`
  await using it = await testAdmin({}, yaml)
  const run = async (...args: string[]) => (await runCli(['route', ...args], envOf(it))).out
  const list = await run('list')
  t.match(list, /^rdp +tcp 0\.0\.0\.0:3389 +pool:main +home$/m)
  t.match(list, /^dns +udp \[::\]:53 +pool:main +home$/m)
  t.match(list, /^h2 +tls a\.example\.org with h2 +pool:main +home$/m)
  t.match(
    await run('show', 'rdp'),
    'rdp: tcp\ntakes: tcp 0.0.0.0:3389\ntarget: pool:main\nserves: home\ngateway port: 13389\n',
  )
  t.equal(await run('validate', 'dns'), 'dns is right; UDP has no connection that could be tried\n')
})

test('status shows where a route leads that answers by itself', async t => {
  const routes = '\nroutes:\n  - { name: moved, target: { redirect: { to: "https://www.example.com{path}" } } }\n'
  await using it = await testAdmin({}, `version: 1\ndefinitions: store${routes}`)
  t.match((await runCli(['status'], envOf(it))).out, /^moved +any host\/ +redirect:308 +-$/m)
})

test('pool list, pool show and gateway list are tables', async t => {
  await using it = await today()
  await it.beat('home')
  await it.beat('nas')
  const list = await runCli(['pool', 'list'], envOf(it))
  t.equal(
    list.out,
    [
      'POOL  MODE            HEALTH               SERVES       ROUTES',
      'all   load_balancing  green   2/2 healthy  home, spare  0',
      'main  failover        green   2/2 healthy  home         2',
      '',
    ].join('\n'),
  )
  const show = await runCli(['pool', 'show', 'main'], envOf(it))
  t.match(show.out, /^main \(Main\): failover\nhealth: green, 2\/2 healthy\nserves: home\nroutes: pinned, app\n\n#/)
  t.match(show.out, /^1 +home +1 +up +beats +\d+ s ago +-$/m)
  const gateways = await runCli(['gateway', 'list', '--verbose'], envOf(it))
  t.match(gateways.out, /^home +up +\d+ s ago +\d+ s ago +1 +2 +heartbeat +127\.0\.0\.1:9101 +Home$/m)
  t.match(gateways.out, /^spare +up +- +- +0 +1 +assumed +\[::1\]:9103 +-$/m)
  t.strictSame([list.exit, show.exit, gateways.exit], [0, 0, 0])
})

test('pool why answers in a sentence', async t => {
  await using it = await today()
  const { exit, out } = await runCli(['pool', 'why', 'main', 'home'], envOf(it))
  t.equal(exit, 0)
  t.equal(
    out,
    'home was never heard: it takes traffic with its first heartbeat. It serves all the same, because nobody else can.\n',
  )
})

test('with --json the answer is printed as it came', async t => {
  await using it = await today()
  const json = async (...argv: string[]) => JSON.parse((await runCli([...argv, '--json'], envOf(it))).out)
  t.match(await json('status'), { replica: 'one' })
  t.match(await json('pool', 'list'), [{ name: 'all' }, { name: 'main' }])
  t.match(await json('pool', 'show', 'main'), { definition: { failback_cooldown: '1m' } })
  t.match(await json('pool', 'why', 'main', 'nas'), { state: 'unknown' })
  t.match(await json('gateway', 'list'), [{ name: 'home' }, { name: 'nas' }, { name: 'spare' }])
  t.match(await json('version'), { version: /^\d/, node: process.versions.node })
})

test('what is written for people can be coloured, and cannot steer the terminal', async t => {
  await using it = await today()
  const out: string[] = []
  const io = {
    out: (text: string) => void out.push(text),
    err: () => {},
    color: true,
    signal: new AbortController().signal,
    confirm: null,
  }
  const actions = { run: async () => 0, demo: async () => 0 }
  t.equal(await cli(['pool', 'list'], envOf(it), io, actions), 0)
  t.match(out.join(''), '\u001b[31mred')
  const { plain } = await import('../../src/cli/print.ts')
  t.equal(plain('a\u001b[2Jb\u202ec\n'), 'a?[2Jb?c?')
})

test('a list of any length is printed whole', async t => {
  const names = Array.from({ length: 1_100 }, (_, i) => `g${i}`)
  const config = `version: 1\ndefinitions: store\ngateways:\n${names.map(name => `  - { name: ${name}, address: 127.0.0.1 }\n`).join('')}`
  await using it = await testAdmin({}, config)
  const { out } = await runCli(['gateway', 'list', '--json'], envOf(it))
  t.strictSame(
    JSON.parse(out).map(({ name }: { name: string }) => name),
    names.toSorted(),
  )
})

test('health is 0 when ready, 3 with the reasons when not, and needs no token', async t => {
  await using good = await testAdmin()
  t.strictSame(await runCli(['health'], { GATEPOOL_URL: good.url }), { exit: 0, out: '', err: '' })
  await using bad = await testAdmin({ ready: () => ['listener web is not open', 'shutting down'] })
  t.strictSame(await runCli(['health'], { GATEPOOL_URL: `${bad.url}/` }), {
    exit: 3,
    out: '',
    err: 'gatepool: not ready: listener web is not open\ngatepool: not ready: shutting down\n',
  })
})

test('each failure has its exit status, and its words on stderr', async t => {
  await using it = await testAdmin()
  const env = envOf(it)
  const closed = createTcpServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  await new Promise(resolve => closed.close(resolve))
  const cases: [argv: string[], env: Record<string, string>, exit: number, err: RegExp][] = [
    [['pool', 'show', 'none'], env, 3, /there is no pool "none"/],
    [['pool', 'why', 'main', 'spare'], env, 3, /"spare" is not a member of main/],
    [['status'], { ...env, GATEPOOL_TOKEN: 'wrong' }, 4, /set GATEPOOL_TOKEN/],
    [['status'], { GATEPOOL_URL: it.url }, 4, /set GATEPOOL_TOKEN/],
    [['events', '--follow'], { GATEPOOL_URL: it.url }, 4, /set GATEPOOL_TOKEN/],
    [
      ['status'],
      { GATEPOOL_URL: `http://127.0.0.1:${port}` },
      5,
      /cannot reach http:\/\/127.0.0.1:\d+ \(ECONNREFUSED\)/,
    ],
    [['health'], { GATEPOOL_URL: `http://127.0.0.1:${port}` }, 5, /cannot reach/],
    [['events', '-f'], { GATEPOOL_URL: `http://127.0.0.1:${port}` }, 5, /cannot reach/],
    [['status'], { GATEPOOL_URL: 'localhost:9900' }, 2, /GATEPOOL_URL/],
    [['status'], { ...env, GATEPOOL_TOKEN: 'a\nb' }, 2, /token/],
    [['status'], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN_FILE: '/none' }, 2, /GATEPOOL_TOKEN_FILE \(ENOENT\)/],
    [['pool', 'show', '../gateways'], env, 2, /a name has/],
    [['pool', 'shwo'], env, 2, /Did you mean show\?/],
    [['sttus'], env, 2, /Did you mean status\?/],
    [['status', '--jsn'], env, 2, /unknown option '--jsn'/],
    [['pool', 'show'], env, 2, /missing required argument/],
    [['gateway', 'list', 'more'], env, 2, /too many arguments/],
    [['events', '--limit', '0'], env, 2, /expected 1 to 1000/],
    [['run'], env, 2, /required option/],
    [[], env, 2, /Usage/],
    [['pool'], env, 2, /Usage/],
  ]
  for (const [argv, variables, exit, err] of cases) {
    const ran = await runCli(argv, variables)
    t.equal(ran.exit, exit, argv.join(' '))
    t.match(ran.err, err)
    t.equal(ran.out, '')
    t.notMatch(ran.err, TOKEN)
  }
})

test('the token may come from a file', async t => {
  await using it = await testAdmin()
  const file = join(t.testdir({ token: `${TOKEN}\n` }), 'token')
  t.equal((await runCli(['status'], { GATEPOOL_URL: it.url, GATEPOOL_TOKEN_FILE: file })).exit, 0)
})

test('an answer of something else, and one that is cut, are failures', async t => {
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/cut/'))
      response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy())
    else response.end('<html>')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.match(await runCli(['status'], { GATEPOOL_URL: url }), { exit: 1, err: /is not gatepool/ })
  t.match(await runCli(['status'], { GATEPOOL_URL: `${url}/cut` }), { exit: 5, err: /cannot reach/ })
  server.close()
})

test('run and demo are handed on', async t => {
  const asked: unknown[] = []
  const actions = {
    run: async (options: object) => {
      asked.push(options)
      return 1
    },
    demo: async (options: object) => {
      asked.push(options)
      return 0
    },
  }
  t.equal((await runCli(['run', '-c', 'gatepool.yaml'], {}, actions)).exit, 1)
  t.equal((await runCli(['demo'], {}, actions)).exit, 0)
  t.equal((await runCli(['demo', '--tour'], {}, actions)).exit, 0)
  t.strictSame(asked, [{ config: 'gatepool.yaml' }, { tour: false }, { tour: true }])
})

test('check prints every problem at its line', async t => {
  const dir = t.testdir()
  const file = join(dir, 'gatepool.yaml')
  writeFileSync(file, 'version: 1\npools:\n  - { name: a, members: [b], mod: x }\n')
  const bad = await runCli(['check', '-c', file])
  t.equal(bad.exit, 1)
  const lines = bad.out.trimEnd().split('\n')
  t.equal(lines.length, 2)
  for (const line of lines) t.match(line, new RegExp(`^${file}:3:\\d+: pools\\[0\\]\\.`))
  t.match(bad.err, '2 problems')
  t.match(JSON.parse((await runCli(['check', '-c', file, '--json'])).out), [{ line: 3 }, { line: 3 }])
  writeFileSync(file, 'version: 1\ncluster: ${CLUSTER}\n')
  t.match(await runCli(['check', '-c', file], { CLUSTER: 'home' }), { exit: 0, out: '', err: /is right/ })
  t.match(await runCli(['check', '-c', join(dir, 'none')]), { exit: 1, out: /ENOENT/ })
})

test('schema prints the JSON Schema of the file', async t => {
  const { exit, out } = await runCli(['schema'])
  t.equal(exit, 0)
  t.match(JSON.parse(out), { $schema: /2020-12/, properties: { pools: { type: 'array' } } })
})

test('version and help are data', async t => {
  t.match(await runCli(['version']), { exit: 0, out: /^gatepool \d+\.\d+\.\d+\n$/, err: '' })
  t.match(await runCli(['--version']), { exit: 0, out: /^gatepool \d+\.\d+\.\d+\n$/, err: '' })
  const help = await runCli(['--help'])
  t.equal(help.exit, 0)
  for (const name of ['run', 'demo', 'check', 'schema', 'status', 'pool', 'gateway', 'events', 'health', 'version']) {
    t.match(help.out, new RegExp(`^  ${name} `, 'm'))
  }
})
