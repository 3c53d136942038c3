/**
 * Request targets and hosts as text. The form made here is the one that is matched against routes and the one that is sent: two
 * forms would let a request be routed as one path and served as another.
 */
import { isIPv6 } from 'node:net'

const SINGLE_DOT: ReadonlySet<string> = new Set(['.', '%2e'])
const DOUBLE_DOT: ReadonlySet<string> = new Set(['..', '.%2e', '%2e.', '%2e%2e'])

/**
 * Resolves `.` and `..`, also percent-encoded (RFC 3986 5.2.4), in an absolute path without query. Nothing else is touched: `//`,
 * `%2f`, `%5c` and the backslash stay, since each server has its own mind about them. Undefined when it climbs above the root.
 */
export function normalisePath(path: string): string | undefined {
  const kept: string[] = []
  const segments = path.split('/')
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string
    const dots = segment.length <= 6 ? segment.toLowerCase() : segment
    if (SINGLE_DOT.has(dots) || DOUBLE_DOT.has(dots)) {
      if (DOUBLE_DOT.has(dots) && kept.pop() === undefined) return undefined
      // A path that ends in a dot segment names a directory: its slash stays.
      if (i === segments.length - 1) kept.push('')
      continue
    }
    kept.push(segment)
  }
  return `/${kept.join('/')}`
}

/** The longest host name (RFC 1035 2.3.4) with its final dot and a port. */
const LONGEST_AUTHORITY = 254 + 6
const NAME_AND_PORT = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::([0-9]{0,5}))?$/
const IPV6_AND_PORT = /^\[([0-9a-f:.]+)\](?::([0-9]{0,5}))?$/

/**
 * The host of an authority as it is compared: in lower case, without port and final dot, an IPv6 address in its brackets. Undefined
 * when it is not `host` or `host:port`. Of the names that RFC 3986 would allow only those that a resolver could know are taken:
 * letters, digits, dashes, underscores, in labels that are not empty; no user part, no percent-encoding, no list.
 */
export function normaliseHost(authority: string): string | undefined {
  if (authority.length > LONGEST_AUTHORITY) return undefined
  const text = authority.toLowerCase()
  if (text.startsWith('[')) {
    const [, address = '', port] = IPV6_AND_PORT.exec(text) ?? []
    return isIPv6(address) && isPort(port) ? `[${address}]` : undefined
  }
  const [, name, port] = NAME_AND_PORT.exec(text) ?? []
  return name !== undefined && isPort(port) ? name : undefined
}

function isPort(port: string | undefined): boolean {
  return port === undefined || Number(port) <= 65_535
}

export interface AbsoluteTarget {
  readonly authority: string
  /** Starts with a slash; the path of an address without one is `/`, or `*` for OPTIONS (RFC 9112 3.2.4). */
  readonly path: string
  /** With its question mark; empty when there is none. */
  readonly query: string
}

/** Takes a target in absolute-form (RFC 9112 3.2.2) apart. Undefined for any other scheme than http and https. */
export function splitAbsolute(method: string, target: string): AbsoluteTarget | undefined {
  const [, authority, path = '', query = ''] = /^https?:\/\/([^/?]+)([^?]*)(.*)$/i.exec(target) ?? []
  if (authority === undefined) return undefined
  if (path !== '') return { authority, path, query }
  return { authority, path: method === 'OPTIONS' && query === '' ? '*' : '/', query }
}
