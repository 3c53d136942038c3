import { test } from 'tap'
import { startGateway } from '../../src/demo/gateways.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'

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
    [/^gatepool_store_up 1$/m, 'the store'],
    [/^gatepool_pool_serving\{pool="main",gateway="a"\} 1$/m, 'who serves'],
  ] as const)
    t.match(page, line, what)
})
