/** What one of three replicas ejects the others hear, and what they make of it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { startRedis, withoutRedis } from '../support/redis.ts'
import {
  beatFor,
  isReady,
  type ReplicaOptions,
  serving,
  startGateway,
  startReplica,
  type TestReplica,
} from '../support/replicas.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()

interface Member {
  readonly ready: boolean
  readonly state: string
  readonly counters: readonly { readonly max_fails: number; readonly hint: { readonly replica: string } | null }[]
}

/** Gateways `home` and `nas` behind three replicas. `home` drops every connection on which it is asked for one of `deaf`. */
async function stage(t: Test, options: (name: string) => Partial<ReplicaOptions> = () => ({})) {
  const deaf = new Set<string>()
  const home = createServer((request, response) => {
    if (deaf.has(request.url ?? '')) request.socket.destroy()
    else response.end('home')
  }).listen(0, '127.0.0.1')
  await once(home, 'listening')
  t.teardown(() => home.close().closeAllConnections())
  const ports = { home: (home.address() as AddressInfo).port, nas: await startGateway(t, 'nas') }
  const redis = await startRedis(t)
  const replicas = await Promise.all(
    ['a', 'b', 'c'].map(name => startReplica(t, { name, url: redis.url, ports, ...options(name) })),
  )
  beatFor(t, replicas, ['home', 'nas'])
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  const [a, b, c] = replicas as [TestReplica, TestReplica, TestReplica]
  return { deaf, a, b, c }
}

/** Who answers; requests of each replica ask for a path of its own. */
async function ask({ name, program }: TestReplica): Promise<string> {
  return await (await fetch(`${program.url.web}/${name}`, { signal: AbortSignal.timeout(20_000) })).text()
}

const why = async (replica: TestReplica) =>
  (await (await replica.ask('GET', '/gateway-pools/main/members/home/why')).json()) as Member

const hinted = (replica: TestReplica) => () => why(replica).then(({ counters }) => counters[0]?.hint?.replica === 'a')

test('what one replica ejects the others hear at once, and eject after one failure of their own', { skip }, async t => {
  const { deaf, a, b, c } = await stage(t)
  for (const { name } of [a, b, c]) deaf.add(`/${name}`)
  for (let n = 0; n < 3; n++) t.equal(await ask(a), 'nas', 'another one answers')
  t.match(await a.program.fact('member_ejected', 'home'), { cause: 'closed' })
  const took = await Promise.all([b, c].map(replica => until(`${replica.name} has heard of it`, hinted(replica))))
  t.comment(`heard after ${took.map(Math.round)} ms`)
  t.ok(Math.max(...took) < 1_000, 'within a second')
  t.match(await why(b), { ready: true, counters: [{ max_fails: 1 }] }, 'a hint alone moves nothing')
  t.equal(await ask(b), 'nas')
  await b.program.fact('member_ejected', 'home')
  t.equal((await why(b)).state, 'ejected')
  t.match(await why(c), { ready: true }, 'c was not asked for anything, and has ejected nobody')
})

test('a replica that alone cannot reach a member takes it from nobody else', { skip }, async t => {
  const { deaf, a, b, c } = await stage(t)
  deaf.add('/a')
  for (let n = 0; n < 3; n++) await ask(a)
  await a.program.fact('member_ejected', 'home')
  for (const replica of [b, c]) await until(`${replica.name} has heard of it`, hinted(replica))
  for (let n = 0; n < 50; n++) for (const replica of [b, c]) t.equal(await ask(replica), 'home')
  for (const replica of [b, c]) t.match(await why(replica), { ready: true, state: 'up' })
  t.equal(await ask(a), 'nas')
  t.equal((await why(a)).state, 'ejected')
})

test('what the checks of one replica find ejects there; what those of a majority find is so for all', {
  skip,
}, async t => {
  // From a file of its own each checks a path of its own.
  const { deaf, a, b, c } = await stage(t, name => ({
    definitions: 'file',
    liveness: 'probe',
    active: `{ kind: http, path: /${name}, interval: 1s, fast_interval: 200ms, timeout: 500ms, fall: 2, rise: 2 }`,
  }))
  deaf.add('/a')
  t.match(await a.program.fact('member_ejected', 'home'), { cause: 'probe' })
  t.equal(await ask(a), 'nas')
  for (const replica of [b, c]) t.equal(await serving(replica), 'home', 'it is taken from nobody else')
  deaf.add('/b')
  const took = await until('all three know', async () => {
    const states = await Promise.all([a, b, c].map(why))
    return states.every(({ state }) => state === 'down')
  })
  t.comment(`after ${Math.round(took)} ms`)
  for (const replica of [a, b, c]) t.equal(await serving(replica), 'nas')
  deaf.clear()
  await until('it is back for all', async () => {
    const names = await Promise.all([a, b, c].map(serving))
    return names.every(name => name === 'home')
  })
})
