/**
 * How soon a death is known, with processes and real time: by checks, by beats, and by the first request. The exact bounds are held on a
 * hand clock (`test/core/checks.test.ts`, `test/watch/liveness.test.ts`); here a second is left for a machine that has other things to do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { type SampleGateway, startGateway } from '../../src/demo/gateways.ts'
import { OWN_HOST } from '../support/own-host.ts'
import { ADMIN_TOKEN, type Program, runProgram } from '../support/program.ts'
import { until } from '../support/until.ts'

const SECOND = 1_000
const THRESHOLD = 3 * SECOND
const CHECK = { interval: 2 * SECOND, fast_interval: 400, timeout: 1 * SECOND, fall: 3 }
const BOUND = CHECK.interval + CHECK.fall * CHECK.fast_interval + CHECK.timeout

const ms = (value: number) => `${value}ms`

const config = (liveness: string, [a, b]: readonly SampleGateway[], active: string) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
settings: { gateway_down_threshold: ${ms(THRESHOLD)} }
listeners: [{ name: web, listen: 127.0.0.1:0 }]
gateways:
  - { name: a, address: ${OWN_HOST}, http_port: ${a?.port}, liveness: ${liveness} }
  - { name: b, address: ${OWN_HOST}, http_port: ${b?.port} }
pools: [{ name: main, members: [a, b], active: [${active}] }]
routes: [{ name: all, target: { pool: main } }]
`
const ACTIVE = `{ kind: http, interval: ${ms(CHECK.interval)}, fast_interval: ${ms(CHECK.fast_interval)}, timeout: ${ms(CHECK.timeout)}, fall: ${CHECK.fall} }`

async function scene(t: Test, liveness: string, active = '') {
  const gateways = await Promise.all(['a', 'b'].map(name => startGateway(name, ADMIN_TOKEN, OWN_HOST)))
  for (const gateway of gateways) t.teardown(() => gateway[Symbol.asyncDispose]())
  const program = await runProgram(t, config(liveness, gateways, active))
  return { a: gateways[0] as SampleGateway, program }
}

async function read<T>({ url }: Program, path: string): Promise<T> {
  const answer = await fetch(`${url.admin}/${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  return (await (path === 'metrics' ? answer.text() : answer.json())) as T
}

const occurred = (fact: Readonly<Record<string, unknown>>) => Date.parse(String(fact.occurred))

/** Dies, or stands still: then connections are taken by the kernel, and nothing answers them. Answers when, ms since 1970. */
function end(t: Test, { pid = 0 }: SampleGateway, signal: 'SIGKILL' | 'SIGSTOP'): number {
  process.kill(pid, signal)
  // One that stands still hears nothing but this.
  if (signal === 'SIGSTOP') t.teardown(() => process.kill(pid, 'SIGKILL'))
  return Date.now()
}

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  for (const [liveness, kind] of [
    ['probe', 'gateway_down'],
    ['assumed', 'member_ejected'],
  ] as const) {
    test(`checks: a gateway (${liveness}) that gets ${signal} is told as ${kind} within its bound`, async t => {
      const { a, program } = await scene(t, liveness, ACTIVE)
      await until('it passed its checks', async () =>
        /health_checks_total\{[^}]*gateway="a",result="passed"\} [2-9]/.test(await read<string>(program, 'metrics')),
      )
      const died = end(t, a, signal)
      const took = occurred(await program.fact(kind, 'a', BOUND + 10 * SECOND)) - died
      t.comment(`${took} ms of ${BOUND}`)
      t.ok(took <= BOUND + SECOND, `within ${BOUND} ms: ${took}`)
      t.equal((await (await fetch(String(program.url.web))).text()).split(' ')[0], 'b')
    })
  }

  test(`beats: a gateway that gets ${signal} is down within a second of the threshold`, async t => {
    const { a, program } = await scene(t, 'heartbeat')
    a.beatAt(String(program.url.admin))
    await program.fact('first_alive', 'a')
    await sleep(THRESHOLD)
    end(t, a, signal)
    // A beat that was under way when it ended has come by then.
    await sleep(SECOND)
    const { items } = await read<{ items: { newest_beat: number }[] }>(program, 'api/v1/gateways/a/instances')
    const told = await program.fact('gateway_down', 'a', THRESHOLD + 10 * SECOND)
    const silent = occurred(told) - Number(items[0]?.newest_beat)
    t.comment(`${silent} ms after its last beat`)
    t.ok(silent >= THRESHOLD && silent <= THRESHOLD + SECOND, `after ${silent} ms`)
  })
}

test('requests: the first one after a death is answered by another member', async t => {
  const { a, program } = await scene(t, 'assumed')
  const ask = async () => {
    const answer = await fetch(String(program.url.web))
    return [answer.status, (await answer.text()).split(' ')[0]]
  }
  t.strictSame(await ask(), [200, 'a'])
  a.kill()
  await until('its port is closed', () =>
    fetch(`http://${OWN_HOST}:${a.port}`).then(
      () => false,
      () => true,
    ),
  )
  t.strictSame(await ask(), [200, 'b'])
  const errors = /upstream_errors_total\{[^}]*gateway="a"[^}]*\} (\d+)/.exec(await read<string>(program, 'metrics'))
  t.ok(Number(errors?.[1]) >= 1, 'it had been sent to the dead one')
  t.strictSame(await ask(), [200, 'b'])
})
