/** What becomes of traffic while Redis is not as it should be: the flows that `docs/reference/redis-faults.md` is made from. */
import { test } from 'tap'
import { broken, throughFault } from '../support/fault-story.ts'
import { withoutRedis } from '../support/redis.ts'
import { REDIS_FAULTS } from '../support/redis-faults.ts'

const skip = withoutRedis()
/** Ms: a machine may have other things to do. */
const SLACK = 1_000

for (const fault of REDIS_FAULTS)
  test(`Redis ${fault.title}: no request fails, nobody moves without cause, all of it is told once`, {
    skip,
  }, async t => {
    const report = await throughFault(t, fault)
    const { requests, lostAfter, movedAfter, checkedAfter, backAfter, agreedAfter } = report
    t.comment(JSON.stringify({ requests, lostAfter, movedAfter, checkedAfter, backAfter, agreedAfter }))
    t.strictSame(broken(report, fault, SLACK), [])
  })
