import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import type { Event, Fact } from '../src/core/events.ts'
import { createState } from '../src/state.ts'
import { define, livenessOf, START, up, worldOf } from './support/world.ts'

const gateways = ['a', 'b'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const definitions = define({ gateways, pools: [{ name: 'p', members: ['a', 'b'] }] })

function open() {
  const errors: unknown[] = []
  const state = createState({
    world: worldOf(definitions, { records: { a: up, b: up } }),
    cluster: 'home',
    replica: 'r1',
    boot: 'x',
    onError: error => errors.push(error),
  })
  return { state, errors }
}

const fail = (gateway: string): Event => ({
  kind: 'outcome',
  upstream: { key: `p/${gateway}/127.0.0.1:8080`, pool: 'p', gateway },
  route: 'r',
  result: 'reset',
  at: START,
})
const down = { state: 'down', since: START } as const
const fact = (id: string): Fact => ({
  kind: 'gateway_down',
  at: START,
  subject: 'a',
  cause: 'stale',
  id,
  cluster: 'home',
})
const committed = (facts: readonly Fact[]): Event => ({
  kind: 'committed',
  documents: { liveness: { revision: 2, value: livenessOf({ a: down, b: up }) } },
  facts,
  at: START,
})

test('apply swaps the one snapshot at once; what changes nothing keeps it', t => {
  const { state } = open()
  const before = state.snapshot
  state.apply({ ...fail('a'), kind: 'outcome', result: 'ok' } as Event)
  t.equal(state.snapshot, before)
  state.apply(fail('a'))
  t.not(state.snapshot, before)
  t.equal(state.snapshot.pools, before.pools)
  t.end()
})

test('facts come after the step, in order: those of a commit, then those of this replica with its own ids', async t => {
  const { state } = open()
  const heard: string[] = []
  state.onFact(({ id, kind, replica }) => heard.push(`${id} ${kind}${replica === undefined ? '' : ` by ${replica}`}`))
  for (let i = 0; i < 3; i++) state.apply(fail('b'))
  state.apply(committed([fact('2-0')]))
  t.strictSame(heard, [], 'not within the step')
  await turn()
  t.strictSame(heard, [
    'r1-x-1 member_ejected by r1',
    '2-0 gateway_down',
    // The commit did not know that b was ejected here meanwhile: what this replica sees of it, it tells by itself.
    'r1-x-2 pool_failover_activated by r1',
  ])
})

test('a listener that throws is reported, and breaks neither apply nor the others', async t => {
  const { state, errors } = open()
  const heard: string[] = []
  state.onFact(() => {
    throw new Error('broken')
  })
  state.onFact(({ id }) => heard.push(id))
  state.onChange(() => {
    throw new Error('also broken')
  })
  state.onChange(() => heard.push('changed'))
  t.doesNotThrow(() => state.apply(committed([fact('2-0'), fact('2-1')])))
  await turn()
  t.strictSame(heard, ['2-0', '2-1', 'r1-x-1', 'changed'])
  t.equal(errors.length, 4)
  state.apply(fail('b'))
  await turn()
  t.equal(heard.at(-1), 'changed', 'and it goes on')
})

test('a listener may apply: its step comes after the one that it hears of', async t => {
  const { state } = open()
  const heard: string[] = []
  const stop = state.onFact(({ id, kind }) => {
    heard.push(`${id} ${kind}`)
    if (kind !== 'gateway_down') return
    for (let i = 0; i < 3; i++) state.apply(fail('b'))
  })
  state.onFact(({ kind }) => heard.push(kind))
  state.apply(committed([fact('2-0')]))
  await turn()
  t.strictSame(heard, [
    '2-0 gateway_down',
    'gateway_down',
    'r1-x-1 pool_failover_activated',
    'pool_failover_activated',
    'r1-x-2 pool_outage_started',
    'pool_outage_started',
  ])
  stop()
  state.apply(committed([fact('2-1')]))
  await turn()
  t.equal(heard.at(-1), 'gateway_down', 'who stopped listening hears nothing')
  t.notOk(heard.includes('2-1 gateway_down'))
})

test('onChange comes once for all steps of a turn, after their facts, and never for nothing', async t => {
  const { state } = open()
  const calls: string[] = []
  state.onFact(() => calls.push('fact'))
  const stop = state.onChange(() => calls.push(`changed, ${state.snapshot.world.sight.observing_since - START}`))
  state.apply({ kind: 'observing', at: START + 1 })
  state.apply({ kind: 'observing', at: START + 2 })
  state.apply(committed([fact('2-0')]))
  await turn()
  t.strictSame(calls.slice(-2), ['fact', 'changed, 2'])
  t.equal(calls.filter(call => call.startsWith('changed')).length, 1)
  const before = calls.length
  state.apply({ kind: 'tick', at: START })
  await turn()
  t.equal(calls.length, before)
  stop()
  state.apply({ kind: 'observing', at: START + 3 })
  await turn()
  t.equal(calls.length, before)
})

test('facts that come faster than they are taken are dropped from the oldest on, and counted', async t => {
  const { state } = open()
  const heard: string[] = []
  state.onFact(({ id }) => heard.push(id))
  for (let i = 0; i < 12; i++) {
    state.apply({ ...committed(Array.from({ length: 1_000 }, (_, n) => fact(`${i}-${n}`))), documents: {} } as Event)
  }
  t.equal(state.dropped, 2_000)
  await turn()
  t.equal(heard.length, 10_000)
  t.equal(heard[0], '2-0')
  t.equal(heard.at(-1), '11-999')
})

test('facts of a replica are unique by its name and its start', async t => {
  const ids = new Set<string>()
  for (const boot of ['x', 'y']) {
    const state = createState({
      world: worldOf(definitions, { records: { a: up, b: up } }),
      cluster: 'home',
      replica: 'r1',
      boot,
      onError: () => {},
    })
    state.onFact(({ id, cluster }) => ids.add(`${cluster} ${id}`))
    for (let i = 0; i < 3; i++) state.apply(fail('a'))
    await turn()
  }
  t.strictSame([...ids], ['home r1-x-1', 'home r1-x-2', 'home r1-y-1', 'home r1-y-2'])
})
