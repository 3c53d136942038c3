/**
 * A webhook's receiver is down for a whole minute, and gatepool is killed within it: every event comes at least once, under one id, in
 * order for each subject, and signed as somebody else's implementation of the standard wants it.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Webhook as Verifier } from 'standardwebhooks'
import { type Test, test } from 'tap'
import { folder } from '../support/launch.ts'
import { ADMIN_TOKEN, runProgram } from '../support/program.ts'
import { until } from '../support/until.ts'

const SECOND = 1_000
const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes here').toString('base64')}`
const KINDS = ['member_held', 'member_released']
/** Ms that pauses between attempts may last once the receiver is back. */
const PATIENCE = 90 * SECOND

const CONFIG = `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
gateways:
  - { name: a, address: 127.0.0.1 }
  - { name: b, address: 127.0.0.1 }
`

interface Told {
  readonly id: string
  readonly kind: string
  readonly subject: string
}

/** Takes what is signed rightly, on one port, whenever it is up. */
function receiver(t: Test) {
  const taken: Told[] = []
  let refused = 0
  let port = 0
  let server: Server | null = null
  const stop = async () => {
    if (server === null) return
    const closed = once(server, 'close')
    server.close().closeAllConnections()
    server = null
    await closed
  }
  t.teardown(stop)
  return {
    taken,
    stop,
    get refused() {
      return refused
    },
    get url() {
      return `http://127.0.0.1:${port}/`
    },
    async start() {
      server = createServer((request, response) => {
        void text(request).then(body => {
          try {
            const headers = request.headers as Record<string, string>
            const { data } = new Verifier(SECRET).verify(body, headers) as { data: Told }
            taken.push({ id: String(headers['webhook-id']), kind: data.kind, subject: data.subject })
            response.writeHead(204).end()
          } catch {
            refused++
            response.writeHead(401).end()
          }
        })
      })
      await once(server.listen(port, '127.0.0.1'), 'listening')
      port = (server.address() as AddressInfo).port
    },
  }
}

test('a receiver is down for a minute and gatepool is killed within it: nothing is lost, nothing is out of order', async t => {
  const it = receiver(t)
  await it.start()
  const home = folder(t)
  let program = await runProgram(t, CONFIG, home)
  const ask = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${program.url.admin}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
    const said = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${said}`)
    return said === '' ? null : JSON.parse(said)
  }
  /** Each of the two is held and let go again. */
  const happen = async () => {
    for (const name of ['a', 'b']) await ask('POST', `/gateways/${name}/drain`, {})
    for (const name of ['b', 'a']) await ask('DELETE', `/gateways/${name}/drain`)
  }
  await ask('POST', '/webhooks', { name: 'chat', url: it.url, secret: SECRET, kinds: KINDS, allow_private: true })
  await happen()
  await until('the first events came', async () => it.taken.length === 4)

  await it.stop()
  const wentDown = performance.now()
  await happen()
  await sleep(20 * SECOND)
  await happen()
  program.signal('SIGKILL')
  t.match(await program.ended, { signal: 'SIGKILL' })
  program = await runProgram(t, CONFIG, home)
  await happen()
  await sleep(Math.max(0, 60 * SECOND - (performance.now() - wentDown)))
  t.equal(it.taken.length, 4, 'nothing came meanwhile')
  await it.start()
  await happen()

  const { items } = (await ask('GET', `/events?kind=${KINDS.join()}&limit=100`)) as {
    items: (Told & { cluster: string })[]
  }
  t.equal(items.length, 20)
  const expected = items.map(({ id, kind, subject, cluster }) => ({ id: `${cluster}-${id}`, kind, subject }))
  const ids = () => new Set(it.taken.map(({ id }) => id))
  await until('each of them came', async () => ids().size === expected.length, PATIENCE)
  t.equal(it.refused, 0, 'every signature was right')
  // What comes again is no news: of each, the first time counts.
  const first = it.taken.filter(({ id }, i) => it.taken.findIndex(one => one.id === id) === i)
  for (const name of ['a', 'b']) {
    const about = (list: readonly Told[]) => list.filter(({ subject }) => subject === name)
    t.strictSame(about(first), about(expected), `in order: ${name}`)
  }
  t.comment(`${it.taken.length} deliveries of ${expected.length} events`)
})
