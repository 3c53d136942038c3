/**
 * A member that stands still, and one that dies with POSTs in its hands. All parts are real: gatepool and its upstreams are processes of their
 * own, stopped by SIGSTOP and killed by SIGKILL.
 */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { startUpstream, type Upstream } from '../soak/upstreams.ts'
import { load } from '../support/cannon.ts'
import { folder } from '../support/launch.ts'
import { runProgram } from '../support/program.ts'

/** Clients at once, each with one request under way. */
const CLIENTS = 50
/** POSTs that are answered before the member dies, and after. */
const ENOUGH = 1_000

const config = (a: Upstream, b: Upstream, passive: string) => `
version: 1
admin: { listen: 127.0.0.1:0, token: "\${GATEPOOL_ADMIN_TOKEN}" }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
gateways:
  - { name: a, address: 127.0.0.1, http_port: ${a.port} }
  - { name: b, address: 127.0.0.1, http_port: ${b.port} }
pools:
  - { name: main, failback_cooldown: 1s, members: [a, b], passive: ${passive} }
routes:
  - { name: all, target: { pool: main }, response_timeout: 2s }
`

async function upstream(t: Test, file?: string): Promise<Upstream> {
  const started = await startUpstream(file)
  t.teardown(() => started[Symbol.asyncDispose]())
  return started
}

test('the serving member stands still under load: no GET is lost', async t => {
  const [a, b] = await Promise.all([upstream(t), upstream(t)])
  const program = await runProgram(t, config(a, b, '{}'))
  const flow = await load(t, `${program.url.web}/?bytes=100`)
  a.signal('SIGSTOP')
  t.match(await program.fact('pool_failover_activated', 'main'), { from: 'a', to: 'b' })
  a.signal('SIGCONT')
  await flow.endsWithoutLoss()
})

test('it seems to be back, since it takes connections, and stands still again: no GET is lost', async t => {
  const [a, b] = await Promise.all([upstream(t), upstream(t)])
  const program = await runProgram(t, config(a, b, '{ ejection: 300ms, max_ejection: 300ms }'))
  const flow = await load(t, `${program.url.web}/?bytes=100`)
  a.signal('SIGSTOP')
  await program.fact('pool_failover_activated', 'main')
  t.match(await program.fact('pool_failover_restored', 'main'), { to: 'a' })
  t.match(await program.fact('pool_failover_activated', 'main'), { from: 'a', to: 'b' })
  a.signal('SIGCONT')
  await flow.endsWithoutLoss()
})

interface Posted {
  readonly id: string
  /** 0: no answer. */
  readonly status: number
  readonly reason: string
  /** It was sent before the member was gone. */
  readonly before: boolean
}

test('the serving member is killed under load: POSTs fail at most in its hands, each with a reason, and none arrives twice', async t => {
  const home = folder(t)
  const [a, b] = await Promise.all([upstream(t, join(home, 'a')), upstream(t, join(home, 'b'))])
  const { url } = await runProgram(t, config(a, b, '{}'))
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  t.teardown(() => agent.destroy())
  const posted: Posted[] = []
  const first = Promise.withResolvers<void>()
  let last = Number.POSITIVE_INFINITY
  let gone = false
  let next = 0

  const client = async () => {
    while (posted.length < last) {
      const id = String(next++)
      const before = !gone
      posted.push({ id, before, ...(await post(`${url.web}/?bytes=10&late=10`, id, agent)) })
      if (posted.length === ENOUGH) first.resolve()
    }
  }
  const clients = Array.from({ length: CLIENTS }, client)
  await first.promise
  const answered = posted.length
  await a.kill()
  gone = true
  // Those that were under way, and those that were sent until it was seen to be gone.
  const inItsHands = next - answered
  last = posted.length + ENOUGH
  await Promise.all(clients)

  const failed = posted.filter(({ status }) => status !== 200)
  t.comment(`${posted.length} POSTs, ${inItsHands} under way at the end of a member, ${failed.length} failed`)
  t.ok(failed.length <= inItsHands, 'no more failed than were under way')
  t.strictSame(
    failed.filter(({ before }) => !before),
    [],
    'none failed that was sent later',
  )
  t.strictSame(
    failed.filter(({ status, reason }) => ![502, 504].includes(status) || !/^gatepool; error=\w+/.test(reason)),
    [],
    'each says why',
  )
  const arrived = ['a', 'b'].flatMap(name => readFileSync(join(home, name), 'utf8').trim().split('\n'))
  t.equal(arrived.length, new Set(arrived).size, 'none arrived twice')
  const seen = new Set(arrived)
  t.strictSame(
    posted.filter(({ status, id }) => status === 200 && !seen.has(id)),
    [],
    'what was answered has arrived',
  )
})

function post(url: string, id: string, agent: Agent): Promise<Pick<Posted, 'status' | 'reason'>> {
  return new Promise(resolve => {
    const asked = request(url, { method: 'POST', agent, headers: { 'X-Id': id } }, answer => {
      answer.resume()
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, reason: String(answer.headers['proxy-status'] ?? '') }),
      )
      answer.on('error', error => resolve({ status: 0, reason: error.message }))
    })
    asked.on('error', error => resolve({ status: 0, reason: error.message }))
    asked.end(id.repeat(100))
  })
}
