/** Writes the PROXY protocol header (HAProxy's proxy-protocol.txt) that tells an upstream who the client is. */
import ipaddr from 'ipaddr.js'
import { type Endpoint, V2_FIXED, V2_SIGNATURE } from './read.ts'

/** The header for a client at `source` that came in at `destination`; `version` as the pool or route says. */
export function proxyHeader(
  version: 'v1' | 'v2',
  transport: 'stream' | 'datagram',
  source: Endpoint,
  destination: Endpoint,
): Buffer {
  // Both addresses are of one family: where one of them is IPv6, the other is written as such.
  const family = source.address.includes(':') || destination.address.includes(':') ? 6 : 4
  if (version === 'v2') return v2(transport, family, source, destination)
  const text = (address: string) => (family === 6 && !address.includes(':') ? `::ffff:${address}` : address)
  const addresses = `${text(source.address)} ${text(destination.address)}`
  return Buffer.from(`PROXY TCP${family} ${addresses} ${source.port} ${destination.port}\r\n`, 'latin1')
}

function v2(transport: 'stream' | 'datagram', family: 4 | 6, source: Endpoint, destination: Endpoint): Buffer {
  const size = family === 4 ? 4 : 16
  const header = Buffer.alloc(V2_FIXED + 2 * size + 4)
  V2_SIGNATURE.copy(header)
  header[12] = 0x21
  header[13] = (family === 4 ? 0x10 : 0x20) | (transport === 'stream' ? 1 : 2)
  header.writeUInt16BE(2 * size + 4, 14)
  header.set(bytesOf(source.address, family), V2_FIXED)
  header.set(bytesOf(destination.address, family), V2_FIXED + size)
  header.writeUInt16BE(source.port, V2_FIXED + 2 * size)
  header.writeUInt16BE(destination.port, V2_FIXED + 2 * size + 2)
  return header
}

function bytesOf(text: string, family: 4 | 6): readonly number[] {
  const address = ipaddr.parse(text)
  if (family === 6 && address instanceof ipaddr.IPv4) return address.toIPv4MappedAddress().toByteArray()
  return address.toByteArray()
}
