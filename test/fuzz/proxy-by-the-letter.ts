/**
 * The PROXY header once more, slowly and by the letter of proxy-protocol.txt and of what we say of it: a second opinion on our reader, with
 * nothing in common with it.
 */
import { isIPv4, isIPv6 } from 'node:net'

export type Verdict =
  | { readonly kind: 'more' | 'malformed' }
  | { readonly kind: 'local'; readonly length: number }
  | { readonly kind: 'proxied'; readonly length: number; readonly source: string; readonly destination: string }

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n'

export function readByTheLetter(bytes: Buffer): Verdict {
  const text = bytes.toString('latin1')
  if (SIGNATURE.startsWith(text) || 'PROXY '.startsWith(text)) return { kind: 'more' }
  if (text.startsWith(SIGNATURE)) return version2(bytes)
  return text.startsWith('PROXY ') ? version1(text) : { kind: 'malformed' }
}

function version1(text: string): Verdict {
  const line = /^[^\n]*\n/.exec(text.slice(0, 107))?.[0]
  if (line === undefined) return { kind: text.length < 107 ? 'more' : 'malformed' }
  const { length } = line
  if (/^PROXY UNKNOWN( [^\n]*)?\r\n$/.test(line)) return { kind: 'local', length }
  const [, family, from = '', to = '', ...ports] = /^PROXY TCP([46]) (\S+) (\S+) (\d+) (\d+)\r\n$/.exec(line) ?? []
  const isOfFamily = (address: string) => (family === '4' ? isIPv4(address) : isIPv6(address) && !address.includes('%'))
  const isPort = (port: string) => String(Number(port)) === port && Number(port) < 65_536
  if (family === undefined || !isOfFamily(from) || !isOfFamily(to) || !ports.every(isPort)) return { kind: 'malformed' }
  const [fromPort, toPort] = ports
  return { kind: 'proxied', length, source: `${oneForm(from)} ${fromPort}`, destination: `${oneForm(to)} ${toPort}` }
}

function version2(bytes: Buffer): Verdict {
  if (bytes.length < 16) return { kind: 'more' }
  const [command = 0, second = 0] = bytes.subarray(12)
  const family = second >> 4
  const transport = second % 16
  const length = 16 + bytes.readUInt16BE(14)
  const isLocal = command === 0x20
  if (!isLocal && command !== 0x21) return { kind: 'malformed' }
  if (length > 4096 || (!isLocal && (family > 3 || transport > 2))) return { kind: 'malformed' }
  if (bytes.length < length) return { kind: 'more' }
  if (isLocal) return { kind: 'local', length }
  const header = bytes.subarray(0, length)
  const block = [0, 12, 36, 216][family] as number
  if (16 + block > length || !areFields(header, 16 + block)) return { kind: 'malformed' }
  if (transport === 0 || family === 0 || family === 3) return { kind: 'local', length }
  const size = family === 1 ? 4 : 16
  const address = (at: number) =>
    size === 4
      ? header.subarray(at, at + 4).join('.')
      : Array.from({ length: 8 }, (_, i) => header.readUInt16BE(at + 2 * i).toString(16)).join(':')
  const end = (nth: number) => `${oneForm(address(16 + nth * size))} ${header.readUInt16BE(16 + 2 * size + 2 * nth)}`
  return { kind: 'proxied', length, source: end(0), destination: end(1) }
}

function areFields(header: Buffer, from: number): boolean {
  const sums: number[] = []
  let at = from
  while (at + 3 <= header.length) {
    const length = header.readUInt16BE(at + 1)
    if (header[at] === 3) sums.push(length === 4 ? at + 3 : Number.NaN)
    at += 3 + length
  }
  if (at !== header.length || sums.length > 1) return false
  const [sum] = sums
  if (sum === undefined) return true
  if (Number.isNaN(sum)) return false
  const blank = Buffer.from(header).fill(0, sum, sum + 4)
  return castagnoli(blank) === header.readUInt32BE(sum)
}

/** CRC32C, bit by bit. */
function castagnoli(bytes: Buffer): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  }
  return ~sum >>> 0
}

/** As URLs write it, an IPv4 address as the IPv6 one that stands for it: two addresses are the same if this is. */
export function oneForm(address: string): string {
  return new URL(`http://[${address.includes(':') ? address : `::ffff:${address}`}]`).hostname
}
