import { type Test, test } from 'tap'
import { realClock } from '../src/clock.ts'
import { handClock } from './support/hand-clock.ts'

test('the real clock tells wall time in whole ms and never goes back', t => {
  const clock = realClock()
  const first = clock.now()
  t.ok(Number.isInteger(first))
  t.ok(Math.abs(first - Date.now()) < 1000)
  let last = first
  for (let i = 0; i < 10_000; i++) {
    const now = clock.now()
    if (now < last) t.fail(`went back from ${last} to ${now}`)
    last = now
  }
  t.end()
})

test('after runs once, every runs until it is disposed', async t => {
  stayAwake(t)
  const clock = realClock()
  let ticks = 0
  await new Promise<void>(resolve => {
    const ticking = clock.every(1, () => {
      ticks++
      if (ticks < 3) return
      ticking[Symbol.dispose]()
      resolve()
    })
  })
  let ran = false
  const cancelled = clock.after(1, () => {
    ran = true
  })
  cancelled[Symbol.dispose]()
  await new Promise<void>(resolve => clock.after(5, resolve))
  t.equal(ran, false, 'a disposed timer does not run')
  t.equal(ticks, 3)
})

test('a delay that is too long for one timer does not fire at once', async t => {
  stayAwake(t)
  const clock = realClock()
  let fired = false
  const long = clock.after(2 ** 40, () => {
    fired = true
  })
  await new Promise<void>(resolve => clock.after(5, resolve))
  long[Symbol.dispose]()
  t.equal(fired, false)
})

test('the hand clock runs what is due in order, each at its own moment', t => {
  const clock = handClock(0)
  const seen: string[] = []
  const note = (name: string) => () => void seen.push(`${name}@${clock.now()}`)
  clock.after(30, note('c'))
  clock.after(10, () => {
    note('a')()
    clock.after(5, note('nested'))
  })
  clock.after(30, note('d'))
  const cancelled = clock.after(20, note('never'))
  cancelled[Symbol.dispose]()
  const ticking = clock.every(12, note('tick'))
  clock.advance(30)
  ticking[Symbol.dispose]()
  t.strictSame(seen, ['a@10', 'tick@12', 'nested@15', 'tick@24', 'c@30', 'd@30'])
  t.equal(clock.now(), 30)
  t.equal(clock.waiting, 0)
  clock.advance(1000)
  t.equal(seen.length, 6)
  t.throws(() => clock.every(0, () => {}), RangeError)
  t.end()
})

/** The clock's timers do not keep a process alive, and in this test nothing else does. */
function stayAwake(t: Test): void {
  const awake = setInterval(() => {}, 50)
  t.teardown(() => clearInterval(awake))
}
