import fc from 'fast-check'
import { test } from 'tap'
import { z } from 'zod'
import {
  addressRange,
  cooldown,
  duration,
  formatDuration,
  formatSize,
  host,
  hostPort,
  listenAddress,
  parseDuration,
  parseSize,
  percent,
  presets,
  size,
} from '../../src/config/units.ts'

const accepts = (schema: z.ZodType, value: unknown): boolean => schema.safeParse(value).success

test('durations are ms; a bare number is seconds', t => {
  const cases: [string | number, number][] = [
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    ['1.1s', 1100],
    ['90', 90_000],
    [90, 90_000],
    [0.25, 250],
    [0, 0],
  ]
  for (const [written, ms] of cases) t.equal(duration().parse(written), ms, String(written))
  for (const wrong of [
    '',
    's',
    '5 m',
    '-5s',
    '5M',
    '1h30m',
    '0.5ms',
    '1e3s',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    true,
    null,
    [],
  ]) {
    t.notOk(accepts(duration(), wrong), String(wrong))
  }
  t.notOk(accepts(duration({ min: 1000 }), '999ms'))
  t.ok(accepts(duration({ min: 1000 }), '1s'))
  t.notOk(accepts(duration(), '366d'))
  t.end()
})

test('a cooldown may be the name of a preset', t => {
  for (const [name, ms] of Object.entries(presets)) t.equal(cooldown.parse(name), ms)
  t.equal(cooldown.parse('5m'), 300_000)
  t.notOk(accepts(cooldown, 'toString'), 'a word that every object knows is no preset')
  t.equal(z.encode(cooldown, presets.nas), '15m')
  t.end()
})

test('sizes are bytes', t => {
  const cases: [string | number, number][] = [
    ['64KiB', 65_536],
    ['1.5MiB', 1_572_864],
    ['2GiB', 2 ** 31],
    ['240B', 240],
    ['240', 240],
    [240, 240],
  ]
  for (const [written, bytes] of cases) t.equal(size().parse(written), bytes, String(written))
  for (const wrong of ['64kb', '64KB', '0.3B', '-1B', '2048GiB', '', {}]) t.notOk(accepts(size(), wrong), String(wrong))
  t.end()
})

test('the written form is the shortest whole one', t => {
  t.strictSame([0, 250, 1500, 90_000, 900_000, 3_600_000, 172_800_000].map(formatDuration), [
    '0s',
    '250ms',
    '1500ms',
    '90s',
    '15m',
    '1h',
    '2d',
  ])
  t.strictSame([0, 240, 1024, 1500, 65_536, 2 ** 30].map(formatSize), ['0B', '240B', '1KiB', '1500B', '64KiB', '1GiB'])
  t.end()
})

test('what is written parses to what it was written from', t => {
  const ms = fc.oneof(
    fc.integer({ min: 0, max: 365 * 86_400_000 }),
    fc.integer({ min: 0, max: 8760 }).map(hours => hours * 3_600_000),
  )
  fc.assert(fc.property(ms, value => parseDuration(formatDuration(value)) === value))
  fc.assert(fc.property(ms, value => z.decode(cooldown, z.encode(cooldown, value)) === value))
  fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 40 }), value => parseSize(formatSize(value)) === value))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), value => z.decode(percent, z.encode(percent, value)) === value),
  )
  const anywhere = fc.record({
    host: fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().filter(text => accepts(z.ipv6(), text)),
    ),
    port: fc.integer({ min: 0, max: 65_535 }),
  })
  fc.assert(
    fc.property(anywhere, where => {
      const lower = { host: where.host.toLowerCase(), port: where.port }
      const read = z.decode(listenAddress, z.encode(listenAddress, lower))
      return read.host === lower.host && read.port === lower.port
    }),
  )
  t.pass('1000 of each, no counterexample')
  t.end()
})

test('addresses to listen on have a port, and brackets around IPv6', t => {
  t.strictSame(listenAddress.parse('127.0.0.1:8080'), { host: '127.0.0.1', port: 8080 })
  t.strictSame(listenAddress.parse('[::]:8443'), { host: '::', port: 8443 })
  t.strictSame(listenAddress.parse('LocalHost.:0'), { host: 'localhost', port: 0 })
  for (const wrong of [
    '127.0.0.1',
    ':8080',
    '::1:80',
    '[::1]',
    '[1.2.3.4]:80',
    'a:65536',
    'a:-1',
    'a:1:2',
    '1.2.3:80',
    'a b:80',
    8080,
  ]) {
    t.notOk(accepts(listenAddress, wrong), String(wrong))
  }
  t.notOk(accepts(hostPort, 'nas.lan:0'), 'nobody can be dialled at port 0')
  t.ok(accepts(hostPort, '[fd00::1]:443'))
  t.end()
})

test('hosts compare lower-case, without final dot and brackets', t => {
  t.equal(host.parse('NAS.Lan.'), 'nas.lan')
  t.equal(host.parse('[FD00::1]'), 'fd00::1')
  t.equal(host.parse('my_service'), 'my_service')
  const wrong = [
    '',
    '.',
    'a..b',
    '-a',
    'a-',
    'a b',
    'nas.lan:80',
    'http://a',
    '*.a',
    '1.2.3',
    '300.1.1.1',
    '0x7f.1',
    'ä.de',
    `${'a'.repeat(64)}.de`,
  ]
  for (const text of wrong) t.notOk(accepts(host, text), text)
  t.end()
})

test('ranges of addresses are CIDR, of either family', t => {
  for (const range of ['10.0.0.0/8', 'fc00::/7', '192.168.1.5', '::1']) t.ok(accepts(addressRange, range), range)
  for (const wrong of ['10.0.0.0/33', '10.0.0/8', 'fc00::/129', 'nas.lan', '10.0.0.0/-1', ''])
    t.notOk(accepts(addressRange, wrong), wrong)
  t.end()
})
