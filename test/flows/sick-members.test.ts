/**
 * Members that are ill in ways of their own: each is ejected for its own reason, tried, and taken back when it is well; meanwhile the
 * others serve.
 */
import { test } from 'tap'
import { startPool } from '../support/engine.ts'
import { until } from '../support/raw-peer.ts'
import { answering, ok, rawUpstream, type Script } from '../support/raw-upstream.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const SERVICE_UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n'

interface Illness {
  readonly how: string
  readonly cause: string
  readonly script: (isWell: () => boolean) => Script
  readonly passive?: object
  readonly route?: object
  /** Statuses that clients may see while it is found out. */
  readonly seen: readonly number[]
}

const illnesses: readonly Illness[] = [
  {
    how: 'answers 503 to every other request',
    cause: 'ratio',
    script: isWell => async peer => {
      for (let n = 0; ; n++) {
        await peer.request()
        peer.send(n % 5 < 3 || isWell() ? (isWell() ? ok('well') : SERVICE_UNAVAILABLE) : ok('ill'))
      }
    },
    passive: { max_fails: 1000 },
    seen: [200, 503],
  },
  {
    how: 'accepts and never answers',
    cause: 'response_timeout',
    script: isWell => async peer => {
      for (;;) {
        await peer.request()
        if (isWell()) peer.send(ok('well'))
      }
    },
    route: { response_timeout: '50ms' },
    seen: [200],
  },
  {
    how: 'cuts bodies short',
    cause: 'body_cut',
    script: isWell => async peer => {
      for (;;) {
        await peer.request()
        if (isWell()) peer.send(ok('well'))
        else {
          peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')
          peer.end()
        }
      }
    },
    seen: [200],
  },
  {
    how: 'is slow',
    cause: 'slow',
    script: isWell => async peer => {
      for (;;) {
        await peer.request()
        if (!isWell()) await new Promise(resolve => setTimeout(resolve, 60))
        peer.send(ok('well'))
      }
    },
    passive: { unhealthy_latency: '40ms' },
    seen: [200],
  },
]

for (const { how, cause, script, passive = {}, route = {}, seen } of illnesses) {
  test(`a member that ${how} is ejected for that (${cause}), tried, and taken back`, async t => {
    let well = false
    await using sick = await rawUpstream(script(() => well))
    await using one = await rawUpstream(answering(ok('one')))
    await using two = await rawUpstream(answering(ok('two')))
    await using engine = await startPool([sick.port, one.port, two.port], {
      pool: { mode: 'load_balancing', passive: { max_fails: 3, ejection: '200ms', ...passive } },
      route,
      trials: true,
    })
    const causes = () => engine.facts.flatMap(fact => (fact.kind === 'member_ejected' ? [fact.cause] : []))
    const statuses = new Set<number>()
    const client = await engine.connect()
    for (let asked = 0; causes().length === 0; asked++) {
      if (asked > 500) throw new Error('it is not noticed')
      const answer = await engine.ask(GET).catch(() => null)
      if (answer !== null) statuses.add(answer.status)
    }
    client.close()
    t.strictSame(causes(), [cause])
    t.strictSame(
      [...statuses].filter(status => !seen.includes(status)),
      [],
    )

    const before = sick.received.length
    for (let n = 0; n < 20; n++) t.equal((await engine.ask(GET)).status, 200)
    t.equal(sick.received.length, before, 'the others serve')

    well = true
    await until(() => engine.facts.some(({ kind }) => kind === 'member_returned'), 'it is taken back')
    await until(() => {
      void engine.ask(GET).catch(() => undefined)
      return sick.received.length > before
    }, 'it serves again')
  })
}

test('a gateway that says that only its backend is dead is not held responsible', async t => {
  const dead = (field: string) =>
    answering(`HTTP/1.1 502 Bad Gateway\r\nProxy-Status: ${field}\r\nContent-Length: 0\r\n\r\n`)
  await using behind = await rawUpstream(dead('agent; error=connection_refused; details="nas:5001"'))
  await using itself = await rawUpstream(dead('agent; error=proxy_internal_error'))
  await using well = await rawUpstream(answering(ok('well')))
  const ask = async (port: number) => {
    await using engine = await startPool([port, well.port])
    for (let n = 0; n < 5; n++) await engine.ask(GET)
    return engine.facts.map(({ kind }) => kind)
  }
  t.strictSame(await ask(behind.port), [])
  t.match(await ask(itself.port), ['member_ejected'])
})
