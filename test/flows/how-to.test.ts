/** Every command of the how-to documents, run as it is written, against a program and gateways that are real. */
import { readFileSync } from 'node:fs'
import { type Test, test } from 'tap'
import { request } from 'undici'
import { parse, stringify } from 'yaml'
import { type SampleGateway, startGateway } from '../../src/demo/gateways.ts'
import { activeActive, SAMPLE } from '../support/active-active.ts'
import { runCli } from '../support/cli.ts'
import { type HowTo, howTo } from '../support/how-to.ts'
import { ADMIN_TOKEN, type Program, runProgram } from '../support/program.ts'

async function gatewayOf(t: Test, name: string): Promise<SampleGateway> {
  const gateway = await startGateway(name, ADMIN_TOKEN)
  t.teardown(() => gateway[Symbol.asyncDispose]())
  return gateway
}

const envOf = ({ url }: Program) => ({ GATEPOOL_URL: String(url.admin), GATEPOOL_TOKEN: ADMIN_TOKEN })

interface Scene {
  readonly program: Program
  readonly home: SampleGateway
  readonly ds918: SampleGateway
  readonly firstPool: HowTo
  /** Another document, which goes on from there. */
  open(file: string): HowTo
  /** Who answers a request for `host`. */
  server(host: string): Promise<unknown>
}

/** The program as the first document has it started, and its two gateways, which beat from the moment at which they are made. */
async function scene(t: Test, settings = {}): Promise<Scene> {
  const [home, ds918] = await Promise.all([gatewayOf(t, 'home'), gatewayOf(t, 'ds918')])
  const replace = {
    '--address 192.168.2.5 ': `--address 127.0.0.1 --http-port ${home.port} `,
    '--address 192.168.2.151 ': `--address 127.0.0.1 --http-port ${ds918.port} `,
  }
  const [yaml = ''] = howTo(t, 'first-pool.md', { env: {} }).blocks('Start it', 'yaml')
  const { listeners, ...rest } = parse(yaml)
  const program = await runProgram(
    t,
    stringify({
      ...rest,
      settings,
      admin: { listen: '127.0.0.1:0', token: '${GATEPOOL_ADMIN_TOKEN}' },
      listeners: listeners.map((one: object) => ({ ...one, listen: '127.0.0.1:0' })),
    }),
  )
  for (const gateway of [home, ds918]) gateway.beatAt(String(program.url.admin))
  const open = (file: string) => howTo(t, file, { env: envOf(program), replace })
  return {
    program,
    home,
    ds918,
    firstPool: open('first-pool.md'),
    open,
    async server(host) {
      const { headers, body } = await request(String(program.url.web), { headers: { host } })
      await body.dump()
      return headers['x-served-by']
    },
  }
}

/** The first document up to its pool: both gateways are alive. */
async function withPool(t: Test, { program, firstPool }: Scene): Promise<void> {
  await firstPool.run(t, 'Make the gateways', async commands => {
    if (!commands.includes('gateway list')) return
    await Promise.all([program.fact('first_alive', 'home'), program.fact('first_alive', 'ds918')])
  })
  await firstPool.run(t, 'Make the pool')
}

test('a first pool', async t => {
  const it = await scene(t)
  const { firstPool, server } = it
  t.strictSame(
    firstPool.blocks('Start it', 'sh')[0],
    'gatepool check -c gatepool.yaml\ngatepool run -c gatepool.yaml\n',
  )
  await withPool(t, it)
  await firstPool.run(t, 'Send traffic to it')
  t.equal(await server('app.example.org'), 'home')
  await firstPool.run(t, 'Try it before it happens')
  t.equal(await server('app.example.org'), 'home')
  await firstPool.run(t, 'Keep a copy')
  firstPool.ends(t, ['Start it'])
})

test('a pinned route that survives its gateway', async t => {
  const it = await scene(t, { gateway_down_threshold: '1s' })
  const { program, home, server } = it
  await withPool(t, it)
  const doc = it.open('pinned-route-with-failover.md')
  await doc.run(t, 'Pin a route')
  t.equal(await server('nas.example.com'), 'home')
  home.kill()
  await program.fact('gateway_down', 'home')
  await doc.run(t, 'When home goes away')
  t.equal(await server('nas.example.com'), 'ds918')
  await home.revive()
  await program.fact('down_to_cooldown', 'home')
  t.equal(await server('nas.example.com'), 'ds918')
  await doc.run(t, 'When home is back')
  t.equal(await server('nas.example.com'), 'home')
  await doc.run(t, 'What does not move')
  await doc.run(t, 'From pinned to pooled')
  t.equal(await server('nas.example.com'), 'home')
  doc.ends(t)
})

test('maintenance without a lost request', async t => {
  const it = await scene(t)
  await withPool(t, it)
  await it.firstPool.run(t, 'Send traffic to it')
  const doc = it.open('maintenance-with-drain.md')
  await doc.run(t, 'Who would serve meanwhile?')
  t.equal(await it.server('app.example.org'), 'home')
  await doc.run(t, 'Drain it')
  t.equal(await it.server('app.example.org'), 'ds918')
  await doc.run(t, 'Put it back')
  t.equal(await it.server('app.example.org'), 'home')
  await doc.run(t, 'When you will be away')
  doc.ends(t)
})

test('tokens and roles', async t => {
  const it = await scene(t)
  await withPool(t, it)
  const doc = it.open('tokens-and-roles.md')
  await doc.run(t, 'Tokens and roles', async commands => {
    // Its agent has a token by this name from the first document.
    if (commands.includes('home-agent')) await runCli(['token', 'delete', 'home-agent', '--yes'], envOf(it.program))
  })
  await doc.run(t, 'For some pools only')
  await doc.run(t, 'Who did that?')
  doc.ends(t)
})

test('two gateways that both work', async t => {
  const [home, garage] = await Promise.all([gatewayOf(t, 'home'), gatewayOf(t, 'garage')])
  const program = await runProgram(t, activeActive({ home: home.port, garage: garage.port }))
  for (const gateway of [home, garage]) gateway.beatAt(String(program.url.admin))
  await Promise.all([program.fact('first_alive', 'home'), program.fact('first_alive', 'garage')])
  const replace = { 'config/active-active.yaml': SAMPLE }
  const doc = howTo(t, 'active-active.md', { env: envOf(program), replace })
  const [shown = ''] = doc.blocks('The file', 'yaml')
  t.match(parse(readFileSync(SAMPLE, 'utf8')), parse(shown), 'the document shows the sample')
  await doc.run(t, 'The file')
  await doc.run(t, 'Both serve')
  await doc.run(t, 'One of them dies')
  doc.ends(t)
})

test('several gateways that share the work', async t => {
  const it = await scene(t)
  await withPool(t, it)
  const doc = it.open('shared-work.md')
  const ask = async (cookie?: string) => {
    const headers = { host: 'team.example.com', ...(cookie !== undefined && { cookie }) }
    const answer = await request(String(it.program.url.web), { headers })
    await answer.body.dump()
    return { by: answer.headers['x-served-by'], cookie: String(answer.headers['set-cookie'] ?? '').split(';')[0] }
  }
  await doc.run(t, 'Make the pool')
  const by = new Set<unknown>()
  for (let n = 0; n < 50; n++) by.add((await ask()).by)
  t.strictSame(by, new Set(['home', 'ds918']))
  await doc.run(t, 'Keep a client with its member')
  const first = await ask()
  for (let n = 0; n < 10; n++) t.equal((await ask(first.cookie)).by, first.by, 'the cookie keeps it there')
  await doc.run(t, 'When nobody is left')
  doc.ends(t)
})
