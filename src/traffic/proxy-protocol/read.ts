/**
 * Reads a PROXY protocol header (HAProxy's proxy-protocol.txt, versions 1 and 2): who the client of a trusted proxy is. It may come in
 * pieces; what is not exactly a header is malformed, and nothing is guessed from it.
 */
import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { crc32c } from './crc32c.ts'

/** Bytes of the longest header of version 1, its CR LF included (section 2.1). */
const MOST_V1 = 107
/** Bytes of a header of version 2 that we are ready to gather. */
const MOST_V2 = 4096

/** Ms in which a header has to be whole. */
export const HEADER_WITHIN = 3_000

export const V1_SIGNATURE = Buffer.from('PROXY ')
export const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Signature, version and command, family and transport, length. */
export const V2_FIXED = 16

const CR = 13
const LF = 10
/** The type of the field that holds the sum of the header. */
const TYPE_CRC32C = 3

export interface Endpoint {
  readonly address: string
  readonly port: number
}

export type ProxyReading =
  /** So far it may become one. */
  | { readonly kind: 'more' }
  | { readonly kind: 'malformed'; readonly why: string }
  /** The proxy speaks for itself, or for somebody who has no address: the addresses of the connection are the true ones. */
  | { readonly kind: 'local'; readonly length: number }
  | { readonly kind: 'proxied'; readonly length: number; readonly source: Endpoint; readonly destination: Endpoint }

const MORE: ProxyReading = { kind: 'more' }

function malformed(why: string): ProxyReading {
  return { kind: 'malformed', why }
}

/** Reads the header that `bytes` begin with; `length` of the reading says where what follows it begins. */
export function readProxyHeader(bytes: Buffer): ProxyReading {
  if (beginsWith(bytes, V2_SIGNATURE)) return bytes.length < V2_FIXED ? MORE : readV2(bytes)
  if (beginsWith(bytes, V1_SIGNATURE)) return bytes.length < V1_SIGNATURE.length ? MORE : readV1(bytes)
  return malformed('neither version of the header begins like this')
}

/** As far as there are bytes. */
function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length)
  return bytes.compare(signature, 0, length, 0, length) === 0
}

function readV1(bytes: Buffer): ProxyReading {
  const end = bytes.indexOf(LF)
  if (end < 0) return bytes.length < MOST_V1 ? MORE : malformed('a header of version 1 is at most 107 bytes long')
  if (end >= MOST_V1) return malformed('a header of version 1 is at most 107 bytes long')
  if (bytes[end - 1] !== CR) return malformed('a header of version 1 ends with CR LF')
  const length = end + 1
  const line = bytes.toString('latin1', V1_SIGNATURE.length, end - 1)
  const [family = '', source = '', destination = '', sourcePort = '', destinationPort = '', ...more] = line.split(' ')
  // Whatever follows it is to be ignored.
  if (family === 'UNKNOWN') return { kind: 'local', length }
  if (family !== 'TCP4' && family !== 'TCP6') return malformed('the family is none of TCP4, TCP6 and UNKNOWN')
  const isAddress = family === 'TCP4' ? isIPv4 : isIPv6WithoutZone
  if (!isAddress(source) || !isAddress(destination)) return malformed(`an address is not one of ${family}`)
  const ports = [sourcePort, destinationPort].map(readPort)
  const [from, to] = ports
  if (from === undefined || to === undefined || more.length > 0) return malformed('two ports end a header of version 1')
  return {
    kind: 'proxied',
    length,
    source: { address: plain(source), port: from },
    destination: { address: plain(destination), port: to },
  }
}

function isIPv6WithoutZone(text: string): boolean {
  return isIPv6(text) && !text.includes('%')
}

/** One spelling for one address; an IPv4 address as such, also where it was written as an IPv6 one. */
function plain(address: string): string {
  // `::192.0.2.1` is an IPv6 address of old (RFC 4291 section 2.5.5.1), which ipaddr.js takes for the IPv4 one.
  return ipaddr.process(address.replace(/^::(?=\d+\.)/, '::0:')).toString()
}

function readPort(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return undefined
  const port = Number(text)
  return port <= 65_535 ? port : undefined
}

/** Bytes of the two addresses and their ports, by family (the high four bits). Those of UNIX sockets say nothing to us. */
const ADDRESS_BLOCKS: readonly (number | undefined)[] = [0, 12, 36, 216]

function readV2(bytes: Buffer): ProxyReading {
  const command = bytes[12] as number
  const family = bytes[13] as number
  const length = V2_FIXED + bytes.readUInt16BE(14)
  if (command !== 0x20 && command !== 0x21) return malformed('version or command is unknown')
  if (length > MOST_V2) return malformed(`a header of ${length} bytes is too long`)
  const block = ADDRESS_BLOCKS[family >> 4]
  if (command === 0x21 && (block === undefined || (family & 15) > 2)) return malformed('family or transport is unknown')
  if (bytes.length < length) return MORE
  // Of the proxy's own connections nothing but the length is looked at.
  if (command === 0x20) return { kind: 'local', length }
  const fields = V2_FIXED + (block ?? 0)
  if (fields > length) return malformed('the addresses do not fit into the header')
  const wrong = readFields(bytes, fields, length)
  if (wrong !== null) return malformed(wrong)
  // Half of a family is none: an address without a transport, or the other way round, or no internet address.
  if (family >> 4 === 0 || family >> 4 === 3 || (family & 15) === 0) return { kind: 'local', length }
  const size = family >> 4 === 1 ? 4 : 16
  const at = (offset: number) => plain(ipaddr.fromByteArray([...bytes.subarray(offset, offset + size)]).toString())
  const ports = V2_FIXED + 2 * size
  return {
    kind: 'proxied',
    length,
    source: { address: at(V2_FIXED), port: bytes.readUInt16BE(ports) },
    destination: { address: at(V2_FIXED + size), port: bytes.readUInt16BE(ports + 2) },
  }
}

/** What is wrong with the fields in `bytes[from, end)`; null: nothing. Only the sum means something to us. */
function readFields(bytes: Buffer, from: number, end: number): string | null {
  let summed = false
  for (let at = from; at < end; ) {
    if (at + 3 > end) return 'a field is cut short'
    const type = bytes[at]
    const value = at + 3
    const next = value + bytes.readUInt16BE(at + 1)
    if (next > end) return 'a field is cut short'
    if (type === TYPE_CRC32C) {
      if (summed || next - value !== 4) return 'there is one sum, of four bytes'
      summed = true
      if (crc32c(bytes, 0, end, value) !== bytes.readUInt32BE(value)) return 'the sum is wrong'
    }
    at = next
  }
  return null
}
