/**
 * Admins on three replicas while Redis is stopped, killed and started, for as long as it takes to ask for so many changes; see
 * `test/support/shared-writes.ts`. Ends with exit status 1 when something that was acknowledged is lost, doubled or out of order:
 *
 *     node test/soak/shared-writes.ts --operations 10000 --seed 42
 */
import { parseArgs } from 'node:util'
import { t } from 'tap'
import { seed as drawn } from '../support/seed.ts'
import { writeAtRandom } from '../support/shared-writes.ts'

/** Ms that all of it may take, and each operation on average, faults and all. */
const PATIENCE = { start: 120_000, each: 100 }

const { values } = parseArgs({ options: { operations: { type: 'string' }, seed: { type: 'string' } } })
const operations = Number(values.operations ?? 10_000)
const seed = Number(values.seed ?? drawn)
if (!(operations > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: node test/soak/shared-writes.ts [--operations N] [--seed N]')
  process.exit(2)
}

const timeout = PATIENCE.start + operations * PATIENCE.each
t.setTimeout(timeout)
t.test(`${operations} changes (seed ${seed})`, { timeout }, async t => {
  t.comment(JSON.stringify(await writeAtRandom(t, operations, seed)))
})
