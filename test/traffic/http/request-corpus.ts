/** Raw request heads, and what must become of each. Text is latin1, one character a byte. */
import type { ErrorCode } from '../../../src/errors.ts'
import type { RequestHead } from '../../../src/traffic/http/request-head.ts'

/** Lines with CR LF behind each, and the empty line. */
export function head(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

export interface RefusedRequest {
  readonly title: string
  readonly raw: string
  readonly code: ErrorCode
}

const bad = (title: string, raw: string, code: ErrorCode = 'bad_request'): RefusedRequest => ({ title, raw, code })
const get = (...fields: string[]): string => head('GET / HTTP/1.1', 'Host: a.example', ...fields)
const target = (text: string): string => head(`GET ${text} HTTP/1.1`, 'Host: a.example')
const host = (value: string): string => head('GET / HTTP/1.1', `Host: ${value}`)

export const refusedRequests: readonly RefusedRequest[] = [
  // Request line
  bad('an empty method', head(' / HTTP/1.1', 'Host: a')),
  bad('a method that is not a token', head('G"T / HTTP/1.1', 'Host: a')),
  bad('a method with a control byte', head('GE\x00T / HTTP/1.1', 'Host: a')),
  bad('a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  bad('a tab instead of a blank', head('GET\t/ HTTP/1.1', 'Host: a')),
  bad('two blanks before the target', head('GET  / HTTP/1.1', 'Host: a')),
  bad('two blanks before the version', head('GET /  HTTP/1.1', 'Host: a')),
  bad('a blank behind the version', head('GET / HTTP/1.1 ', 'Host: a')),
  bad('a blank in the target', target('/a b')),
  bad('a tab in the target', target('/a\tb')),
  bad('a byte above ASCII in the target', target('/caf\xe9')),
  bad('a DEL in the target', target('/a\x7f')),
  bad('a NUL in the query', target('/?a=\x00')),
  bad('a fragment', target('/a#b')),
  bad('no target', head('GET HTTP/1.1', 'Host: a')),
  bad('no version', head('GET /', 'Host: a')),
  bad('HTTP/0.9', 'GET /\r\n'),
  bad('a version in lower case', head('GET / http/1.1', 'Host: a')),
  bad('a version without its minor', head('GET / HTTP/1', 'Host: a')),
  bad('a version of two digits', head('GET / HTTP/1.10', 'Host: a')),
  bad('HTTP/1.2', head('GET / HTTP/1.2', 'Host: a')),
  bad('HTTP/2.0', head('GET / HTTP/2.0', 'Host: a'), 'version_not_supported'),
  bad('HTTP/0.9 with its name', head('GET / HTTP/0.9', 'Host: a'), 'version_not_supported'),
  bad('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'version_not_supported'),
  bad('CONNECT', head('CONNECT a.example:443 HTTP/1.1', 'Host: a.example:443'), 'method_not_allowed'),
  bad('TRACE', head('TRACE / HTTP/1.1', 'Host: a'), 'method_not_allowed'),
  bad('PRI', head('PRI / HTTP/1.1', 'Host: a'), 'method_not_allowed'),
  bad('a target that is a bare name', target('index.html')),
  bad('an authority as target', target('a.example:80')),
  bad('an asterisk with GET', target('*')),
  bad('an asterisk with more', head('OPTIONS *x HTTP/1.1', 'Host: a')),
  bad('another scheme', target('ftp://a.example/')),
  bad('an address without authority', target('http:///x')),
  bad('an address with a user', head('GET http://u@a.example/ HTTP/1.1', 'Host: a.example')),
  bad('a path that climbs', target('/../etc/passwd')),
  bad('a path that climbs in the end', target('/a/../..')),
  bad('a path that climbs by percent-encoded dots', target('/a/%2e%2E/.%2e/b')),
  bad('an address whose path climbs', target('http://a.example/../x')),
  bad('two empty lines in front', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a bare CR in front', '\rGET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a bare LF in front', '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a bare LF behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'),
  bad('a bare CR behind the request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n'),

  // Field lines
  bad('a bare LF behind a field', 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n'),
  bad('a bare CR in a field', 'GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n'),
  bad('a bare LF as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\n'),
  bad('a bare CR as the empty line', 'GET / HTTP/1.1\r\nHost: a\r\n\rx'),
  bad('a NUL in a value', get('X: a\x00b')),
  bad('a control byte in a value', get('X: a\x0bb')),
  bad('a DEL in a value', get('X: a\x7fb')),
  bad('white space before the colon', get('X : y')),
  bad('a tab before the colon', get('X\t: y')),
  bad('Content-Length with white space before its colon', get('Content-Length : 5')),
  bad('a folded line', get('X: a', ' b')),
  bad('a line folded by a tab', get('X: a', '\tb')),
  bad('white space in front of the first field', head('GET / HTTP/1.1', ' Host: a')),
  bad('a name with a control byte', get('X\x01Y: z')),
  bad('a name above ASCII', get('X\xe9: z')),
  bad('a name in brackets', get('X[0]: z')),
  bad('an empty name', get(': z')),
  bad('a line without a colon', get('just words')),

  // Host
  bad('no Host', head('GET / HTTP/1.1', 'Accept: */*')),
  bad('two Hosts', get('Host: b.example')),
  bad('two equal Hosts', get('host: a.example')),
  bad('two Hosts on HTTP/1.0', head('GET / HTTP/1.0', 'Host: a', 'Host: a')),
  bad('an empty Host', host('')),
  bad('an empty Host on HTTP/1.0', head('GET / HTTP/1.0', 'Host: ')),
  bad('a list in Host', host('a.example, b.example')),
  bad('a blank in Host', host('a example')),
  bad('a path in Host', host('a.example/x')),
  bad('a user in Host', host('u@a.example')),
  bad('percent-encoding in Host', host('a%2eexample')),
  bad('a Host with an empty label', host('a..example')),
  bad('a Host that starts with a dot', host('.example')),
  bad('a Host that is a dot', host('.')),
  bad('a port that is no number', host('a.example:http')),
  bad('a port beyond all ports', host('a.example:65536')),
  bad('a port of many digits', host('a.example:000080')),
  bad('two ports', host('a.example:80:80')),
  bad('a port alone', host(':80')),
  bad('an IPv6 address without brackets', host('2001:db8::1')),
  bad('an IPv6 address that is none', host('[2001:db8:::1]')),
  bad('an IPv6 address with a zone', host('[fe80::1%25eth0]')),
  bad('an IPv6 address that is not closed', host('[::1')),
  bad('a Host above ASCII', host('caf\xe9.example')),
  bad('a Host longer than a name can be', host(`${'a'.repeat(62)}.`.repeat(5))),
  bad('a Host that differs from the address', head('GET http://a.example/ HTTP/1.1', 'Host: b.example')),
  bad('a Host whose port differs from the address', head('GET http://a.example/ HTTP/1.1', 'Host: a.example:80')),
  bad('an address without Host on HTTP/1.1', head('GET http://a.example/ HTTP/1.1', 'X: y')),
  bad('an address with a bad authority on HTTP/1.0', head('GET http://a..b/ HTTP/1.0')),

  // Framing
  bad('Content-Length with a sign', get('Content-Length: +5')),
  bad('a negative Content-Length', get('Content-Length: -5')),
  bad('a hexadecimal Content-Length', get('Content-Length: 0x5')),
  bad('an empty Content-Length', get('Content-Length: ')),
  bad('a Content-Length with a fraction', get('Content-Length: 5.0')),
  bad('a Content-Length with a blank inside', get('Content-Length: 5 5')),
  bad('a list of equal Content-Lengths', get('Content-Length: 5, 5')),
  bad('two equal Content-Lengths', get('Content-Length: 5', 'Content-Length: 5')),
  bad('two Content-Lengths, the first 0', get('Content-Length: 0', 'Content-Length: 5')),
  bad('Content-Length 2^53', get('Content-Length: 9007199254740992')),
  bad('Content-Length of thirty digits', get(`Content-Length: ${'9'.repeat(30)}`)),
  bad('Content-Length before Transfer-Encoding', get('Content-Length: 5', 'Transfer-Encoding: chunked')),
  bad('Content-Length behind Transfer-Encoding', get('Transfer-Encoding: chunked', 'Content-Length: 5')),
  bad('Content-Length and an unknown coding', get('Transfer-Encoding: gzip', 'Content-Length: 5')),
  bad('Transfer-Encoding on HTTP/1.0', head('POST / HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked')),
  bad('an empty Transfer-Encoding', get('Transfer-Encoding:')),
  bad('a control byte before chunked', get('Transfer-Encoding: \x0bchunked')),
  ...[
    'gzip',
    'identity',
    'gzip, chunked',
    'chunked, gzip',
    'identity, chunked',
    'chunked, chunked',
    'chunked,',
    ', chunked',
    'chunked;x=y',
    '"chunked"',
    'xchunked',
    'chunkedx',
    'chunked chunked',
    'chunked\t',
    '\tchunked',
    'chunked \t ',
  ].map(coding => bad(`Transfer-Encoding: ${coding}`, get(`Transfer-Encoding: ${coding}`), 'coding_not_supported')),
  bad(
    'two lines of Transfer-Encoding',
    get('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    'coding_not_supported',
  ),
  bad('an unknown expectation', get('Expect: 200-ok'), 'expectation_failed'),
  bad('an expectation with more', get('Expect: 100-continue, x'), 'expectation_failed'),
  bad('an expectation twice', get('Expect: 100-continue', 'Expect: 100-continue'), 'expectation_failed'),
  bad('an empty expectation', get('Expect: '), 'expectation_failed'),
  bad('a Connection field that is no list of tokens', get('Connection: keep-alive; x')),
  bad('a Connection field with a quoted name', get('Connection: "close"')),

  // Limits: a line of 8 KiB, a head of 32 KiB, 100 fields
  bad('a target of 8 KiB', target(`/${'a'.repeat(8192)}`), 'target_too_long'),
  bad('a method of 9 KiB', 'A'.repeat(9000), 'target_too_long'),
  bad('a request line one byte too long', head(`GET /${'a'.repeat(8179)} HTTP/1.1`, 'Host: a'), 'target_too_long'),
  bad('a field of 33 KiB', get(`X: ${'a'.repeat(33_000)}`), 'head_too_large'),
  bad('a head one byte too large', get(`X: ${'a'.repeat(32_768 - 37)}`), 'head_too_large'),
  bad('101 fields', head('GET / HTTP/1.1', 'Host: a', ...Array<string>(100).fill('X: y')), 'head_too_large'),
]

export interface AcceptedRequest {
  readonly title: string
  readonly raw: string
  /** The lines of it that go on, the request line first. */
  readonly sent: readonly string[]
  /** The lines that we add behind those that say who the client is. */
  readonly added?: readonly string[]
  readonly path?: string
  readonly is?: Partial<RequestHead>
}

const plain = ['GET / HTTP/1.1', 'Host: a.example']
const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']

export const acceptedRequests: readonly AcceptedRequest[] = [
  {
    title: 'the least there is',
    raw: get(),
    sent: plain,
    path: '/',
    is: { host: 'a.example', body: 'none', persistent: true },
  },
  { title: 'one empty line in front', raw: `\r\n${get()}`, sent: plain },
  { title: 'a body behind it', raw: `${get()}GET /next HTTP/1.1\r\n`, sent: plain },
  {
    title: 'a query',
    raw: head('GET /a/b?c=/../d&e HTTP/1.1', 'Host: a'),
    sent: ['GET /a/b?c=/../d&e HTTP/1.1', 'Host: a'],
    path: '/a/b',
  },
  {
    title: 'all that may be in a target',
    raw: target('/!"$%&\'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~'),
    sent: ['GET /!"$%&\'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~ HTTP/1.1', 'Host: a.example'],
    path: '/!"$%&\'()*+,-./09:;<=>',
  },
  {
    title: 'a method of its own',
    raw: head('M-SEARCH / HTTP/1.1', 'Host: a'),
    sent: ['M-SEARCH / HTTP/1.1', 'Host: a'],
  },
  {
    title: 'every byte that a name may have',
    raw: get("!#$%&'*+-.^_`|~09AZaz: y"),
    sent: [...plain, "!#$%&'*+-.^_`|~09AZaz: y"],
  },
  { title: 'every byte that a value may have', raw: get('X: \t !~\x80\xff"'), sent: [...plain, 'X: \t !~\x80\xff"'] },
  { title: 'an empty value', raw: get('X:', 'Y: '), sent: [...plain, 'X:', 'Y: '] },
  {
    title: 'white space around a value',
    raw: head('GET / HTTP/1.1', 'Host:\t a.example \t'),
    sent: ['GET / HTTP/1.1', 'Host:\t a.example \t'],
    is: { authority: 'a.example' },
  },
  {
    title: 'the longest request line',
    raw: head(`GET /${'a'.repeat(8178)} HTTP/1.1`, 'Host: a'),
    sent: [`GET /${'a'.repeat(8178)} HTTP/1.1`, 'Host: a'],
  },
  {
    title: 'the largest head',
    raw: get(`X: ${'a'.repeat(32_768 - 42)}`),
    sent: [...plain, `X: ${'a'.repeat(32_768 - 42)}`],
  },
  {
    title: '100 fields',
    raw: get(...Array<string>(99).fill('X: y')),
    sent: [...plain, ...Array<string>(99).fill('X: y')],
  },

  // Targets
  {
    title: 'dot segments',
    raw: target('/a/./b/../c?x=..'),
    sent: ['GET /a/c?x=.. HTTP/1.1', 'Host: a.example'],
    path: '/a/c',
  },
  {
    title: 'percent-encoded dot segments',
    raw: target('/a/%2e/%2E%2e/b'),
    sent: ['GET /b HTTP/1.1', 'Host: a.example'],
    path: '/b',
  },
  {
    title: 'names that start with a dot',
    raw: target('/.well-known/..x/%2f'),
    sent: ['GET /.well-known/..x/%2f HTTP/1.1', 'Host: a.example'],
  },
  {
    title: 'an address',
    raw: head('GET HTTP://A.example:80/x?y HTTP/1.1', 'Host: a.example:80'),
    sent: ['GET /x?y HTTP/1.1', 'Host: a.example:80'],
    path: '/x',
  },
  {
    title: 'an address without path',
    raw: head('GET http://a.example?y HTTP/1.1', 'Host: a.example'),
    sent: ['GET /?y HTTP/1.1', 'Host: a.example'],
    path: '/',
  },
  {
    title: 'OPTIONS of the server',
    raw: head('OPTIONS * HTTP/1.1', 'Host: a'),
    sent: ['OPTIONS * HTTP/1.1', 'Host: a'],
    path: '/',
  },
  {
    title: 'OPTIONS of an address',
    raw: head('OPTIONS http://a HTTP/1.1', 'Host: a'),
    sent: ['OPTIONS * HTTP/1.1', 'Host: a'],
    path: '/',
  },

  // HTTP/1.0
  {
    title: 'HTTP/1.0',
    raw: head('GET /a HTTP/1.0', 'Host: a'),
    sent: ['GET /a HTTP/1.1', 'Host: a'],
    is: { persistent: false },
  },
  {
    title: 'HTTP/1.0 that stays',
    raw: head('GET / HTTP/1.0', 'Host: a', 'Connection: Keep-Alive'),
    sent: ['GET / HTTP/1.1', 'Host: a'],
    is: { persistent: true },
  },
  {
    title: 'HTTP/1.0 without Host',
    raw: head('GET / HTTP/1.0'),
    sent: ['GET / HTTP/1.1', 'Host: '],
    is: { host: '', authority: '' },
  },
  {
    title: 'HTTP/1.0 with an address instead of Host',
    raw: head('GET http://B.example/ HTTP/1.0'),
    sent: ['GET / HTTP/1.1', 'Host: B.example'],
    is: { host: 'b.example' },
  },
  {
    title: 'HTTP/1.0 that expects and upgrades',
    raw: head('GET / HTTP/1.0', 'Host: a', 'Expect: 100-continue', ...upgrade),
    sent: ['GET / HTTP/1.1', 'Host: a'],
    is: { upgrade: '' },
  },

  // Hosts
  {
    title: 'a host in capitals with port and final dot',
    raw: host('A.Example.:8080'),
    sent: ['GET / HTTP/1.1', 'Host: A.Example.:8080'],
    is: { host: 'a.example', authority: 'A.Example.:8080' },
  },
  { title: 'an empty port', raw: host('a:'), sent: ['GET / HTTP/1.1', 'Host: a:'], is: { host: 'a' } },
  {
    title: 'an IPv4 host',
    raw: host('192.0.2.1:80'),
    sent: ['GET / HTTP/1.1', 'Host: 192.0.2.1:80'],
    is: { host: '192.0.2.1' },
  },
  {
    title: 'an IPv6 host',
    raw: host('[2001:DB8::1]:80'),
    sent: ['GET / HTTP/1.1', 'Host: [2001:DB8::1]:80'],
    is: { host: '[2001:db8::1]' },
  },
  {
    title: 'a host with an underscore',
    raw: host('my_app'),
    sent: ['GET / HTTP/1.1', 'Host: my_app'],
    is: { host: 'my_app' },
  },

  // Hop by hop
  { title: 'Connection: keep-alive', raw: get('Connection: keep-alive'), sent: plain, is: { persistent: true } },
  { title: 'Connection: close', raw: get('Connection: Close'), sent: plain, is: { persistent: false } },
  {
    title: 'close beats keep-alive',
    raw: get('Connection: keep-alive', 'Connection: close'),
    sent: plain,
    is: { persistent: false },
  },
  { title: 'empty members of Connection', raw: get('Connection: ,, close ,'), sent: plain, is: { persistent: false } },
  {
    title: 'nominated fields',
    raw: head(
      'GET / HTTP/1.1',
      'X-Secret: 1',
      'Host: a.example',
      'Connection: x-secret , X-Other',
      'x-other: 2',
      'X-Stays: 3',
      'X-SECRET: 4',
    ),
    sent: ['GET / HTTP/1.1', 'Host: a.example', 'X-Stays: 3'],
  },
  {
    title: 'nominations of what is protected',
    raw: get(
      'Connection: host, content-length, authorization, cookie, forwarded, x-forwarded-for, x-real-ip, via, transfer-encoding, expect',
      'Authorization: x',
      'Cookie: y',
      'Via: 1.0 z',
      'Content-Length: 3',
    ),
    sent: [...plain, 'Authorization: x', 'Cookie: y', 'Via: 1.0 z'],
    added: ['Content-Length: 3'],
    is: { contentLength: 3 },
  },
  {
    title: 'all hop-by-hop fields',
    raw: get(
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'TE: gzip',
      'Trailer: X',
      'Upgrade: websocket',
      'Proxy-Authenticate: Basic',
      'Proxy-Authorization: Basic eDp5',
      'HTTP2-Settings: AAMAAABk',
      'X: y',
    ),
    sent: [...plain, 'X: y'],
    is: { upgrade: '' },
  },
  {
    title: 'TE: trailers',
    raw: get('TE: gzip, Trailers', 'Connection: te'),
    sent: plain,
    added: ['Connection: TE', 'TE: trailers'],
    is: { trailers: true },
  },

  // Fields that are ours
  {
    title: 'what a client may not say of itself',
    raw: get(
      'X-Forwarded-For: 1.2.3.4',
      'x-forwarded-proto: https',
      'X-Forwarded-Host: b',
      'X-Forwarded-Port: 1',
      'X-Forwarded-Prefix: /x',
      'X-Real-IP: 1.2.3.4',
      'Forwarded: for=1.2.3.4',
      'X-Request-Id: mine',
      'X-Gatepool-Anything: 1',
      'X-Forwarded: stays',
    ),
    sent: [...plain, 'X-Forwarded: stays'],
    is: { forwardedFor: '', requestId: '', client: '192.0.2.7' },
  },
  {
    title: 'the same with underscores',
    raw: get(
      'X_Forwarded_For: 1',
      'X-Forwarded_For: 1',
      'content_length: 5',
      'Transfer_Encoding: chunked',
      'X_Real_IP: 1',
      'X_Gatepool_X: 1',
      'x_request_id: 1',
      'keep_alive: 1',
      'my_field: stays',
      '_: stays',
    ),
    sent: [...plain, 'my_field: stays', '_: stays'],
    is: { body: 'none' },
  },
  {
    title: 'names that are nearly ours',
    raw: get(
      'Hosts: b',
      'X-Forwarded: 1',
      'XX-Forwarded-For: 1',
      'Content-Lengths: 9',
      'X-Gatepool: 1',
      'Contents-Length: 9',
    ),
    sent: [
      ...plain,
      'Hosts: b',
      'X-Forwarded: 1',
      'XX-Forwarded-For: 1',
      'Content-Lengths: 9',
      'X-Gatepool: 1',
      'Contents-Length: 9',
    ],
  },
  {
    title: 'long names of our families',
    raw: get(`X-Forwarded-${'a'.repeat(99)}: 1`, `X-Gatepool-${'b'.repeat(99)}: 1`, `X-Gatepoot-${'b'.repeat(99)}: 1`),
    sent: [...plain, `X-Gatepoot-${'b'.repeat(99)}: 1`],
  },

  // Bodies
  {
    title: 'Content-Length',
    raw: head('POST / HTTP/1.1', 'Host: a', 'content-length: \t0042 '),
    sent: ['POST / HTTP/1.1', 'Host: a'],
    added: ['Content-Length: 42'],
    is: { body: 'length', contentLength: 42 },
  },
  {
    title: 'Content-Length 0',
    raw: get('Content-Length: 0'),
    sent: plain,
    added: ['Content-Length: 0'],
    is: { body: 'length' },
  },
  {
    title: 'the largest Content-Length',
    raw: get('Content-Length: 9007199254740991'),
    sent: plain,
    added: ['Content-Length: 9007199254740991'],
    is: { contentLength: Number.MAX_SAFE_INTEGER },
  },
  {
    title: 'chunked',
    raw: head('DELETE / HTTP/1.1', 'Host: a', 'transfer-encoding: Chunked'),
    sent: ['DELETE / HTTP/1.1', 'Host: a'],
    added: ['Transfer-Encoding: chunked'],
    is: { body: 'chunked', contentLength: -1 },
  },
  {
    title: 'an expectation',
    raw: get('Expect: 100-Continue', 'Content-Length: 1'),
    sent: [...plain, 'Expect: 100-Continue'],
    added: ['Content-Length: 1'],
    is: { expect: 'continue' },
  },

  // Upgrades
  {
    title: 'an upgrade',
    raw: get('Sec-WebSocket-Version: 13', 'Connection: keep-alive, Upgrade', 'Upgrade: WebSocket'),
    sent: [...plain, 'Sec-WebSocket-Version: 13'],
    added: ['Connection: Upgrade', 'Upgrade: WebSocket'],
    is: { upgrade: 'WebSocket' },
  },
  {
    title: 'an upgrade with an empty body',
    raw: get(...upgrade, 'Content-Length: 0'),
    sent: plain,
    added: ['Content-Length: 0', ...upgrade],
  },
  {
    title: 'an upgrade that Connection does not name',
    raw: get('Upgrade: websocket'),
    sent: plain,
    is: { upgrade: '' },
  },
  {
    title: 'an upgrade behind a body',
    raw: get(...upgrade, 'Content-Length: 5'),
    sent: plain,
    added: ['Content-Length: 5'],
    is: { upgrade: '' },
  },
  {
    title: 'an upgrade behind a chunked body',
    raw: get(...upgrade, 'Transfer-Encoding: chunked'),
    sent: plain,
    added: ['Transfer-Encoding: chunked'],
  },
  {
    title: 'a choice of upgrades',
    raw: get('Connection: upgrade', 'Upgrade: websocket, h2c'),
    sent: plain,
    is: { upgrade: '' },
  },
  { title: 'upgrades on two lines', raw: get(...upgrade, 'Upgrade: websocket'), sent: plain, is: { upgrade: '' } },
]
