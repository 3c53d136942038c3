import { test } from 'tap'
import { startGateway } from '../../src/demo/gateways.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'
import { until } from '../support/until.ts'

test('the metrics page of a program that serves', async t => {
  const gateway = await startGateway('a', ADMIN_TOKEN)
  t.teardown(() => gateway[Symbol.asyncDispose]())
  const program = await runProgram(
    t,
    `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
listeners: [{ name: web, listen: 127.0.0.1:0 }]
gateways: [{ name: a, address: 127.0.0.1, http_port: ${gateway.port} }]
pools: [{ name: main, members: [a] }]
routes: [{ name: all, target: { pool: main } }]
`,
  )
  for (let n = 0; n < 3; n++) await (await fetch(String(program.url.web))).text()
  const answer = await fetch(`${program.url.admin}/metrics`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
  const page = await answer.text()
  for (const [line, what] of [
    [/^gatepool_http_requests_total\{listener="web",route="all",pool="main",code_class="2xx"\} 3$/m, 'requests'],
    [/^# TYPE gatepool_upstream_connect_duration_seconds histogram$/m, 'a histogram'],
    [/^gatepool_upstream_connect_duration_seconds_bucket\{pool="main",le="\+Inf"\} 1$/m, 'one connection serves all'],
    [/^gatepool_upstream_connect_duration_seconds_count\{pool="main"\} 1$/m, 'how many'],
    [/^gatepool_event_loop_lag_seconds \d/m, 'the lag'],
    [/^nodejs_eventloop_lag_p99_seconds \d/m, 'the lag as prom-client names it'],
    [/^gatepool_store_up 1$/m, 'the store'],
    [/^gatepool_pool_serving\{pool="main",gateway="a"\} 1$/m, 'who serves'],
  ] as const)
    t.match(page, line, what)
})

test('what was counted under names that are no more goes with them', async t => {
  const gateway = await startGateway('a', ADMIN_TOKEN)
  t.teardown(() => gateway[Symbol.asyncDispose]())
  const config = (names: readonly string[]) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
listeners: [{ name: web, listen: 127.0.0.1:0 }]
gateways:
${names.map(name => `  - { name: g-${name}, address: 127.0.0.1, http_port: ${gateway.port}, liveness: heartbeat }`).join('\n')}
pools:
${names.map(name => `  - { name: p-${name}, members: [g-${name}], active: [{ kind: tcp, interval: 100ms }] }`).join('\n')}
routes:
${names.map(name => `  - { name: r-${name}, match: { path: /${name} }, target: { pool: p-${name} } }`).join('\n')}
`
  const program = await runProgram(t, config(['stays', 'goes']))
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  const page = async () => (await fetch(`${program.url.admin}/metrics`, { headers })).text()
  const beat = JSON.stringify({ instance: 'one', state: 'ready' })
  for (const name of ['stays', 'goes']) {
    await fetch(`${program.url.admin}/api/v1/gateways/g-${name}/heartbeat`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: beat,
    })
    await (await fetch(`${program.url.web}/${name}`)).text()
  }
  const series = async (name: string) => {
    const lines = (await page()).split('\n').filter(line => line.includes(`-${name}"`))
    return new Set(lines.map(line => line.slice(0, line.indexOf('{'))))
  }
  const counted = [
    'http_requests_total',
    'upstream_connect_duration_seconds_count',
    'heartbeats_total',
    'health_checks_total',
  ]
  const has = (found: ReadonlySet<string>) => counted.filter(name => found.has(`gatepool_${name}`))
  await until('both were checked', async () => has(await series('goes')).length === counted.length)
  program.configure(config(['stays']))
  await until('the other is gone from the page', async () => (await series('goes')).size === 0)
  t.strictSame(has(await series('stays')), counted)
})
