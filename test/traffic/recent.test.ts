import { test } from 'tap'
import { Recent } from '../../src/traffic/recent.ts'

test('counts what happened within the last seconds, and nothing older', t => {
  const recent = new Recent()
  t.strictSame(recent.until(5, 2), { requests: 5, failures: 2 }, 'before the first sample everything counts')
  for (let second = 1; second <= 10; second++) recent.sample(second * 10, second, 3)
  t.strictSame(recent.until(105, 11), { requests: 25, failures: 3 })
  recent.sample(110, 11, 1)
  t.strictSame(recent.until(111, 12), { requests: 1, failures: 1 }, 'a shorter while holds at once')
  t.end()
})
