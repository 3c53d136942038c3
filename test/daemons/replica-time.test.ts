/** Replicas whose time is not that of the others: one stands still, or their clocks are minutes apart. */
import { test } from 'tap'
import { standsStill, wrongAfterPause } from '../support/pause-story.ts'
import { withoutRedis } from '../support/redis.ts'

const skip = withoutRedis()

test('a replica that stood still undoes nothing, and takes nobody for alive by what had waited for it', {
  skip,
}, async t => {
  const report = await standsStill(t, 8_000)
  t.comment(JSON.stringify(report))
  t.strictSame(wrongAfterPause(report), [])
})
