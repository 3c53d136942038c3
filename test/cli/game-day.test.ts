import { on } from 'node:events'
import { type Test, test } from 'tap'
import { type SampleGateway, startGateway } from '../../src/demo/gateways.ts'
import { launch } from '../support/launch.ts'
import { OWN_HOST } from '../support/own-host.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'

/** A program with two gateways that are only assumed to be up, and one route. */
async function scene(t: Test, members = '[a, b]', more = '') {
  await using stack = new AsyncDisposableStack()
  const [a, b] = await Promise.all(
    ['a', 'b'].map(async name => stack.use(await startGateway(name, ADMIN_TOKEN, OWN_HOST))),
  )
  const gateways = stack.move()
  t.teardown(() => gateways.disposeAsync())
  const program = await runProgram(
    t,
    `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
listeners: [{ name: web, listen: 127.0.0.1:0 }]
gateways:
  - { name: a, address: ${OWN_HOST}, http_port: ${a?.port} }
  - { name: b, address: ${OWN_HOST}, http_port: ${b?.port} }
pools: [{ name: main, members: ${members}${more} }]
routes: [{ name: all, target: { pool: main } }]
`,
  )
  const env = { GATEPOOL_URL: String(program.url.admin), GATEPOOL_TOKEN: ADMIN_TOKEN }
  const holds = async () => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const answer = await fetch(`${program.url.admin}/api/v1/gateways/a`, { headers })
    return ((await answer.json()) as { holds: { until: number }[] }).holds
  }
  const run = (...args: string[]) => launch(t, ['game-day', ...args], { env })
  return { a: a as SampleGateway, program, run, holds }
}

test('a rehearsal drains a gateway, says who took over and when it was back, and leaves nothing behind', async t => {
  const { program, run, holds } = await scene(t)
  const rehearsal = run('a', '--for', '1s', '--json')
  await program.fact('pool_failover_activated', 'main')
  const served = await fetch(String(program.url.web))
  t.equal(served.headers.get('x-served-by'), 'b')
  await served.text()
  const [hold] = await holds()
  t.ok(hold && hold.until > Date.now(), 'the hold ends by itself')
  const { code, out, err } = await rehearsal.ended
  t.equal(code, 0, err)
  t.match(JSON.parse(out), {
    gateway: 'a',
    passed: true,
    unseen: 0,
    pools: [{ pool: 'main', was: ['a'], taken_over_by: ['b'], health: 'yellow', errors: 0, back_after: Number }],
  })
  t.strictSame(await holds(), [])
  t.match(await run('a', '--for', '1s').ended, {
    code: 0,
    out: /^main: b took over from a after \d+ ms; health yellow; nothing failed; back after \d+ ms\n$/,
  })
  t.match(await run('b', '--for', '1s').ended, { code: 0, out: 'b served no pool\n' })
})

test('Ctrl-C puts the gateway back before the time', async t => {
  const { program, run, holds } = await scene(t)
  const rehearsal = run('a', '--for', '10m')
  await program.fact('pool_failover_activated', 'main')
  rehearsal.child.kill('SIGINT')
  t.match(await rehearsal.ended, { out: /^main: b took over/, err: /a is put back/, signal: null })
  t.strictSame(await holds(), [])
})

test('what would leave nobody needs a word, and what is held is not rehearsed', async t => {
  const { run, holds } = await scene(t, '[a]')
  t.match(await run('a', '--for', '1s').ended, { code: 2, err: /nobody would be left to serve main/ })
  t.strictSame(await holds(), [])
  t.match(await run('a', '--for', '1s', '--yes').ended, { code: 1, out: /^main: had nobody left; health red/ })
  t.strictSame(await holds(), [])
  t.match(await run('nobody').ended, { code: 3 })
})

test('what somebody breaks and mends by hand is watched, and not held', async t => {
  const { a, program, run, holds } = await scene(t, '[a, b]', ', failback_cooldown: 0, passive: { ejection: 300ms }')
  const rehearsal = run('a', '--fail', '--for', '2m', '--json')
  const says = async (what: RegExp) => {
    const signal = AbortSignal.timeout(30_000)
    for await (const [text] of on(rehearsal.child.stderr ?? rehearsal.child, 'data', { signal }))
      if (what.test(text)) return
  }
  await says(/break a now/)
  a.kill()
  const noticed = says(/main is served by b: mend a/)
  const ejected = program.fact('member_ejected', 'a', 30_000)
  for (let i = 0; i < 3; i++) t.equal((await fetch(String(program.url.web))).headers.get('x-served-by'), 'b')
  await Promise.all([ejected, noticed])
  t.strictSame(await holds(), [])
  await a.revive()
  const { code, out, err } = await rehearsal.ended
  t.equal(code, 0, err)
  const [pool] = JSON.parse(out).pools
  t.match(pool, { pool: 'main', was: ['a'], taken_over_by: ['b'], errors: 0, back_after: Number })
  t.ok(pool.back_after > pool.taken_over_after)
})
