/** Addresses of clients: one spelling for each, and the ranges that they lie in. */
import { BlockList, isIPv6 } from 'node:net'
import type { Route } from '../core/nouns.ts'

/** Whether an address (as `plainAddress` writes it) is one of those whose word is taken, or who are let in. */
export type IsTrusted = (address: string) => boolean

/** An address without what a socket may add: an IPv4 address as such also on a dual-stack listener, no zone. */
export function plainAddress(address: string): string {
  const zone = address.indexOf('%')
  const text = zone === -1 ? address : address.slice(0, zone)
  return text.startsWith('::ffff:') && text.includes('.') ? text.slice(7) : text
}

/** Whether an address lies in one of the ranges (`10.0.0.0/8`, `::1`). An IPv4 address in the form of an IPv6 one is the same address. */
export function inRanges(ranges: readonly string[]): IsTrusted {
  if (ranges.length === 0) return () => false
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    if (prefix === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(prefix), familyOf(address))
  }
  return address => list.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4'
}

/**
 * What is counted as one client: an IPv4 address, or the first 64 bits of an IPv6 one, since a host has all the addresses behind them to
 * itself. Of addresses as a socket tells them, without a leading zero in any group.
 */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [before = '', after] = address.split('::')
  const first = before === '' ? [] : before.split(':')
  const last = after ? after.split(':') : []
  while (first.length + last.length < 8) first.push('0')
  return [...first, ...last].slice(0, 4).join(':')
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

/** Whether a client may use a route; null: everybody. Denied goes before allowed. */
export function compileAdmission({
  allow,
  deny,
}: Pick<Route, 'allow' | 'deny'>): ((address: string) => boolean) | null {
  if (allow === undefined && deny === undefined) return null
  const isDenied = inRanges(deny ?? [])
  const isAllowed = allow === undefined ? () => true : inRanges(allow)
  return address => !isDenied(address) && isAllowed(address)
}
