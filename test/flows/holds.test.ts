/** A gateway is drained while a request runs on it: the request ends as if nothing were, and the drain waits for it. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'

/** A gateway that answers with its name: /slow only when it is told to. */
async function startGateway(t: Test, name: string) {
  const asked = Promise.withResolvers<ServerResponse>()
  const server = createServer((request, response) => {
    response.writeHead(200, { 'x-served-by': name })
    if (request.url !== '/slow') return void response.end(name)
    response.write('slow ')
    asked.resolve(response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked: asked.promise }
}

test('a drain waits for what runs, and sends what comes elsewhere', async t => {
  const [a, b] = await Promise.all([startGateway(t, 'a'), startGateway(t, 'b')])
  const program = await runProgram(
    t,
    `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
gateways:
  - { name: a, address: 127.0.0.1, http_port: ${a.port} }
  - { name: b, address: 127.0.0.1, http_port: ${b.port} }
pools:
  - { name: main, failback_cooldown: 1h, members: [a, b] }
routes:
  - { name: all, target: { pool: main } }
`,
  )
  const web = String(program.url.web)
  const by = async () => (await (await fetch(web)).text()) as string
  const drain = (method: string, body?: object) =>
    fetch(`${program.url.admin}/api/v1/gateways/a/drain`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
  const slow = await fetch(`${web}/slow`)
  const running = await a.asked

  t.match(await (await drain('POST', {})).json(), { in_flight: 1, warnings: [] })
  t.match(await program.fact('member_held', 'a'), { holder: 'bootstrap', cause: 'drain' })
  t.equal(await by(), 'b')
  const waiting = drain('POST', { wait: '1m' })
  let done = false
  void waiting.then(() => {
    done = true
  })
  t.equal(await by(), 'b')
  t.notOk(done, 'it still runs')
  running.end('but whole')
  t.equal(await slow.text(), 'slow but whole')
  t.match(await (await waiting).json(), { in_flight: 0 })
  t.equal((await drain('DELETE')).status, 204)
  await program.fact('member_released', 'a')
  t.equal(await by(), 'a', 'it is back at once, without its cooldown')
})
