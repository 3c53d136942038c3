import { test } from 'tap'
import { withoutRedis } from '../support/redis.ts'
import { seed } from '../support/seed.ts'
import { writeAtRandom } from '../support/shared-writes.ts'

test(`admins on three replicas while Redis comes and goes: what they were told is true (seed ${seed})`, {
  skip: withoutRedis(),
}, async t => {
  const tally = await writeAtRandom(t, 500, seed)
  t.comment(JSON.stringify(tally))
  t.ok(tally.done > 50, 'something was done')
})
