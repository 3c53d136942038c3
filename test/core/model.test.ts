/**
 * The core as a whole, by a model: random stories on a hand clock, through the two real doors. The invariants and their numbers are at the
 * head of `test/support/machine-oracle.ts`; `test/fuzz/machine.ts` runs the same for as long as one likes.
 */
import { test } from 'tap'
import { begin } from '../../src/core/advance.ts'
import { createModel, type Model } from '../support/machine-model.ts'
import { createOracle } from '../support/machine-oracle.ts'
import { seed } from '../support/seed.ts'
import { define, drained, START, worldOf } from '../support/world.ts'

const WORLDS = 15
const STEPS = 1_000

/** The world's last moments, when an invariant was broken in it. */
async function broken(model: Model): Promise<string | null> {
  for (let i = 0; i < STEPS; i++) {
    try {
      await model.step()
    } catch (error) {
      return `${model.trace.join('\n')}\n${error instanceof Error ? error.stack : error}`
    }
  }
  return null
}

test(`${WORLDS} random worlds, ${STEPS} steps in each: invariants 1 to 15 hold after every step`, async t => {
  for (let world = seed; world < seed + WORLDS; world++) {
    const story = await broken(await createModel(world))
    t.equal(story, null, `seed ${world}, again: GATEPOOL_TEST_SEED=${world}`)
  }
})

test('the same seed tells the same story', async t => {
  const [one, other] = [await createModel(seed), await createModel(seed)]
  for (let i = 0; i < 50; i++) {
    await one.step()
    await other.step()
  }
  t.strictSame(one.trace, other.trace)
})

test('the oracle sees what is broken: a member that is offered while it is held', t => {
  const definitions = define({
    gateways: [{ name: 'a', address: '127.0.0.1' }],
    pools: [{ name: 'p', members: ['a'] }],
  })
  const snapshot = begin(worldOf(definitions))
  const held = worldOf(definitions, { holds: { a: [drained] } })
  t.doesNotThrow(() => createOracle(START).check(snapshot, START, false))
  t.throws(() => createOracle(START).check({ ...snapshot, world: held }, START, false), { message: /invariant 1 / })
  t.end()
})
