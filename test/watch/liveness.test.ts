/** What time alone moves, by the room that watches the clock: a real store and the two real doors, on a clock moved by hand. */
import { setImmediate } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { beatInterval } from '../../src/core/evaluate.ts'
import type { Fact } from '../../src/core/events.ts'
import { EMPTY } from '../../src/core/store.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState } from '../../src/state.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { watchLiveness } from '../../src/watch/liveness.ts'
import { createDice } from '../support/dice.ts'
import { handClock } from '../support/hand-clock.ts'
import { seed } from '../support/seed.ts'
import { define, worldOf } from '../support/world.ts'

const SECOND = 1_000
/** Ms. */
const STEP = 50

async function watching(t: Test, threshold: number, cooldown: number) {
  const clock = handClock()
  const definitions = define({
    settings: { gateway_down_threshold: `${threshold}ms` },
    gateways: [
      { name: 'a', address: '10.0.0.1', liveness: 'heartbeat' },
      { name: 'b', address: '10.0.0.2' },
    ],
    pools: [{ name: 'p', members: ['a', 'b'], failback_cooldown: `${cooldown}ms` }],
  })
  const store = await openEmbeddedStore({ path: ':memory:', cluster: 'test', clock })
  await store.write({ expect: {}, documents: { ...EMPTY, definitions }, facts: [], at: clock.now(), by: 'test' })
  const world = { ...worldOf(definitions, { sight: { observing_since: clock.now() } }), ...(await store.read()) }
  const onError = (error: unknown) => t.fail(String(error))
  const state = createState({ world, cluster: 'test', replica: 'one', boot: 'b', onError })
  const ledger = createLedger({ state, store, definitions: 'store' })
  const facts: Fact[] = []
  state.onFact(fact => facts.push(fact))
  const liveness = watchLiveness({ state, ledger, store, clock })
  t.teardown(async () => {
    liveness[Symbol.dispose]()
    await store[Symbol.asyncDispose]()
  })
  return {
    clock,
    state,
    beat: () => liveness.hear('a', 'a-1', { state: 'ready' }),
    /** When a fact of this kind was told last. */
    told: (kind: Fact['kind']) => facts.findLast(fact => fact.kind === kind)?.at ?? Number.NaN,
    /** Time passes, and whatever comes due is seen to. */
    async pass(ms: number) {
      // In small steps: what falls due within one of them is committed only after it.
      for (let left = ms; left > 0; left -= STEP) {
        clock.advance(Math.min(STEP, left))
        await setImmediate()
      }
    },
  }
}

for (const threshold of [1 * SECOND, 30 * SECOND, 90 * SECOND, 600 * SECOND]) {
  test(`threshold ${threshold / SECOND} s: silence is noticed within a second of it, and the way back ends as exactly`, async t => {
    const dice = createDice(seed)
    const cooldown = 3 * threshold + dice.int(60 * SECOND)
    const it = await watching(t, threshold, cooldown)
    await it.beat()
    await it.pass(dice.int(threshold / 2))
    await it.beat()
    const last = it.clock.now()
    await it.pass(threshold - 20)
    t.equal(it.state.snapshot.pools.p?.members[0]?.state, 'up', 'not before')
    await it.pass(SECOND + 20)
    t.equal(it.state.snapshot.pools.p?.plan.choices[0]?.gateway, 'b')
    const noticed = it.told('gateway_down') - last - threshold
    t.ok(noticed >= 0 && noticed <= SECOND, `seed ${seed}: noticed after ${noticed} ms`)
    t.equal(it.told('pool_failover_activated'), it.told('gateway_down'))

    await it.beat()
    const back = it.clock.now()
    t.equal(it.told('down_to_cooldown'), back)
    while (it.clock.now() < back + cooldown + SECOND) {
      await it.pass(beatInterval(threshold))
      await it.beat()
    }
    const late = it.told('pool_failover_restored') - back - cooldown
    t.ok(late >= 0 && late <= SECOND, `seed ${seed}: back ${late} ms after its cooldown`)
    t.equal(it.state.snapshot.pools.p?.plan.choices[0]?.gateway, 'a')
  })
}

test('a beat that may have waited through a long pause brings nobody back; the next one does', async t => {
  const it = await watching(t, 2 * SECOND, SECOND)
  await it.beat()
  await it.pass(3 * SECOND)
  t.ok(it.told('gateway_down'))
  it.clock.jump(60 * SECOND)
  t.match(await it.beat(), { interval: beatInterval(2 * SECOND) })
  t.notOk(it.told('down_to_cooldown'), 'it may be as old as the pause')
  await it.pass(SECOND)
  await it.beat()
  t.equal(it.told('down_to_cooldown'), it.clock.now())
})

test('a pause shorter than the threshold puts no beat in doubt', async t => {
  const it = await watching(t, 30 * SECOND, SECOND)
  await it.beat()
  await it.pass(31 * SECOND)
  t.ok(it.told('gateway_down'))
  it.clock.jump(10 * SECOND)
  await it.beat()
  t.equal(it.told('down_to_cooldown'), it.clock.now())
})
