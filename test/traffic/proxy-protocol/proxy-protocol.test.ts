import { test } from 'tap'
import { crc32c } from '../../../src/traffic/proxy-protocol/crc32c.ts'
import { type Endpoint, type ProxyReading, readProxyHeader } from '../../../src/traffic/proxy-protocol/read.ts'
import { proxyHeader } from '../../../src/traffic/proxy-protocol/write.ts'
import { createDice } from '../../support/dice.ts'
import { seed } from '../../support/seed.ts'

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n'
const read = (text: string | Buffer) => readProxyHeader(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)

/** A header of version 2 with any first bytes, addresses and fields. */
function v2(versionAndCommand: number, family: number, rest: readonly number[] = [], length = rest.length): Buffer {
  return Buffer.concat([
    Buffer.from(SIGNATURE, 'latin1'),
    Buffer.from([versionAndCommand, family, length >> 8, length & 255, ...rest]),
  ])
}

const V4 = [192, 0, 2, 1, 198, 51, 100, 7, 0x11, 0xd7, 0x01, 0xbb]
const V6 = [
  0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 9,
  0, 8,
]
const field = (type: number, ...value: readonly number[]) => [type, value.length >> 8, value.length & 255, ...value]

/** The same header with a right sum behind it. */
function summed(header: Buffer): Buffer {
  const longer = Buffer.concat([header, Buffer.from(field(3, 0, 0, 0, 0))])
  longer.writeUInt16BE(longer.length - 16, 14)
  longer.writeUInt32BE(crc32c(longer, 0, longer.length, longer.length - 4), longer.length - 4)
  return longer
}

test('CRC32C as in RFC 3720 appendix B.4', t => {
  const sum = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length)
  t.equal(sum(Buffer.from('123456789')), 0xe3069283)
  t.equal(sum(new Uint8Array(32)), 0x8a9136aa)
  t.equal(sum(new Uint8Array(32).fill(255)), 0x62a8ab43)
  t.equal(sum(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
  const [blank, filled] = ['\0\0\0\0', '\xff\xff\xff\xff'].map(four => Buffer.from(`1234${four}789`, 'latin1'))
  t.equal(crc32c(filled ?? new Uint8Array(), 0, 11, 4), sum(blank ?? new Uint8Array()))
  t.end()
})

test('version 1: both families, and a proxy that knows nobody', t => {
  t.match(read('PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\r\nhello'), {
    kind: 'proxied',
    length: 44,
    source: { address: '192.0.2.1', port: 4567 },
    destination: { address: '198.51.100.7', port: 443 },
  })
  t.match(read('PROXY TCP6 2001:DB8:0:0::1 ::ffff:192.0.2.1 0 65535\r\n'), {
    source: { address: '2001:db8::1', port: 0 },
    destination: { address: '192.0.2.1', port: 65_535 },
  })
  t.match(read('PROXY TCP6 ::192.0.2.1 0::192.0.2.1 1 2\r\n'), {
    source: { address: '::c000:201', port: 1 },
    destination: { address: '::c000:201', port: 2 },
  })
  t.strictSame(read('PROXY UNKNOWN\r\n'), { kind: 'local', length: 15 })
  t.strictSame(read('PROXY UNKNOWN ffff::ffff whatever 1 2\r\nrest'), { kind: 'local', length: 39 })
  const longest = `PROXY UNKNOWN ${'f'.repeat(91)}\r\n`
  t.strictSame(read(longest), { kind: 'local', length: 107 })
  t.end()
})

test('version 1 that is not exactly right is malformed', t => {
  const wrong = [
    'GET / HTTP/1.1\r\n',
    'PROXY  TCP4 192.0.2.1 198.51.100.7 4567 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 4567 443 \r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 4567 443 1\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 4567\r\n',
    'PROXY TCP4 192.0.2.1  198.51.100.7 4567 443\r\n',
    'PROXY TCP4 192.0.2.01 198.51.100.7 4567 443\r\n',
    'PROXY TCP4 192.0.2 198.51.100.7 4567 443\r\n',
    'PROXY TCP4 ::1 ::2 4567 443\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.7 4567 443\r\n',
    'PROXY TCP6 fe80::1%eth0 ::2 4567 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 04567 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\r\r\n\r\n',
    'PROXY tcp4 192.0.2.1 198.51.100.7 4567 443\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.7 4567 443\r\n',
    'PROXY\r\n',
    'PROXY \r\n',
    'proxy UNKNOWN\r\n',
    `PROXY UNKNOWN ${'f'.repeat(92)}\r\n`,
    `PROXY UNKNOWN ${'f'.repeat(93)}`,
  ]
  for (const text of wrong) t.match(read(text), { kind: 'malformed' }, JSON.stringify(text))
  t.end()
})

test('version 2: addresses, and everything that leaves the addresses as they are', t => {
  t.match(read(v2(0x21, 0x11, V4)), {
    kind: 'proxied',
    length: 28,
    source: { address: '192.0.2.1', port: 4567 },
    destination: { address: '198.51.100.7', port: 443 },
  })
  t.match(read(v2(0x21, 0x22, V6)), {
    source: { address: '2001:db8::1', port: 9 },
    destination: { address: '2001:db8::2', port: 8 },
  })
  const mapped = [...Array(10).fill(0), 255, 255, 192, 0, 2, 1]
  t.match(read(v2(0x21, 0x21, [...mapped, ...mapped, 0, 9, 0, 8])), { source: { address: '192.0.2.1' } })
  t.strictSame(read(v2(0x20, 0x00)), { kind: 'local', length: 16 })
  t.strictSame(read(v2(0x20, 0x11, V4)), { kind: 'local', length: 28 }, 'LOCAL, whatever it says of addresses')
  t.strictSame(read(v2(0x20, 0xff, [1, 2, 3])), { kind: 'local', length: 19 })
  t.strictSame(read(v2(0x21, 0x00)), { kind: 'local', length: 16 })
  t.strictSame(read(v2(0x21, 0x10, V4)), { kind: 'local', length: 28 })
  t.strictSame(read(v2(0x21, 0x31, Array(216).fill(0))), { kind: 'local', length: 232 }, 'a UNIX socket')
  t.end()
})

test('version 2: fields behind the addresses are walked, their sum is checked', t => {
  const header = v2(0x21, 0x11, [...V4, ...field(1, 104, 50), ...field(0xee)])
  t.match(read(header), { kind: 'proxied', length: 36 })
  const right = summed(header)
  t.match(read(right), { kind: 'proxied', length: 43 })
  for (let bit = 0; bit < right.length * 8; bit++) {
    // With another type the field is no sum any more.
    if (bit >> 3 === header.length) continue
    const flipped = Buffer.from(right)
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    const { kind } = read(flipped)
    // Whoever sends LOCAL, or says that there is more to come, says nothing that could be believed.
    if (kind !== 'malformed') t.ok(kind === 'more' || kind === 'local', `bit ${bit} makes it ${kind}`)
  }
  t.match(read(v2(0x21, 0x11, [...V4, ...field(3, 1, 2, 3)])), { kind: 'malformed' })
  t.match(read(summed(right)), { kind: 'malformed' }, 'two sums')
  t.match(read(v2(0x21, 0x11, [...V4, 1, 0])), { kind: 'malformed' })
  t.match(read(v2(0x21, 0x11, [...V4, 1, 0, 2, 0])), { kind: 'malformed' })
  t.end()
})

test('version 2 that is not exactly right is malformed, as soon as that shows', t => {
  for (const header of [
    v2(0x11, 0x11, V4),
    v2(0x22, 0x11, V4),
    v2(0x21, 0x13, V4),
    v2(0x21, 0x41, V4),
    v2(0x21, 0x11, V4.slice(1)),
    v2(0x21, 0x21, V4),
    v2(0x21, 0x31, V4),
    v2(0x21, 0x11, [], 4081),
    v2(0x20, 0x00, [], 65_535),
  ])
    t.match(read(header), { kind: 'malformed' }, header.toString('hex'))
  t.match(read(v2(0x21, 0x11, [...V4, ...field(4, ...Array(4065).fill(0))])), { kind: 'proxied', length: 4096 })
  t.end()
})

const samples: readonly Buffer[] = [
  Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\r\n'),
  Buffer.from('PROXY UNKNOWN\r\n'),
  v2(0x20, 0),
  v2(0x21, 0x11, V4),
  summed(v2(0x21, 0x21, [...V6, ...field(2, 97, 98)])),
]

test('cut at every byte there is more to come, and what follows changes nothing', t => {
  for (const header of samples) {
    const whole = readProxyHeader(header) as Extract<ProxyReading, { length: number }>
    t.equal(whole.length, header.length)
    for (let length = 0; length < header.length; length++)
      t.strictSame(readProxyHeader(header.subarray(0, length)), { kind: 'more' }, `${length} bytes`)
    for (const behind of ['x', '\r\n', SIGNATURE, 'PROXY UNKNOWN\r\n'])
      t.strictSame(readProxyHeader(Buffer.concat([header, Buffer.from(behind, 'latin1')])), whole)
  }
  t.end()
})

test('garbage is malformed or unfinished, never a crash, and never a proxied client', t => {
  t.comment(`seed ${seed}`)
  const { int } = createDice(seed)
  for (let round = 0; round < 20_000; round++) {
    const sample = samples[int(samples.length)] as Buffer
    const bytes = Buffer.from(sample.subarray(0, int(sample.length + 1)))
    // Of a signature only a beginning stays, and the rest is anything.
    const from = int(Math.min(bytes.length, 12) + 1)
    for (let i = from; i < bytes.length; i++) bytes[i] = int(256)
    const reading = readProxyHeader(bytes)
    if (reading.kind !== 'proxied') continue
    t.ok(reading.length <= bytes.length, bytes.toString('hex'))
    t.strictSame(read(bytes.subarray(0, reading.length)), reading)
  }
  t.end()
})

test('what we write is what we read', t => {
  t.comment(`seed ${seed}`)
  const { int } = createDice(seed)
  const address4 = () => Array.from({ length: 4 }, () => int(256)).join('.')
  const address6 = () => `2001:db8${Array.from({ length: 6 }, () => `:${(int(65_535) + 1).toString(16)}`).join('')}`
  const endpoint = (address: string): Endpoint => ({ address, port: int(65_536) })
  for (let round = 0; round < 200; round++) {
    const [source, destination] = [0, 0].map(() => endpoint(int(2) === 0 ? address4() : address6())) as [
      Endpoint,
      Endpoint,
    ]
    for (const version of ['v1', 'v2'] as const) {
      for (const transport of ['stream', 'datagram'] as const) {
        const header = proxyHeader(version, transport, source, destination)
        t.strictSame(readProxyHeader(header), { kind: 'proxied', length: header.length, source, destination })
        if (version === 'v2') t.equal((header[13] as number) & 15, transport === 'stream' ? 1 : 2)
      }
    }
  }
  const [from, to] = [
    { address: '192.0.2.1', port: 4567 },
    { address: '198.51.100.7', port: 443 },
  ]
  t.equal(proxyHeader('v1', 'stream', from, to).toString(), 'PROXY TCP4 192.0.2.1 198.51.100.7 4567 443\r\n')
  t.strictSame(proxyHeader('v2', 'stream', from, to), v2(0x21, 0x11, V4))
  t.equal(
    proxyHeader('v1', 'stream', from, { address: '::1', port: 1 }).toString(),
    'PROXY TCP6 ::ffff:192.0.2.1 ::1 4567 1\r\n',
  )
  t.end()
})
