/**
 * Runs the model of the core for as many steps as asked, a new world every now and then, and ends with exit status 1 when an invariant of
 * `test/support/machine-oracle.ts` is broken:
 *
 *     node test/fuzz/machine.ts --steps 1000000 --seed 42
 */
import { parseArgs } from 'node:util'
import { createModel } from '../support/machine-model.ts'
import { seed as drawn } from '../support/seed.ts'

/** Steps in one world: long enough for stories to unfold, short enough to see many worlds. */
const PER_WORLD = 2_000

const { values } = parseArgs({ options: { steps: { type: 'string' }, seed: { type: 'string' } } })
const steps = Number(values.steps ?? 100_000)
const seed = Number(values.seed ?? drawn)
if (!Number.isSafeInteger(steps) || steps < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: node test/fuzz/machine.ts [--steps N] [--seed N]')
  process.exit(2)
}

const startedAt = performance.now()
for (let done = 0, world = seed; done < steps; world++) {
  const model = await createModel(world)
  for (const until = Math.min(steps, done + PER_WORLD); done < until; done++) {
    try {
      await model.step()
    } catch (error) {
      console.error(model.trace.join('\n'))
      console.error(error)
      console.error(`after ${done} steps; again: node test/fuzz/machine.ts --steps ${PER_WORLD} --seed ${world}`)
      process.exit(1)
    }
  }
}
const seconds = (performance.now() - startedAt) / 1_000
console.log(`${steps} steps from seed ${seed}: no invariant broken, ${Math.round(steps / seconds)} steps/s`)
