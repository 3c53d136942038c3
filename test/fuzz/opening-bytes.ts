/**
 * Random beginnings of TCP connections: a PROXY header, a ClientHello, both, valid, bent or damaged. The same dice make the same bytes.
 */
import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import { crc32c } from '../../src/traffic/proxy-protocol/crc32c.ts'
import { records } from '../support/client-hello.ts'
import type { Dice } from '../support/dice.ts'

const one = <T>(dice: Dice, list: readonly T[]): T => list[dice.int(list.length)] as T
/** Nearly always one that is right. */
const mostly = <T>(dice: Dice, right: readonly T[], wrong: readonly T[]): T =>
  one(dice, dice.maybe(0.93) ? right : wrong)

const V4 = ['192.0.2.1', '0.0.0.0', '255.255.255.255', '127.0.0.1', '10.1.2.3']
const V6 = [
  '2001:db8::1',
  '::',
  '::1',
  'fe80::1',
  '::ffff:192.0.2.1',
  '::192.0.2.1',
  '64:ff9b::192.0.2.33',
  'FF02::FB',
  '1:2:3:4:5:6:7:8',
]
const NO_ADDRESS = [
  '192.0.2',
  '192.0.2.01',
  '192.0.2.256',
  '0x7f.1',
  '1.2.3.4.5',
  'fe80::1%lo',
  '1::2::3',
  ':::',
  'localhost',
  '',
]
const PORTS = ['0', '1', '80', '65535']
const NO_PORTS = ['65536', '00', '-1', '+1', '1e3', '1.0', '', '99999999']
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

export function randomProxyHeader(dice: Dice): Buffer {
  return dice.maybe(0.5) ? randomV1(dice) : randomV2(dice)
}

function randomV1(dice: Dice): Buffer {
  const end = mostly(dice, ['\r\n'], ['\n', '\r', '', ' \r\n', '\r\r\n'])
  const family = mostly(dice, ['TCP4', 'TCP6', 'UNKNOWN'], ['TCP5', 'tcp4', 'UDP4', 'TCP', ''])
  if (family === 'UNKNOWN') return Buffer.from(`PROXY UNKNOWN${'x'.repeat(dice.maybe(0.3) ? dice.int(120) : 0)}${end}`)
  const addresses = family === 'TCP4' ? V4 : V6
  const parts = [
    mostly(dice, addresses, [...NO_ADDRESS, ...V4, ...V6]),
    mostly(dice, addresses, [...NO_ADDRESS, ...V4, ...V6]),
    mostly(dice, PORTS, NO_PORTS),
    mostly(dice, PORTS, NO_PORTS),
  ]
  if (dice.maybe(0.04)) parts.push('more')
  const separator = mostly(dice, [' '], ['  ', '\t'])
  return Buffer.from(`PROXY ${[family, ...parts].join(separator)}${end}`, 'latin1')
}

function randomV2(dice: Dice): Buffer {
  const command = mostly(dice, [0x20, 0x21, 0x21, 0x21], [0x22, 0x11, 0x31, dice.int(256)])
  const family = mostly(dice, [0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32], [0x10, 0x01, 0x13, 0x41, dice.int(256)])
  const size = [0, 12, 36, 216][family >> 4] ?? 0
  const block = randomBytes(dice, mostly(dice, [size], [dice.int(40)]))
  const fields = Array.from({ length: dice.int(4) }, () =>
    field(one(dice, [1, 2, 4, 5, 0x20, 0xea]), randomBytes(dice, dice.int(30))),
  )
  const isSummed = dice.maybe(0.3)
  const at = 16 + block.length + fields.reduce((sum, { length }) => sum + length, 0) + 3
  if (isSummed) fields.push(field(3, Buffer.alloc(mostly(dice, [4], [0, 3, 5]))))
  const body = Buffer.concat([block, ...fields])
  const length = Buffer.alloc(2)
  length.writeUInt16BE(mostly(dice, [body.length], [dice.int(5000), Math.max(0, body.length - 1), body.length + 1]))
  const header = Buffer.concat([SIGNATURE, Buffer.of(command, family), length, body])
  if (isSummed && dice.maybe(0.8) && header.length >= at + 4)
    header.writeUInt32BE(crc32c(header, 0, header.length, at), at)
  return header
}

const field = (type: number, value: Buffer) =>
  Buffer.concat([Buffer.of(type, value.length >> 8, value.length & 255), value])

function randomBytes(dice: Dice, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => dice.int(256)))
}

/** ClientHellos of a real client, made once: by name and by what it offers. */
export async function realHellos(): Promise<readonly Buffer[]> {
  const hellos: Buffer[] = []
  for (const servername of [undefined, 'one.example', 'A.Long-Name.of.several_labels.example.org'])
    for (const ALPNProtocols of [[], ['h2', 'http/1.1'], ['x']])
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
        hellos.push(await helloOf({ ...(servername === undefined ? {} : { servername }), ALPNProtocols, maxVersion }))
  return hellos
}

async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const [near, far] = duplexPair()
  const client = connect({ socket: near, rejectUnauthorized: false, ...options })
  client.on('error', () => undefined)
  const [bytes] = (await once(far, 'data')) as [Buffer]
  client.destroy()
  far.destroy()
  return bytes
}

/** One of `hellos`, perhaps in several records. */
export function randomHello(dice: Dice, hellos: readonly Buffer[]): Buffer {
  const record = one(dice, hellos)
  if (dice.maybe(0.6)) return record
  const message = record.subarray(5)
  const cuts = Array.from({ length: 1 + dice.int(4) }, () => 1 + dice.int(message.length - 1)).sort((a, b) => a - b)
  const places = [0, ...new Set(cuts), message.length]
  return records(places.slice(1).map((to, i) => message.subarray(places[i], to)))
}

/** Up to three things that can go wrong with bytes. */
export function damagedBytes(dice: Dice, bytes: Buffer): Buffer {
  let result: Buffer = Buffer.from(bytes)
  for (let left = 1 + dice.int(3); left > 0 && result.length > 0; left--) {
    // More is decided at the beginning.
    const at = dice.int(dice.maybe(0.5) ? Math.min(result.length, 80) : result.length)
    switch (dice.int(5)) {
      case 0:
        result[at] = dice.int(256)
        break
      case 1:
        result[at] = ((result[at] as number) ^ (1 << dice.int(8))) & 255
        break
      case 2:
        result = result.subarray(0, at)
        break
      case 3:
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + dice.int(4))])
        break
      default:
        result = Buffer.concat([result.subarray(0, at), randomBytes(dice, 1 + dice.int(4)), result.subarray(at)])
    }
  }
  return result
}
