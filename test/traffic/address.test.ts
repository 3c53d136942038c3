import { test } from 'tap'
import { compileAdmission, inRanges, isLoopback, networkOf, plainAddress } from '../../src/traffic/address.ts'
import { PerAddress } from '../../src/traffic/per-address.ts'

test('addresses are written the same way on every listener', t => {
  t.equal(plainAddress('192.0.2.1'), '192.0.2.1')
  t.equal(plainAddress('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(plainAddress('2001:db8::1'), '2001:db8::1')
  t.equal(plainAddress('fe80::1%eth0'), 'fe80::1')
  t.equal(plainAddress('::ffff:1'), '::ffff:1')
  t.end()
})

test('an IPv6 network of 64 bits is one client, an IPv4 address is another', t => {
  const networks = {
    '192.0.2.1': '192.0.2.1',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2',
    '2001:db8:1:2::9': '2001:db8:1:2',
    '2001:db8::9': '2001:db8:0:0',
    '2001::1:2:3:4:5': '2001:0:0:1',
    '::1': '0:0:0:0',
    '::': '0:0:0:0',
    '1::': '1:0:0:0',
    '::2:3:4:5:6:7:8': '0:2:3:4',
    '64:ff9b::192.0.2.1': '64:ff9b:0:0',
  }
  for (const [address, network] of Object.entries(networks)) t.equal(networkOf(address), network, address)
  const counts = new PerAddress()
  for (const address of ['2001:db8::1', '2001:db8::2', '192.0.2.1', '192.0.2.2']) counts.add(address)
  t.strictSame(
    ['2001:db8::3', '2001:db8:1::3', '192.0.2.1', '192.0.2.3'].map(one => counts.of(one)),
    [2, 0, 1, 0],
  )
  counts.remove('2001:db8::1')
  counts.remove('192.0.2.1')
  t.strictSame(
    ['2001:db8::1', '192.0.2.1', '192.0.2.2'].map(one => counts.of(one)),
    [1, 0, 1],
  )
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
