/** What is measured: one row of the table each. */

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** All of the head's fields but Content-Length, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Bytes. */
  readonly body: number
}

export type Work =
  | { readonly kind: 'http'; readonly request: HttpRequest }
  /** Each connection sends a message of so many bytes, waits for its echo, and sends the next one. */
  | { readonly kind: 'websocket'; readonly message: number }
  /** Each client sends a datagram of so many bytes, waits for its echo, and sends the next one. */
  | { readonly kind: 'udp'; readonly message: number }

export interface Row {
  readonly name: string
  readonly title: string
  /** What the processor time is divided by. */
  readonly unit: 'request' | 'message' | 'transfer' | 'connection' | 'round trip'
  readonly front: Front
  readonly connections: number
  readonly work: Work
  /** Processor time that gatepool may take, relative to that of the base: what we want, and what must hold. */
  readonly target?: { readonly goal: number; readonly gate: number }
}

/**
 * Which of a proxy's addresses: HTTP in front of the upstream, or in front of a dead member and the upstream; TCP or UDP in front of the
 * upstream. TCP rows are HTTP all the same, of which the proxy knows nothing, so that upstream and load are those of the other rows.
 */
export type Front = 'single' | 'pair' | 'tcp' | 'udp'

/** Whom ratios are made against. HAProxy has no UDP. */
export const baseOf = ({ front }: Row): string => (front === 'udp' ? 'nginx' : 'haproxy')

const MEBIBYTE = 1_048_576

/** A host name that makes the small head exactly 40 bytes. */
const HOST = 'tv.example.org'
const GET = { method: 'GET', path: '/', fields: [['Host', HOST]], body: 0 } as const

/** What a browser sends for a part of a page: 605 bytes. */
const BROWSER: HttpRequest = {
  method: 'GET',
  path: '/?v=20251120&part=navigation',
  fields: [
    ['Host', 'shop.example.org'],
    ['Connection', 'keep-alive'],
    ['sec-ch-ua', '"Chromium";v="130", "Not?A_Brand";v="99"'],
    ['sec-ch-ua-mobile', '?0'],
    [
      'User-Agent',
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
    ],
    ['sec-ch-ua-platform', '"Linux"'],
    ['Accept', '*/*'],
    ['Sec-Fetch-Site', 'same-origin'],
    ['Sec-Fetch-Mode', 'no-cors'],
    ['Sec-Fetch-Dest', 'script'],
    ['Referer', 'https://shop.example.org/catalogue'],
    ['Accept-Encoding', 'gzip, deflate, br, zstd'],
    ['Accept-Language', 'en-GB,en;q=0.9,de;q=0.8'],
    ['Cookie', 'session=4f1d9c2b7a; basket=9c41e07d52; currency=EUR; theme=dark'],
  ],
  body: 0,
}

const http = (request: HttpRequest): Work => ({ kind: 'http', request })

export const ROWS: readonly Row[] = [
  {
    name: 'small',
    title: 'Small GET, keep-alive, 40 B head',
    unit: 'request',
    front: 'single',
    connections: 64,
    work: http(GET),
    target: { goal: 1.2, gate: 1.4 },
  },
  {
    name: 'browser',
    title: 'Small GET, keep-alive, 605 B browser head',
    unit: 'request',
    front: 'single',
    connections: 64,
    work: http(BROWSER),
    target: { goal: 1.2, gate: 1.4 },
  },
  {
    name: 'post',
    title: 'POST of 4 KiB, keep-alive',
    unit: 'request',
    front: 'single',
    connections: 64,
    work: http({ ...GET, method: 'POST', body: 4096 }),
  },
  {
    name: 'answer',
    title: 'Answer of 1 MiB',
    unit: 'request',
    front: 'single',
    connections: 16,
    work: http({ ...GET, path: '/1m' }),
    target: { goal: 1.0, gate: 1.2 },
  },
  {
    name: 'upload',
    title: 'Upload of 1 MiB',
    unit: 'request',
    front: 'single',
    connections: 16,
    work: http({ ...GET, method: 'POST', body: MEBIBYTE }),
    target: { goal: 2.5, gate: 2.5 },
  },
  {
    name: 'close',
    title: 'New connection for each request (Connection: close)',
    unit: 'request',
    front: 'single',
    connections: 64,
    work: http({ ...GET, fields: [...GET.fields, ['Connection', 'close']] }),
    target: { goal: 1.6, gate: 2.0 },
  },
  {
    name: 'websocket',
    title: 'WebSocket echo, 64 B messages',
    unit: 'message',
    front: 'single',
    connections: 64,
    work: { kind: 'websocket', message: 64 },
    target: { goal: 1.5, gate: 1.9 },
  },
  {
    name: 'dead',
    title: 'Small GET, one of two members is dead',
    unit: 'request',
    front: 'pair',
    connections: 64,
    work: http(GET),
  },
  {
    name: 'tcp',
    title: 'TCP, small messages (40 B there, 122 B back)',
    unit: 'message',
    front: 'tcp',
    connections: 64,
    work: http(GET),
    target: { goal: 1.5, gate: 1.9 },
  },
  {
    name: 'tcp-answer',
    title: 'TCP, 1 MiB towards the client',
    unit: 'transfer',
    front: 'tcp',
    connections: 16,
    work: http({ ...GET, path: '/1m' }),
    target: { goal: 1.2, gate: 1.2 },
  },
  {
    name: 'tcp-upload',
    title: 'TCP, 1 MiB to the upstream',
    unit: 'transfer',
    front: 'tcp',
    connections: 16,
    work: http({ ...GET, method: 'POST', body: MEBIBYTE }),
    target: { goal: 2.5, gate: 2.5 },
  },
  {
    name: 'tcp-connect',
    title: 'TCP, new connection for each message',
    unit: 'connection',
    front: 'tcp',
    connections: 64,
    work: http({ ...GET, fields: [...GET.fields, ['Connection', 'close']] }),
    target: { goal: 2.0, gate: 2.4 },
  },
  {
    name: 'udp',
    title: 'UDP, 64 B datagrams there and back',
    unit: 'round trip',
    front: 'udp',
    connections: 64,
    work: { kind: 'udp', message: 64 },
    target: { goal: 1.9, gate: 2.2 },
  },
]

/** The bytes of a request's head. */
export function headOf({ method, path, fields, body }: HttpRequest): string {
  const lines = [`${method} ${path} HTTP/1.1`, ...fields.map(([name, value]) => `${name}: ${value}`)]
  if (body > 0) lines.push(`Content-Length: ${body}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}
