import { test } from 'tap'
import { sharedClock } from '../../../src/store/redis/shared-clock.ts'
import { handClock } from '../../support/hand-clock.ts'

const START = 1_000_000

test('it is our own clock until Redis said what time it is, and Redis is then, whichever way', async t => {
  for (const ahead of [-300_000, 0, 300_000]) {
    const clock = handClock(START)
    const time = sharedClock(clock, null)
    t.equal(time.now(), START)
    const askedAt = clock.now()
    clock.advance(10)
    time.heard(START + 5 + ahead, askedAt)
    t.equal(time.now(), START + 10 + ahead)
    t.equal(time.offset, ahead)
    clock.advance(1_000)
    t.equal(time.now(), START + 1_010 + ahead, 'it runs as ours between two answers')
  }
})

test('an answer that fits moves nothing, however slow it was; one that does not moves as little as will do', async t => {
  const clock = handClock(START)
  const time = sharedClock(clock, 0)
  clock.advance(900)
  time.heard(START + 200, START)
  t.equal(time.offset, 0)
  clock.advance(2)
  time.heard(START + 903, START + 900)
  t.equal(time.offset, 1, 'Redis answered at least 1 ms ahead')
  time.heard(START + 950, START + 900)
  t.equal(time.offset, 48, 'its clock was set forward')
})

test('it never goes back: it stands still until Redis has caught up', async t => {
  const clock = handClock(START)
  const time = sharedClock(clock, 0)
  clock.advance(1_000)
  const before = time.now()
  time.heard(before - 400, clock.now())
  t.equal(time.now(), before)
  clock.advance(399)
  t.equal(time.now(), before)
  clock.advance(2)
  t.equal(time.now(), before + 1)
})
