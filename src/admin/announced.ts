/** The addresses that instances announce of themselves: traffic is sent there, so they are looked at closely. */
import { BlockList, isIP, SocketAddress } from 'node:net'
import { FROM_HEARTBEAT } from '../core/instances.ts'
import type { Gateway } from '../core/nouns.ts'
import { type Refusal, refuse } from '../errors.ts'

/** "This host" and link-local addresses, multicast and what is reserved: nobody can be reached there, or whoever is nearest. */
const NEVER = blockList(['0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::', 'fe80::/10', 'ff00::/8'])
const LOOPBACK = blockList(['127.0.0.0/8', '::1'])

/** What a beat of `gateway` says about where it is; `address` is in its shortest form. Refused when it may not say that. */
export function announcedPlace(
  gateway: Gateway,
  said: { readonly address?: string | undefined; readonly http_port?: number | undefined; readonly state: string },
  ranges: readonly string[],
): { readonly address?: string; readonly http_port?: number } | Refusal {
  const { address, http_port } = said
  if (gateway.address !== FROM_HEARTBEAT) {
    const moves =
      (address !== undefined && address !== gateway.address) ||
      (http_port !== undefined && http_port !== gateway.http_port)
    return moves ? refuse('address_not_allowed', `the definition of ${gateway.name} says where it is`) : {}
  }
  if (address === undefined) {
    const asks = `${gateway.name} is where its instances say: a ready one has to announce its address`
    return said.state === 'ready' ? refuse('bad_request', asks) : {}
  }
  const plain = plainAddress(address)
  if (plain === null) return refuse('address_not_allowed', 'expected an IPv4 or an IPv6 address as such')
  if (!isAllowed(plain, ranges))
    return refuse('address_not_allowed', `${plain} is not in the address_ranges of the settings`)
  return http_port === undefined ? { address: plain } : { address: plain, http_port }
}

/** An address in the one form that it has as an upstream; null when it is none. */
function plainAddress(text: string): string | null {
  // A zone is an interface of somebody's host.
  const version = text.includes('%') ? 0 : isIP(text)
  if (version === 0) return null
  if (version === 4) return text
  const { address } = new SocketAddress({ address: text, family: 'ipv6' })
  return /^::ffff:\d+\./.test(address) ? address.slice('::ffff:'.length) : address
}

/** Loopback is allowed only by a range of loopback addresses, so that a wide range does not open our own host. */
function isAllowed(address: string, ranges: readonly string[]): boolean {
  if (has(NEVER, address)) return false
  const loopback = has(LOOPBACK, address)
  return has(blockList(loopback ? ranges.filter(isOfLoopback) : ranges), address)
}

function isOfLoopback(range: string): boolean {
  const [address = '', prefix] = range.split('/')
  const least = address.includes(':') ? 128 : 8
  return has(LOOPBACK, address) && (prefix === undefined || Number(prefix) >= least)
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, familyOf(address))
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    if (prefix === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(prefix), familyOf(address))
  }
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}
