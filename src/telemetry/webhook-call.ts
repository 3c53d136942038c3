/**
 * One delivery of a webhook: a signed POST (https://www.standardwebhooks.com), once. Redirects are not followed, and where private
 * addresses are not allowed the address that a name has at this very moment is looked at, since names change.
 */
import { createHmac } from 'node:crypto'
import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, request } from 'undici'
import type { Webhook } from '../core/nouns.ts'

/** Ms. */
const CONNECT_TIMEOUT = 5_000
const ANSWER_TIMEOUT = 15_000
/** Bytes of an answer that are read before its connection is closed. */
const MOST_ANSWER = 16 * 1024

export interface Message {
  /** The same at each attempt: by it a receiver knows what it has already. */
  readonly id: string
  /** Ms since 1970, of this attempt. */
  readonly at: number
  readonly body: string
}

export interface Delivery {
  readonly delivered: boolean
  /** The receiver says that it will never take it (410). */
  readonly gone: boolean
  readonly said: string
}

/** Delivers `message`. Never rejects; `signal` breaks it off. */
export async function callWebhook(
  { url, secret, allow_private }: Webhook,
  message: Message,
  signal: AbortSignal,
): Promise<Delivery> {
  const { hostname } = new URL(url)
  const literal = hostname.replace(/^\[|\]$/g, '')
  if (!allow_private && isIP(literal) !== 0 && !isPublic(literal)) return refused(`${literal} is a private address`)
  // One connection to a delivery: they are rare, and an idle one would only be in the way of a change.
  const dispatcher = new Agent({
    pipelining: 0,
    maxResponseSize: MOST_ANSWER,
    connect: { timeout: CONNECT_TIMEOUT, ...(allow_private ? {} : { lookup: publicOnly }) },
  })
  try {
    const seconds = Math.floor(message.at / 1000)
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'gatepool',
        'webhook-id': message.id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': signature(secret, message.id, seconds, message.body),
      },
      body: message.body,
      dispatcher,
      headersTimeout: ANSWER_TIMEOUT,
      bodyTimeout: ANSWER_TIMEOUT,
      signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT + ANSWER_TIMEOUT)]),
    })
    await body.dump({ limit: MOST_ANSWER }).catch(() => undefined)
    const delivered = statusCode >= 200 && statusCode < 300
    return { delivered, gone: statusCode === 410, said: `status ${statusCode}` }
  } catch (error) {
    return refused(words(error))
  } finally {
    void dispatcher.destroy()
  }
}

/** `v1,` and the base64 of HMAC-SHA256 over `ID.SECONDS.BODY`. */
function signature(secret: string, id: string, seconds: number, body: string): string {
  const key = Buffer.from(secret.slice(SECRET_PREFIX.length), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`
}

/** How the secrets of the standard begin; base64 of 24 to 64 bytes follows. */
export const SECRET_PREFIX = 'whsec_'

const publicOnly: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, '', 0)
    const open = addresses.filter(({ address }) => isPublic(address))
    const [first] = open
    if (first === undefined) return callback(new PrivateAddress(`${hostname} has private addresses only`), '', 0)
    // Whoever asks for all of them gets a list.
    if (options.all === true) return callback(null, open)
    return callback(null, first.address, first.family)
  })
}

class PrivateAddress extends Error {
  readonly code = 'EPRIVATE'
}

/** What of IPv6 is given out to be reached from everywhere (RFC 4291, section 2.4): all the rest is reserved, `::127.0.0.1` too. */
const GLOBAL = ipaddr.IPv6.parseCIDR('2000::/3')

/** Can it be reached from everywhere? Neither loopback, private, link-local, multicast nor reserved; also behind `::ffff:`. */
export function isPublic(address: string): boolean {
  const known = ipaddr.process(address)
  return known.range() === 'unicast' && (known instanceof ipaddr.IPv4 || known.match(GLOBAL))
}

const refused = (said: string): Delivery => ({ delivered: false, gone: false, said })

function words(error: unknown): string {
  if (error instanceof PrivateAddress) return error.message
  const { code, cause, message } = error as NodeJS.ErrnoException & { cause?: unknown }
  if (cause instanceof PrivateAddress) return cause.message
  return code ?? message
}
