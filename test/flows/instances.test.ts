/**
 * Instances of one gateway, each where it says that it is. They are processes of their own, and one dies by SIGKILL.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { load } from '../support/cannon.ts'
import { ADMIN_TOKEN, type Program, runProgram } from '../support/program.ts'

const PROCESS = join(import.meta.dirname, '../support/instance-process.ts')

const config = (standby: number, more = '') => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
settings: { gateway_down_threshold: 1s, address_ranges: [ 127.0.0.0/8 ] }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
gateways:
  - { name: fleet, address: from_heartbeat, liveness: heartbeat${more} }
  - { name: standby, address: 127.0.0.1, http_port: ${standby} }
pools:
  - { name: main, failback_cooldown: 1s, members: [fleet, standby] }
routes:
  - { name: all, target: { pool: main } }
`

/** A gateway that counts what reaches it. */
async function startStandby(t: Test): Promise<{ readonly port: number; readonly served: () => number }> {
  let served = 0
  const server = createServer((_, response) => {
    served++
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, served: () => served }
}

function startInstance(t: Test, program: Program, instance: string): ChildProcess {
  const env = { INSTANCE: instance, BEATS: `${program.url.admin}/api/v1/gateways/fleet/heartbeat`, TOKEN: ADMIN_TOKEN }
  const child = fork(PROCESS, { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  return child
}

/** How many of `count` requests each instance answers. */
async function shares(url: string, count: number): Promise<Record<string, number>> {
  const seen: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const answer = await fetch(url)
    await answer.text()
    const by = answer.headers.get('x-served-by') ?? 'standby'
    seen[by] = (seen[by] ?? 0) + 1
  }
  return seen
}

const asAdmin = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }

test('kill -9 of one of three instances moves its share to its siblings, not to the standby', async t => {
  const standby = await startStandby(t)
  const program = await runProgram(t, config(standby.port))
  const web = String(program.url.web)
  const [one] = ['one', 'two', 'three'].map(name => startInstance(t, program, name))
  for (let i = 0; i < 3; i++) await program.fact('instance_joined', 'fleet')
  t.strictSame(await shares(web, 6), { one: 2, three: 2, two: 2 })

  const flow = await load(t, web)
  const before = standby.served()
  one?.kill('SIGKILL')
  t.match(await program.fact('instance_left', 'fleet'), { instance: 'one', cause: 'stale' })
  await flow.endsWithoutLoss()
  t.strictSame(await shares(web, 6), { three: 3, two: 3 })
  t.equal(standby.served(), before, 'the standby was not asked')

  const listed = await fetch(`${program.url.admin}/api/v1/gateways/fleet/instances`, { headers: asAdmin })
  t.match(await listed.json(), { items: [{ instance: 'three', out_of: [] }, { instance: 'two' }] })
})

test('the third instance of a gateway that may have two is refused, until there is room', async t => {
  const standby = await startStandby(t)
  const program = await runProgram(t, config(standby.port, ', max_instances: 2'))
  const api = `${program.url.admin}/api/v1/gateways/fleet`
  const beat = (instance: string, http_port: number) =>
    fetch(`${api}/heartbeat`, {
      method: 'POST',
      headers: asAdmin,
      body: JSON.stringify({ instance, state: 'ready', address: '127.0.0.1', http_port }),
    })
  const one = startInstance(t, program, 'one')
  startInstance(t, program, 'two')
  for (let i = 0; i < 2; i++) await program.fact('instance_joined', 'fleet')
  for (let i = 0; i < 3; i++) {
    const third = await beat('three', standby.port)
    t.equal(third.status, 409)
    t.match(await third.json(), { code: 'max_instances_reached', instances: ['one', 'two'] })
  }
  t.match(await program.fact('instance_refused', 'fleet'), { instance: 'three' })
  t.strictSame(await shares(String(program.url.web), 4), { one: 2, two: 2 })
  await t.rejects(program.fact('instance_refused', 'fleet', 50), /no fact instance_refused/, 'it is told once')

  const events = await fetch(`${program.url.admin}/api/v1/events?kind=instance_refused`, { headers: asAdmin })
  t.equal(((await events.json()) as { items: unknown[] }).items.length, 1)
  const ended = once(one, 'exit')
  one.kill('SIGKILL')
  await ended
  const { authorization } = asAdmin
  const forgotten = await fetch(`${api}/instances/one`, { method: 'DELETE', headers: { authorization } })
  t.equal(forgotten.status, 204)
  t.equal((await beat('three', standby.port)).status, 200)
})
