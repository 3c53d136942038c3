/**
 * Members are killed and come back under steady load, and no request is lost. All parts are real: gatepool and its gateways are processes
 * of their own, and a member dies by SIGKILL.
 */
import { type Test, test } from 'tap'
import { type SampleGateway, startGateway } from '../../src/demo/gateways.ts'
import { load } from '../support/cannon.ts'
import { OWN_HOST } from '../support/own-host.ts'
import { ADMIN_TOKEN, type Program, runProgram } from '../support/program.ts'

type Mode = 'failover' | 'load_balancing'
type Liveness = 'heartbeat' | 'assumed'

const config = (mode: Mode, liveness: Liveness, [a, b, c]: readonly SampleGateway[]) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
settings: { gateway_down_threshold: 2s }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
gateways:
  - { name: a, address: ${OWN_HOST}, http_port: ${a?.port}, liveness: ${liveness} }
  - { name: b, address: ${OWN_HOST}, http_port: ${b?.port}, liveness: ${liveness} }
  - { name: c, address: ${OWN_HOST}, http_port: ${c?.port}, liveness: ${liveness} }
pools:
  - name: main
    mode: ${mode}
    failback_cooldown: 1s
    members: [a, b, c]
    passive: { ejection: 300ms, max_ejection: 300ms }
routes:
  - { name: all, target: { pool: main } }
`

/** Three gateways and the program in front of them; all members are ready. */
async function scene(t: Test, mode: Mode, liveness: Liveness) {
  const start = async (name: string) => {
    const gateway = await startGateway(name, ADMIN_TOKEN, OWN_HOST)
    t.teardown(() => gateway[Symbol.asyncDispose]())
    return gateway
  }
  const [a, b, c] = await Promise.all([start('a'), start('b'), start('c')])
  const program = await runProgram(t, config(mode, liveness, [a, b, c]))
  if (liveness === 'heartbeat') {
    for (const gateway of [a, b, c]) gateway.beatAt(String(program.url.admin))
    for (const { name } of [a, b, c]) await program.fact('first_alive', name)
  }
  return { a, b, c, program, web: String(program.url.web) }
}

/** Who answers `count` requests, one after the other. */
async function servers(url: string, count: number): Promise<Set<string | null>> {
  const seen = new Set<string | null>()
  for (let i = 0; i < count; i++) {
    const answer = await fetch(url)
    await answer.text()
    seen.add(answer.headers.get('x-served-by'))
  }
  return seen
}

/** Kills a gateway and waits until the program knows, by its requests and, if the gateway beats, by its silence. */
async function kill(gateway: SampleGateway, program: Program, liveness: Liveness): Promise<void> {
  gateway.kill()
  await program.fact('member_ejected', gateway.name)
  if (liveness === 'heartbeat') await program.fact('gateway_down', gateway.name)
}

async function revive(gateway: SampleGateway, program: Program, liveness: Liveness): Promise<void> {
  await gateway.revive()
  // One that beats went down, which ended its ejection.
  await program.fact(liveness === 'heartbeat' ? 'gateway_alive' : 'member_returned', gateway.name)
}

for (const liveness of ['heartbeat', 'assumed'] as const) {
  test(`failover, liveness ${liveness}: the serving member, then its stand-in, die and return`, async t => {
    const { a, b, c, program, web } = await scene(t, 'failover', liveness)
    t.strictSame(await servers(web, 3), new Set(['a']))
    const flow = await load(t, web)
    await kill(a, program, liveness)
    t.match(await program.fact('pool_failover_activated', 'main'), { from: 'a', to: 'b' })
    await kill(b, program, liveness)
    t.match(await program.fact('pool_failover_activated', 'main'), { from: 'b', to: 'c' })
    t.strictSame(await servers(web, 3), new Set(['c']))
    await Promise.all([revive(a, program, liveness), revive(b, program, liveness)])
    t.match(await program.fact('pool_failover_restored', 'main'), { to: 'a' })
    await flow.endsWithoutLoss()
    t.strictSame(await servers(web, 3), new Set(['a']))
    t.ok(c.pid)
  })

  test(`load_balancing, liveness ${liveness}: one member, then another, die and return`, async t => {
    const { a, b, program, web } = await scene(t, 'load_balancing', liveness)
    t.strictSame(await servers(web, 3), new Set(['a', 'b', 'c']))
    const flow = await load(t, web)
    await kill(a, program, liveness)
    await kill(b, program, liveness)
    t.strictSame(await servers(web, 3), new Set(['c']))
    await Promise.all([revive(a, program, liveness), revive(b, program, liveness)])
    await flow.endsWithoutLoss()
    // They start slowly: at first one request of twelve each.
    t.strictSame(await servers(web, 24), new Set(['a', 'b', 'c']))
  })
}
