/** What a complete request head says as a whole, and why it is refused if it says two things or none (RFC 9112 3.2, 6.3). */
import type { Refusal } from '../../errors.ts'
import { cutLines } from './connection.ts'
import { clientAddress } from './peer.ts'
import { refusals } from './refusals.ts'
import type { RequestHead } from './request-head.ts'
import { normaliseHost, normalisePath, splitAbsolute } from './target.ts'

/** Judges the head that `bytes[base, base + head.end)` is; `head.text` is the same. Answers null when nothing is wrong. */
export function judgeRequest(head: RequestHead, bytes: Buffer, base: number): Refusal | null {
  const { line, connection, peer } = head
  const refusal = judgeHost(head, bytes, base) ?? judgeTarget(head) ?? judgeBody(head)
  if (refusal !== null) return refusal
  if (head.expect === 'other') return refusals.expectation

  head.persistent = line.minor === 1 ? !connection.close : connection.keepAlive && !connection.close
  if (head.upgrade !== '' && !maySwitch(head)) head.upgrade = ''
  if (peer.trusted) head.client = clientAddress(peer.address, head.forwardedFor, peer.isTrusted)
  if (connection.nominated !== null) {
    const { nominated } = connection
    cutLines(head.cuts, head.text, line.at, head.end - 2, name => nominated.has(name))
  }
  return null
}

/** One protocol name, perhaps with a version (RFC 9110 7.8). */
const PROTOCOL = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$/

/**
 * Whether the Upgrade field is an offer that we may take up. One with a body in front of the switch, and a choice of several
 * protocols, we may ignore (RFC 9110 7.8), and do.
 */
function maySwitch(head: RequestHead): boolean {
  const bodiless = head.body === 'none' || head.contentLength === 0
  return head.connection.upgrade && head.line.minor === 1 && bodiless && PROTOCOL.test(head.upgrade)
}

/** Exactly one valid Host (RFC 9112 3.2); an HTTP/1.0 request may do without. */
function judgeHost(head: RequestHead, bytes: Buffer, base: number): Refusal | null {
  if (head.hostLineEnd === 0) {
    if (head.line.minor === 1) return refusals.hostMissing
    head.authority = ''
    head.host = ''
    return null
  }
  const { text, authority, hostStart, hostEnd } = head
  if (authority.length === hostEnd - hostStart && authority !== '' && text.startsWith(authority, hostStart)) return null
  // Decoded by itself: a slice would keep the whole head in memory for as long as the authority lives.
  return setAuthority(head, bytes.toString('latin1', base + hostStart, base + hostEnd))
}

function setAuthority(head: RequestHead, authority: string): Refusal | null {
  const host = normaliseHost(authority)
  if (host === undefined) return refusals.hostInvalid
  head.authority = authority
  head.host = host
  return null
}

function judgeTarget(head: RequestHead): Refusal | null {
  const { line, text } = head
  if (line.pathEnd === 0) return judgeOtherForm(head, text.slice(line.targetStart, line.targetEnd))
  if (!line.dotted) return null
  return setTarget(head, text.slice(line.targetStart, line.pathEnd), text.slice(line.pathEnd, line.targetEnd))
}

/** `*` with OPTIONS, or an http address, whose authority the Host field must repeat (RFC 9112 3.2). */
function judgeOtherForm(head: RequestHead, target: string): Refusal | null {
  const { method } = head.line
  if (target === '*' && method === 'OPTIONS') {
    head.path = '/'
    return null
  }
  const parts = splitAbsolute(method, target)
  if (parts === undefined) return refusals.targetForm
  if (head.hostLineEnd === 0) {
    const refusal = setAuthority(head, parts.authority)
    if (refusal !== null) return refusal
  } else if (head.authority.toLowerCase() !== parts.authority.toLowerCase()) return refusals.hostDiffers
  if (parts.path !== '*') return setTarget(head, parts.path, parts.query)
  head.path = '/'
  head.target = '*'
  return null
}

function setTarget(head: RequestHead, path: string, query: string): Refusal | null {
  const normal = normalisePath(path)
  if (normal === undefined) return refusals.climbs
  head.path = normal
  head.target = normal + query
  return null
}

/** How the body ends (RFC 9112 6.3), or why that cannot be told. */
function judgeBody(head: RequestHead): Refusal | null {
  if (head.coding === 'none') {
    head.body = head.contentLength === -1 ? 'none' : 'length'
    return null
  }
  if (head.line.minor === 0) return refusals.codingOn10
  if (head.contentLength !== -1) return refusals.lengthAndCoding
  if (head.coding === 'empty') return refusals.codingEmpty
  if (head.coding === 'other') return refusals.coding
  head.body = 'chunked'
  return null
}
