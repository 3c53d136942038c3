import { test } from 'tap'
import { compileAdmission, inRanges, isLoopback, plainAddress } from '../../src/traffic/address.ts'

test('addresses are written the same way on every listener', t => {
  t.equal(plainAddress('192.0.2.1'), '192.0.2.1')
  t.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(plainAddress('2001:db8::1'), '2001:db8::1')
  t.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
  t.equal(plainAddress('::ffff:1'), '::ffff:1')
  t.end()
})

test('ranges of both families; none hold nobody', t => {
  const inside = inRanges(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'])
  for (const address of ['10.1.2.3', '2001:db8::7', '192.0.2.7']) t.ok(inside(address), address)
  for (const address of ['11.0.0.1', '2001:db9::7', '192.0.2.8', '::1']) t.notOk(inside(address), address)
  t.notOk(inRanges([])('10.0.0.1'))
  t.strictSame(['127.0.0.1', '127.9.9.9', '::1', '128.0.0.1', '::2'].map(isLoopback), [true, true, true, false, false])
  t.end()
})

test('denied goes before allowed', t => {
  t.equal(compileAdmission({}), null)
  const both = compileAdmission({ allow: ['10.0.0.0/8'], deny: ['10.9.0.0/16'] })
  t.strictSame(
    ['10.1.1.1', '10.9.1.1', '11.1.1.1'].map(one => both?.(one)),
    [true, false, false],
  )
  const denied = compileAdmission({ deny: ['10.9.0.0/16'] })
  t.strictSame(
    ['10.1.1.1', '10.9.1.1'].map(one => denied?.(one)),
    [true, false],
  )
  t.end()
})
