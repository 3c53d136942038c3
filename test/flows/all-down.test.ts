/** Requests to pools that are full, or of which nobody is left. */
import { test } from 'tap'
import { startEngine, startPool } from '../support/engine.ts'
import { until } from '../support/raw-peer.ts'
import { answering, ok, rawUpstream, refusingPort } from '../support/raw-upstream.ts'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

test('a fallback pool takes over, also after a failed attempt, and the pool comes back to its own', async t => {
  await using spare = await rawUpstream(answering(ok('spare')))
  const port = await refusingPort()
  const gateway = (name: string, http_port: number) => ({ name, address: '127.0.0.1', http_port })
  await using engine = await startEngine({
    gateways: [gateway('a', port), gateway('b', spare.port)],
    pools: [
      { name: 'p', members: ['a'], on_all_down: { action: 'fallback', pool: 'q' } },
      { name: 'q', members: ['b'] },
    ],
    routes: [{ name: 'web', target: { pool: 'p' } }],
  })
  for (let n = 0; n < 5; n++) t.match(await engine.ask(GET), { status: 200, body: 'spare' })
})

for (const mode of ['failover', 'load_balancing'] as const) {
  test(`${mode}: what a full member cannot take goes to another, and with all of them full it is said at once`, async t => {
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const slow = () =>
      rawUpstream(async peer => {
        for (;;) {
          await peer.request()
          await gate
          peer.send(ok('done'))
        }
      })
    await using one = await slow()
    await using two = await slow()
    await using engine = await startPool([one.port, two.port], { pool: { mode, max_connections: 2 } })
    const waiting = Array.from({ length: 4 }, () => engine.ask(GET))
    await until(() => one.connections.length === 2 && two.connections.length === 2, 'each has its two')
    t.equal(engine.inFlight(), 4)
    const refused = await engine.ask(GET)
    t.match(refused, { status: 503 })
    t.equal(refused.field('retry-after'), '1')
    t.match(refused.field('proxy-status'), /connection_limit_reached/)
    t.strictSame(engine.facts, [], 'nothing has failed over')
    release()
    for (const answer of await Promise.all(waiting)) t.equal(answer.status, 200)
    t.equal((await engine.ask(GET)).status, 200)
  })
}

test('what a full pool cannot take goes neither to its fallback nor to whoever is not ready', async t => {
  let release = () => {}
  const gate = new Promise<void>(resolve => {
    release = resolve
  })
  await using busy = await rawUpstream(async peer => {
    await peer.request()
    await gate
    peer.send(ok('done'))
  })
  await using spare = await rawUpstream(answering(ok('spare')))
  const gateway = (name: string, http_port: number) => ({ name, address: '127.0.0.1', http_port })
  const pool = { max_connections: 1, on_all_down: { action: 'fallback' as const, pool: 'q' } }
  await using engine = await startEngine({
    gateways: [
      gateway('a', busy.port),
      gateway('b', spare.port),
      { ...gateway('unseen', spare.port), liveness: 'heartbeat' },
    ],
    pools: [
      { name: 'p', members: ['a', 'unseen'], ...pool },
      { name: 'q', members: ['b'] },
    ],
    routes: [{ name: 'web', target: { pool: 'p' } }],
  })
  const waiting = engine.ask(GET)
  await until(() => busy.connections.length === 1, 'it has the one that it takes')
  const refused = await engine.ask(GET)
  t.match(refused, { status: 503 })
  t.match(refused.field('proxy-status'), /connection_limit_reached/)
  release()
  t.equal((await waiting).status, 200)
})

test('a member that takes one request and refuses it is not full', async t => {
  await using spare = await rawUpstream(answering(ok('spare')))
  const gateway = (name: string, http_port: number) => ({ name, address: '127.0.0.1', http_port })
  const pool = { max_connections: 1, on_all_down: { action: 'fallback' as const, pool: 'q' } }
  await using engine = await startEngine({
    gateways: [gateway('a', await refusingPort()), gateway('b', spare.port)],
    pools: [
      { name: 'p', members: ['a'], ...pool },
      { name: 'q', members: ['b'] },
    ],
    routes: [{ name: 'web', target: { pool: 'p' } }],
  })
  t.match(await engine.ask(GET), { status: 200, body: 'spare' })
})
