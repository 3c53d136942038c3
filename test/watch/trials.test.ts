import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type Test, test } from 'tap'
import { realClock } from '../../src/clock.ts'
import type { Fact } from '../../src/core/events.ts'
import { createState } from '../../src/state.ts'
import { watchTrials } from '../../src/watch/trials.ts'
import { until } from '../support/until.ts'
import { define, worldOf } from '../support/world.ts'

/** Takes connections and, when it is `well`, answers what it is told. */
async function member(t: Test) {
  const it = { port: 0, well: false, taken: 0 }
  const server = createServer(socket => {
    it.taken++
    socket.on('error', () => undefined)
    socket.on('data', () => {
      if (it.well) socket.end('pong')
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  it.port = (server.address() as AddressInfo).port
  return it
}

for (const protocol of ['http', 'tcp', 'udp'] as const) {
  test(`${protocol}: whoever was ejected comes back by the active checks of its pool, not by taking a connection`, async t => {
    const sick = await member(t)
    const definitions = define({
      gateways: [
        { name: 'a', address: '127.0.0.1', ...(protocol === 'http' && { http_port: sick.port }) },
        { name: 'b', address: '127.0.0.2' },
      ],
      pools: [
        {
          name: 'p',
          mode: 'load_balancing',
          members: ['a', 'b'],
          passive: { max_fails: 1, ejection: '100ms', max_ejection: '100ms' },
          active: [{ kind: 'tcp', send: 'ping', expect: 'pong', timeout: '250ms' }],
        },
      ],
      routes: [
        protocol === 'http'
          ? { name: 'r', target: { pool: 'p' } }
          : { name: 'r', protocol, listen: '127.0.0.1:0', gateway_port: sick.port, target: { pool: 'p' } },
      ],
    })
    const clock = realClock()
    const onError = (error: unknown) => {
      throw error
    }
    const state = createState({ world: worldOf(definitions), cluster: 'test', replica: 'one', boot: 'b', onError })
    const facts: Fact[] = []
    state.onFact(fact => facts.push(fact))
    using _trials = watchTrials({ state, clock })
    const port = protocol === 'udp' ? `${sick.port}/udp` : sick.port
    const upstream = { key: `p/a/127.0.0.1:${port}`, pool: 'p', gateway: 'a' }
    state.apply({ kind: 'outcome', upstream, route: 'r', result: 'reset', at: clock.now() })
    await until('it was tried twice', async () => sick.taken >= 2)
    t.match(facts, [{ kind: 'member_ejected' }])
    t.equal(facts.length, 1)
    sick.well = true
    await until('it is back', async () => facts.length === 2)
    t.match(facts[1], { kind: 'member_returned', subject: 'a' })
  })
}
