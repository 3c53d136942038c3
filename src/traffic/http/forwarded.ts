/**
 * The Forwarded field (RFC 7239), for routes that speak it instead of X-Forwarded-*. Only one of the two is ever believed: on such a
 * route what a trusted peer says in the other does not go on.
 */

import type { IsTrusted } from '../address.ts'
import { cutLines, fieldValues } from './connection.ts'
import { readAddress } from './peer.ts'
import type { RequestHead } from './request-head.ts'

/** Takes in what a trusted peer says of its client, and cuts all such fields: `forwardedLine` writes the only one that goes on. */
export function takeForwarded(head: RequestHead): void {
  const { peer, text, line, end } = head
  // A stranger's fields were cut when they were read.
  if (!peer.trusted) return
  const said = readForwarded(fieldValues(text, line.at, end - 2, 'forwarded').join(', '), peer.address, peer.isTrusted)
  head.client = said.client
  head.forwarded = said.kept
  cutLines(head.cuts, text, line.at, end - 2, tellsOfClient)
}

function tellsOfClient(name: string): boolean {
  return name === 'forwarded' || name === 'x-real-ip' || name.startsWith('x-forwarded-')
}

/** What the upstream is told: what trusted proxies said, and behind it what we see ourselves. */
export function forwardedLine({ peer: { address, proto }, authority, forwarded }: RequestHead): string {
  const before = forwarded === '' ? '' : `${forwarded}, `
  const node = address.includes(':') ? `"[${address}]"` : address
  // A colon or a bracket is no part of a token; nothing else that is special gets into an authority.
  const host = authority === '' ? '' : `;host=${/[:[]/.test(authority) ? `"${authority}"` : authority}`
  return `Forwarded: ${before}for=${node}${host};proto=${proto}\r\n`
}

/**
 * The client that a trusted peer speaks for: `for` from right to left over trusted addresses, the first one that is not trusted; the
 * left-most if all are. What names no address (`unknown`, `_hidden`, no `for`) ends the walk: nothing left of it can be believed.
 *
 * `kept` is what goes on: everything, unless an element is malformed. It and what stands left of it are dropped, so that nobody can
 * hide in an open quotation mark what a proxy adds behind it.
 *
 * @param value the values of all Forwarded fields, joined by commas; '' when there is none
 */
export function readForwarded(
  value: string,
  peerAddress: string,
  isTrusted: IsTrusted,
): { readonly client: string; readonly kept: string } {
  const kept: string[] = []
  let client = peerAddress
  let walking = true
  for (let end = value.length; end > 0; ) {
    const start = elementStart(value, end)
    const element = value.slice(start, end).trim()
    end = start - 1
    // RFC 9110 5.6.1: elements without anything in them are none.
    if (element === '') continue
    const node = forOf(element)
    if (node === undefined) break
    kept.push(element)
    const address = walking && isTrusted(client) ? readAddress(node) : undefined
    if (address === undefined) walking = false
    else client = address
  }
  return { client, kept: kept.reverse().join(', ') }
}

/** Where the element begins that ends at `end`: behind the last comma outside of quotation marks. */
function elementStart(value: string, end: number): number {
  let quoted = false
  for (let i = end - 1; i >= 0; i--) {
    const character = value[i]
    if (character === '"' && !isEscaped(value, i)) quoted = !quoted
    else if (character === ',' && !quoted) return i + 1
  }
  return 0
}

function isEscaped(value: string, at: number): boolean {
  let backslashes = 0
  while (value[at - 1 - backslashes] === '\\') backslashes++
  return backslashes % 2 === 1
}

/** A pair and what parts it from the next. Blanks around a semicolon are not in the grammar and often written. */
const PAIR = /[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)")[ \t]*(?:;|$)/y

/** The node that an element names as `for`: '' when it names none, or two. Undefined when it is malformed (RFC 7239 4). */
function forOf(element: string): string | undefined {
  let node = ''
  let named = 0
  for (PAIR.lastIndex = 0; PAIR.lastIndex < element.length; ) {
    const [pair, name = '', plain, quoted = ''] = PAIR.exec(element) ?? []
    if (pair === undefined) return undefined
    if (name.toLowerCase() !== 'for') continue
    node = plain ?? quoted.replace(/\\(.)/g, '$1')
    named++
  }
  return named === 1 ? node : ''
}
