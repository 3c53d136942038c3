/**
 * Wrong guesses at the bootstrap administrator's token, by address. Too many, and no guess of that address is looked at for a while, the
 * right one neither. Tokens of the form `gp_…` are always looked at: nobody guesses 256 bits, and a gateway or a monitor behind the same
 * address as an attacker (or as a script with an old password) must not be locked out.
 */
import ipaddr from 'ipaddr.js'

/** In a row. */
const MOST_GUESSES = 20
/** Ms after which one more is free. */
const ONE_MORE = 3_000
/** Addresses that are remembered; the one that was quiet for longest goes first. */
const MOST_ADDRESSES = 1_000

export interface Guesses {
  tooMany(address: string): boolean
  add(address: string): void
}

/** `now` in ms; need not be any particular clock. */
export function createGuesses(now: () => number): Guesses {
  /** Address → when all its guesses are forgotten. */
  const free = new Map<string, number>()

  return {
    tooMany(address) {
      return (free.get(network(address)) ?? 0) - now() > (MOST_GUESSES - 1) * ONE_MORE
    },
    add(address) {
      const key = network(address)
      const at = Math.max(free.get(key) ?? 0, now()) + ONE_MORE
      free.delete(key)
      free.set(key, at)
      const [oldest] = free.keys()
      if (free.size > MOST_ADDRESSES && oldest !== undefined) free.delete(oldest)
    },
  }
}

/** An IPv6 host has a whole /64 of addresses to itself. */
function network(address: string): string {
  const parsed = ipaddr.process(address)
  return parsed.kind() === 'ipv6' ? (parsed as ipaddr.IPv6).parts.slice(0, 4).join(':') : parsed.toString()
}
