/**
 * A webhook's receiver is away, and gatepool is killed while it has something to tell: everything is told at least once, in order, and what
 * is told twice has the same id. Signatures are verified by somebody else's implementation of the standard.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook as Verifier } from 'standardwebhooks'
import { test } from 'tap'
import { folder } from '../support/launch.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'
import { until } from '../support/raw-peer.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes here').toString('base64')}`

const CONFIG = `
version: 1
definitions: store
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
gateways: [{ name: a, address: 127.0.0.1 }]
`

test('a webhook whose receiver is away is told everything in order, though gatepool is killed meanwhile', async t => {
  const asked: string[] = []
  const taken: string[] = []
  /** What the receiver does: refuse, take, or take and never say so. */
  let does: 'refuses' | 'takes' | 'keeps still' = 'refuses'
  const server = createServer((request, response) => {
    void text(request).then(body => {
      const headers = request.headers as Record<string, string>
      const { data } = new Verifier(SECRET).verify(body, headers) as { data: { kind: string } }
      const told = `${headers['webhook-id']} ${data.kind}`
      asked.push(told)
      if (does === 'refuses') response.writeHead(500).end()
      else taken.push(told)
      if (does === 'takes') response.writeHead(204).end()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`

  const home = folder(t)
  let program = await runProgram(t, CONFIG, home)
  const ask = async (method: string, path: string, body?: object) => {
    const authorization = `Bearer ${ADMIN_TOKEN}`
    const sent = { headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) }
    const init = { method, ...(body === undefined ? { headers: { authorization } } : sent) }
    const answer = await fetch(`${program.url.admin}/api/v1${path}`, init)
    t.ok(answer.ok, `${method} ${path}: ${await answer.text()}`)
  }
  const drain = () => ask('POST', '/gateways/a/drain', {})
  const resume = () => ask('DELETE', '/gateways/a/drain')
  const dieAndStart = async () => {
    program.signal('SIGKILL')
    t.match(await program.ended, { signal: 'SIGKILL' })
    program = await runProgram(t, CONFIG, home)
  }

  const kinds = ['member_held', 'member_released']
  await ask('POST', '/webhooks', { name: 'chat', url, secret: SECRET, kinds, allow_private: true })
  await drain()
  await until(() => asked.length > 0, 'the receiver was asked, and refused')
  await resume()
  await dieAndStart()
  await until(() => asked.length > 1, 'it is asked again')
  does = 'takes'
  await until(() => taken.length === 2, 'it takes both')
  t.strictSame([...new Set(asked)], taken, 'what was refused before has the same id')
  t.match(taken, [/ member_held$/, / member_released$/])

  does = 'keeps still'
  await drain()
  await until(() => taken.length === 3, 'it has taken a third, and did not say so')
  const [first = '', second = '', third = ''] = taken
  const before = taken.length
  await dieAndStart()
  does = 'takes'
  await resume()
  await until(() => new Set(taken).size === 4, 'it is told the fourth')
  const fourth = taken.at(-1)
  // Where it has got to is not saved at once, so that more than the third may come again: with the same ids, and still in order.
  const again = taken.slice(before)
  t.strictSame(again, [first, second, third, fourth].slice(-again.length))
  t.ok(again.includes(third), 'what was not known to be taken comes again')
})
