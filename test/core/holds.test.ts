import { test } from 'tap'
import { NO_BEATS } from '../../src/core/beats.ts'
import { expire, type HoldsMoved, heldBy, hold, holdsOf, nextExpiry, release } from '../../src/core/holds.ts'
import type { HeardBeats, Hold } from '../../src/core/nouns.ts'
import { EMPTY } from '../../src/core/store.ts'
import { beatsOf, drained } from '../support/world.ts'

const none: HoldsMoved = { holds: EMPTY.holds, facts: [] }
const of = (instance: string, more: Partial<Hold> = {}): Hold => ({
  reason: 'shutdown',
  holder: instance,
  instance,
  since: 1,
  ...more,
})
const beating = (...instances: string[]): HeardBeats =>
  beatsOf({ home: Object.fromEntries(instances.map(name => [name, { at: 1, said: { state: 'ready' } }])) })
const kinds = ({ facts }: HoldsMoved) =>
  facts.map(fact => ('holder' in fact ? `${fact.kind} ${fact.holder}` : fact.kind))

test('a hold is told once, however often it is renewed', t => {
  const first = hold(none, 'home', drained, 5)
  t.strictSame(kinds(first), ['member_held ops'])
  t.equal(hold(first, 'home', { ...drained, since: 99 }, 6), first, 'a renewal that says nothing new changes nothing')
  const noted = hold(first, 'home', { ...drained, since: 99, note: 'disk' }, 7)
  t.strictSame(holdsOf(noted.holds, 'home'), [{ ...drained, note: 'disk' }], 'it goes on since its beginning')
  t.strictSame(kinds(noted), ['member_held ops'])
  t.end()
})

test('holds are kept apart by reason, holder and instance', t => {
  let moved = hold(none, 'home', drained, 1)
  moved = hold(moved, 'home', { ...drained, reason: 'maintenance' }, 1)
  moved = hold(moved, 'home', { ...drained, holder: 'other' }, 1)
  moved = hold(moved, 'home', { ...drained, instance: 'one' }, 1)
  t.equal(holdsOf(moved.holds, 'home').length, 4)
  const lifted = release(moved, 'home', one => one.holder === 'ops', 2)
  t.strictSame(
    holdsOf(lifted.holds, 'home').map(({ holder }) => holder),
    ['other'],
  )
  t.equal(kinds(lifted).filter(kind => kind.startsWith('member_released')).length, 3)
  t.equal(
    release(lifted, 'home', () => false, 3),
    lifted,
  )
  t.strictSame(release(lifted, 'home', () => true, 3).holds, EMPTY.holds, 'nothing is left behind')
  t.end()
})

test('ever new names of instances do not push out what an operator holds', t => {
  let moved = hold(none, 'home', { ...drained, instance: 'one' }, 1)
  for (let n = 0; n < 100; n++) moved = hold(moved, 'home', of(`agent-${n}`), 2)
  const held = holdsOf(moved.holds, 'home')
  t.match([held[0], held.at(-1), held.length], [{ holder: 'ops', instance: 'one' }, { holder: 'agent-99' }, 64])
  t.end()
})

test('a hold runs out at its moment, and the next one is known', t => {
  const moved = hold(hold(none, 'home', { ...drained, until: 10 }, 1), 'nas', { ...drained, until: 20 }, 1)
  t.equal(nextExpiry(moved.holds), 10)
  t.equal(expire(moved, 9), moved)
  const later = expire(moved, 10)
  t.strictSame(Object.keys(later.holds.gateways), ['nas'])
  t.equal(nextExpiry(later.holds), 20)
  t.equal(nextExpiry(none.holds), Number.POSITIVE_INFINITY)
  t.end()
})

test('a hold on the gateway holds it; holds on instances only while each that beats is held', t => {
  const { holds } = hold(none, 'home', of('one'), 1)
  t.match(heldBy(holds, beating('one'), 'home'), { holder: 'one' })
  t.equal(heldBy(holds, beating('one', 'two'), 'home'), null)
  t.match(heldBy(hold({ holds, facts: [] }, 'home', of('two'), 1).holds, beating('one', 'two'), 'home'), {})
  t.match(heldBy(hold({ holds, facts: [] }, 'home', drained, 1).holds, beating('one', 'two'), 'home'), drained)
  t.equal(heldBy(holds, beating('one'), 'nas'), null)
  t.end()
})

test('before any beat is heard an instance hold holds the gateway, unless another instance was serving beside it', t => {
  t.match(heldBy(hold(none, 'home', of('one'), 1).holds, NO_BEATS, 'home'), { holder: 'one' })
  const shared = hold(none, 'home', of('one', { shared: true }), 1)
  t.equal(heldBy(shared.holds, NO_BEATS, 'home'), null)
  t.match(heldBy(hold(shared, 'home', of('two'), 1).holds, NO_BEATS, 'home'), { holder: 'two' })
  t.end()
})

test('instances that come under ever new names do not fill the document, nor push out an administrator', t => {
  let moved = hold(none, 'home', drained, 1)
  for (let i = 0; i < 100; i++) moved = hold(moved, 'home', of(`boot-${i}`), i)
  const held = holdsOf(moved.holds, 'home')
  t.equal(held.length, 65)
  t.match(held[0], drained)
  t.equal(held.at(-1)?.holder, 'boot-99')
  t.equal(held[1]?.holder, 'boot-36')
  t.equal(kinds(moved).filter(kind => kind.startsWith('member_released')).length, 36, 'each that went is told')
  t.end()
})

test('a gateway may be called constructor', t => {
  t.strictSame(holdsOf(none.holds, 'constructor'), [])
  t.equal(heldBy(none.holds, NO_BEATS, 'constructor'), null)
  const moved = hold(none, 'constructor', drained, 1)
  t.match(heldBy(moved.holds, NO_BEATS, 'constructor'), drained)
  t.end()
})
