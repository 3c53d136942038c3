/**
 * Who is at the other end of a client connection, and what we tell the upstream about that. Trust is decided once per connection;
 * only behind a trusted proxy does a request have a client of its own.
 */
import { isIP, isIPv6 } from 'node:net'
import { type IsTrusted, plainAddress } from '../address.ts'

export interface Peer {
  readonly address: string
  /** What the client spoke to us, for X-Forwarded-Proto. */
  readonly proto: 'http' | 'https'
  /** The port it came in by, for X-Forwarded-Port. */
  readonly port: number
  readonly trusted: boolean
  readonly isTrusted: IsTrusted
  /** What the upstream of an untrusted peer is told with every request: whole field lines. */
  readonly fixed: string
  /** `fixed` with X-Forwarded-Host for the authority below: requests of one connection nearly always name the same host. */
  tail: string
  authority: string
}

/** Makes the peer of a new connection. `remoteAddress` is as the socket gives it, or as a PROXY header does. */
export function createPeer(remoteAddress: string, proto: 'http' | 'https', port: number, isTrusted: IsTrusted): Peer {
  const address = plainAddress(remoteAddress)
  const who = `X-Forwarded-For: ${address}\r\nX-Real-IP: ${address}\r\n`
  const fixed = `${who}X-Forwarded-Proto: ${proto}\r\nX-Forwarded-Port: ${port}\r\n`
  return { address, proto, port, trusted: isTrusted(address), isTrusted, fixed, tail: fixed, authority: '' }
}

/**
 * The address of the client that a trusted peer speaks for: X-Forwarded-For from right to left over trusted addresses, the first one
 * that is not trusted; the left-most if all are. What is not an address ends the walk: nothing left of it can be believed.
 *
 * @param forwardedFor the values of all X-Forwarded-For fields, joined by commas; '' when there is none
 */
export function clientAddress(peerAddress: string, forwardedFor: string, isTrusted: IsTrusted): string {
  let client = peerAddress
  let end = forwardedFor.length
  while (end > 0 && isTrusted(client)) {
    const comma = forwardedFor.lastIndexOf(',', end - 1)
    const address = readAddress(forwardedFor.slice(comma + 1, end))
    if (address === undefined) break
    client = address
    end = comma
  }
  return client
}

/** One entry of X-Forwarded-For or a node of Forwarded: an address, perhaps with a port, an IPv6 address then in brackets. */
export function readAddress(entry: string): string | undefined {
  const text = entry.trim()
  if (isIP(text) !== 0) return plainAddress(text)
  const [, inBrackets, beforePort] = /^(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(text) ?? []
  if (inBrackets !== undefined) return isIPv6(inBrackets) ? plainAddress(inBrackets) : undefined
  return beforePort !== undefined && isIP(beforePort) === 4 ? beforePort : undefined
}
