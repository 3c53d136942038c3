/** Checks as the program makes them: real servers, a real store, and a clock of their own. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import type { z } from 'zod'
import { realClock } from '../../src/clock.ts'
import type { definitions } from '../../src/config/definitions.ts'
import type { Fact } from '../../src/core/events.ts'
import { EMPTY } from '../../src/core/store.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState } from '../../src/state.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { watchChecks } from '../../src/watch/checks.ts'
import { watchTrials } from '../../src/watch/trials.ts'
import { until } from '../support/raw-peer.ts'
import { define, worldOf } from '../support/world.ts'

const quick = { interval: '100ms', fast_interval: '100ms', timeout: '1s', fall: 2, rise: 2 } as const

interface Server {
  readonly port: number
  status: number
  readonly asked: number
}

async function server(t: Test): Promise<Server> {
  const it = { port: 0, status: 200, asked: 0 }
  const http = createServer((_, response) => {
    it.asked++
    response.writeHead(it.status).end()
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', () => resolve()))
  t.teardown(() => {
    http.close()
    http.closeAllConnections()
  })
  it.port = (http.address() as AddressInfo).port
  return it
}

async function watching(t: Test, written: z.input<typeof definitions>) {
  const clock = realClock()
  const store = await openEmbeddedStore({ path: ':memory:', cluster: 'test', clock })
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({
    world: worldOf(define(written), { sight: { observing_since: clock.now() } }),
    cluster: 'test',
    replica: 'one',
    boot: 'b',
    onError,
  })
  // The documents in the store are those of the state: its compare-and-set has to find their revisions.
  const { definitions: value } = state.snapshot.world
  await store.write({
    expect: {},
    documents: { ...EMPTY, definitions: value.value },
    facts: [],
    at: clock.now(),
    by: 'test',
  })
  const ledger = createLedger({ state, store, definitions: 'store' })
  const facts: string[] = []
  state.onFact((fact: Fact) => facts.push(`${fact.kind} ${fact.subject}`))
  const counted = new Map<boolean, number>()
  const onResult = (_: unknown, passed: boolean) => void counted.set(passed, (counted.get(passed) ?? 0) + 1)
  const watch = watchChecks({ state, ledger, clock, random: Math.random, onResult })
  const trials = watchTrials({ state, clock })
  t.teardown(async () => {
    watch[Symbol.dispose]()
    trials[Symbol.dispose]()
    await store[Symbol.asyncDispose]()
  })
  return {
    state,
    facts,
    counted,
    watch,
    serving: () => state.snapshot.pools.p?.plan.choices[0]?.gateway,
  }
}

test('a primary whose check fails is replaced, and comes back after its cooldown', async t => {
  const a = await server(t)
  const b = await server(t)
  const it = await watching(t, {
    gateways: [
      { name: 'a', address: '127.0.0.1', http_port: a.port },
      { name: 'b', address: '127.0.0.1', http_port: b.port },
    ],
    pools: [{ name: 'p', members: ['a', 'b'], failback_cooldown: '200ms', active: [{ kind: 'http', ...quick }] }],
  })
  await until(() => a.asked > 1 && b.asked > 1, 'both are checked')
  a.status = 503
  await until(() => it.serving() === 'b', 'the standby serves')
  a.status = 200
  await until(() => it.serving() === 'a', 'the primary is back')
  t.match(it.facts, ['member_ejected a', 'pool_failover_activated p', 'member_returned a', 'pool_failover_restored p'])
  t.ok((it.counted.get(true) ?? 0) > 3 && (it.counted.get(false) ?? 0) >= 2)
})

test('a gateway that lives by probes is told first alive, down and back by what they find', async t => {
  const a = await server(t)
  const it = await watching(t, {
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: a.port, liveness: 'probe' }],
    pools: [{ name: 'p', members: ['a'], failback_cooldown: '200ms', active: [{ kind: 'http', ...quick }] }],
  })
  await until(() => it.facts.includes('first_alive a'), 'it is seen')
  a.status = 500
  await until(() => it.facts.includes('gateway_down a'), 'it is down')
  a.status = 200
  await until(() => it.facts.includes('down_to_cooldown a'), 'it returns')
  t.equal(it.state.snapshot.pools.p?.members[0]?.state, 'returning')
  t.notOk(it.facts.includes('member_ejected a'))
})

test('checks begin and end with the definitions that ask for them', async t => {
  const a = await server(t)
  const gateways = [{ name: 'a', address: '127.0.0.1', http_port: a.port }]
  const it = await watching(t, { gateways, pools: [{ name: 'p', members: ['a'] }] })
  t.equal(a.asked, 0)
  const load = (written: z.input<typeof definitions>) =>
    it.state.apply({ kind: 'loaded', definitions: define(written), changed: [], at: Date.now() })
  load({ gateways, pools: [{ name: 'p', members: ['a'], active: [{ kind: 'http', ...quick }] }] })
  await until(() => a.asked > 1, 'it is checked')
  load({ gateways, pools: [{ name: 'p', members: ['a'] }] })
  await new Promise(resolve => setImmediate(resolve))
  const before = a.asked
  const b = await server(t)
  load({
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: b.port }],
    pools: [{ name: 'p', members: ['a'], active: [{ kind: 'http', ...quick }] }],
  })
  await until(() => b.asked > 2, 'the new address is checked')
  t.ok(a.asked - before <= 1, 'and the old one no more')
})
