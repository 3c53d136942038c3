/**
 * Field rules over plain names and values: which fields go on, which stop here. HTTP/1.1 asks by bytes (`fields.ts` is built from the
 * list below), HTTP/2 and trailers ask by name; there is one list for both.
 */

/** Every name that means something to a proxy, in lower case. A `*` at the end stands for a whole family, after its named members. */
export const KNOWN_FIELDS = [
  'connection',
  'content-length',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-forwarded-*',
  'x-gatepool-*',
  'x-real-ip',
  'x-request-id',
] as const

export type KnownField = (typeof KNOWN_FIELDS)[number]

/**
 * What becomes of a known field of a request. `cut`: hop by hop (RFC 9110 7.6.1), or written anew by us, or never a client's to say.
 * `trusted`: goes on only when the peer is a trusted proxy. Every name that is not known goes on.
 *
 * The whole X-Forwarded family of an untrusted peer is cut, not only what we set: servers also believe its cousins, such as
 * X-Forwarded-Scheme and X-Forwarded-Prefix.
 */
export const REQUEST_FATE: Readonly<Record<KnownField, 'pass' | 'cut' | 'trusted'>> = {
  connection: 'cut',
  'content-length': 'cut',
  expect: 'pass',
  forwarded: 'trusted',
  host: 'pass',
  'http2-settings': 'cut',
  'keep-alive': 'cut',
  'proxy-authenticate': 'cut',
  'proxy-authorization': 'cut',
  'proxy-connection': 'cut',
  te: 'cut',
  trailer: 'cut',
  'transfer-encoding': 'cut',
  upgrade: 'cut',
  // Written anew with the peer appended, so that readers of the first or last line alone see the whole list.
  'x-forwarded-for': 'cut',
  'x-forwarded-host': 'trusted',
  'x-forwarded-port': 'trusted',
  'x-forwarded-proto': 'trusted',
  'x-forwarded-*': 'trusted',
  'x-gatepool-*': 'cut',
  'x-real-ip': 'trusted',
  'x-request-id': 'trusted',
}

/** What becomes of a known field of a response. */
export const RESPONSE_FATE: Readonly<Record<KnownField, 'pass' | 'cut'>> = {
  connection: 'cut',
  'content-length': 'cut',
  expect: 'pass',
  forwarded: 'pass',
  host: 'pass',
  'http2-settings': 'cut',
  'keep-alive': 'cut',
  'proxy-authenticate': 'cut',
  'proxy-authorization': 'cut',
  'proxy-connection': 'cut',
  te: 'cut',
  trailer: 'cut',
  'transfer-encoding': 'cut',
  upgrade: 'cut',
  'x-forwarded-for': 'pass',
  'x-forwarded-host': 'pass',
  'x-forwarded-port': 'pass',
  'x-forwarded-proto': 'pass',
  'x-forwarded-*': 'pass',
  'x-gatepool-*': 'pass',
  'x-real-ip': 'pass',
  'x-request-id': 'pass',
}

const EXACT: ReadonlyMap<string, KnownField> = new Map(
  KNOWN_FIELDS.filter(name => !name.endsWith('*')).map(name => [name, name]),
)
const FAMILIES = KNOWN_FIELDS.filter(name => name.endsWith('*')).map(family => ({
  family,
  prefix: family.slice(0, -1),
}))

/** The known field that `name` (lower case) is, if any. */
export function knownField(name: string): KnownField | undefined {
  return EXACT.get(name) ?? FAMILIES.find(({ prefix }) => name.startsWith(prefix))?.family
}

/**
 * Whether `name` (lower case) becomes a known one when its underscores are taken for dashes, as CGI and its heirs do: such a field
 * would speak to the upstream in our voice.
 */
export function collides(name: string): boolean {
  return name.includes('_') && knownField(name.replaceAll('_', '-')) !== undefined
}

const NEVER_NOMINATED: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'cookie',
  'expect',
  'forwarded',
  'host',
  'transfer-encoding',
  'via',
  'x-real-ip',
  'x-request-id',
])

/**
 * Whether a Connection field may declare `name` (lower case) hop by hop. What we, or the upstream, decide by may not be taken away
 * from under us; such a nomination is ignored.
 */
export function mayBeNominated(name: string): boolean {
  return !NEVER_NOMINATED.has(name) && !name.startsWith('x-forwarded-')
}

/** Fields that change the meaning of what was decided by the head (RFC 9110 6.5.1), beside the known ones. */
const NEVER_TRAILED: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authentication-info',
  'range',
  'retry-after',
  'set-cookie',
  'vary',
  'via',
  'www-authenticate',
])

/** Whether a trailer of that name (lower case) may go on: not one that frames, routes or authenticates, nor one that we write. */
export function mayBeTrailer(name: string): boolean {
  return !NEVER_TRAILED.has(name) && knownField(name) === undefined && !collides(name)
}

/** Methods that may be sent again when it is not known whether they arrived (RFC 9110 9.2.2; of the safe ones TRACE is not served). */
export function isIdempotent(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'PUT' || method === 'DELETE'
}

/** The name of a protocol of the Upgrade field without its version, in lower case. */
export function protocolName(protocol: string): string {
  const slash = protocol.indexOf('/')
  return (slash === -1 ? protocol : protocol.slice(0, slash)).toLowerCase()
}
