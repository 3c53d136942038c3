/** Raw response heads, and what must become of each. Text is latin1, one character a byte. */
import type { ResponseHead } from '../../../src/traffic/http/response-head.ts'
import { head } from './request-corpus.ts'

export interface RefusedResponse {
  readonly title: string
  readonly raw: string
}

const ok = (...fields: string[]): string => head('HTTP/1.1 200 OK', ...fields)

export const refusedResponses: readonly RefusedResponse[] = [
  { title: 'no HTTP at all', raw: 'SSH-2.0-OpenSSH_9.2\r\n' },
  { title: 'HTTP/2.0', raw: head('HTTP/2.0 200 OK') },
  { title: 'HTTP/1.2', raw: head('HTTP/1.2 200 OK') },
  { title: 'ICY', raw: head('ICY 200 OK') },
  { title: 'an empty line in front', raw: `\r\n${ok()}` },
  { title: 'a status of two digits', raw: head('HTTP/1.1 20 OK') },
  { title: 'a status of four digits', raw: head('HTTP/1.1 2000 OK') },
  { title: 'a status below 100', raw: head('HTTP/1.1 099 OK') },
  { title: 'a status that is no number', raw: head('HTTP/1.1 2xx OK') },
  { title: 'two blanks before the status', raw: head('HTTP/1.1  200 OK') },
  { title: 'a tab behind the status', raw: head('HTTP/1.1 200\tOK') },
  { title: 'a control byte in the reason', raw: head('HTTP/1.1 200 O\x00K') },
  { title: 'a bare LF behind the status line', raw: 'HTTP/1.1 200 OK\nX: y\r\n\r\n' },
  { title: 'a bare CR behind the status line', raw: 'HTTP/1.1 200 OK\rX: y\r\n\r\n' },
  { title: 'a bare LF behind a field', raw: 'HTTP/1.1 200 OK\r\nX: y\n\r\n' },
  { title: 'a folded line', raw: ok('X: a', ' b') },
  { title: 'white space before a colon', raw: ok('Content-Length : 5') },
  { title: 'a NUL in a value', raw: ok('X: \x00') },
  { title: 'a name that is no token', raw: ok('X(1): y') },
  { title: 'two Content-Lengths', raw: ok('Content-Length: 5', 'Content-Length: 5') },
  { title: 'a list of Content-Lengths', raw: ok('Content-Length: 5, 5') },
  { title: 'Content-Length that is no number', raw: ok('Content-Length: five') },
  { title: 'Content-Length 2^53', raw: ok('Content-Length: 9007199254740992') },
  { title: 'Content-Length and Transfer-Encoding', raw: ok('Content-Length: 5', 'Transfer-Encoding: chunked') },
  { title: 'another coding', raw: ok('Transfer-Encoding: gzip') },
  { title: 'a list of codings', raw: ok('Transfer-Encoding: gzip, chunked') },
  { title: 'chunked twice', raw: ok('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') },
  { title: 'a tab behind the coding', raw: ok('Transfer-Encoding: chunked\t') },
  { title: 'an empty coding', raw: ok('Transfer-Encoding:') },
  { title: 'chunked on HTTP/1.0', raw: head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked') },
  { title: 'an interim answer of HTTP/1.0', raw: head('HTTP/1.0 100 Continue') },
  { title: 'a switch without Upgrade', raw: head('HTTP/1.1 101 Switching Protocols', 'Connection: upgrade') },
  {
    title: 'a switch that Connection does not name',
    raw: head('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket'),
  },
  { title: 'a Connection field that is no list', raw: ok('Connection: a b') },
  { title: 'a head that is too large', raw: ok(`X: ${'a'.repeat(33_000)}`) },
  { title: 'an endless reason', raw: head(`HTTP/1.1 200 ${'a'.repeat(33_000)}`) },
  { title: 'too many fields', raw: ok(...Array<string>(101).fill('X: y')) },
]

export interface AcceptedResponse {
  readonly title: string
  readonly raw: string
  /** The lines that go on to an HTTP/1.1 client, without those that frame or speak of the connection. */
  readonly sent: readonly string[]
  /** The framing line that we add. */
  readonly framing?: string
  readonly toHead?: true
  readonly is: Partial<ResponseHead>
}

const OK = 'HTTP/1.1 200 OK'
const chunked = 'Transfer-Encoding: chunked'

export const acceptedResponses: readonly AcceptedResponse[] = [
  {
    title: 'a length',
    raw: ok('content-length: 05', 'X: y'),
    sent: [OK, 'X: y'],
    framing: 'Content-Length: 5',
    is: { status: 200, body: 'length', contentLength: 5, persistent: true },
  },
  {
    title: 'chunks',
    raw: ok('X: y', 'transfer-encoding: Chunked'),
    sent: [OK, 'X: y'],
    framing: chunked,
    is: { body: 'chunked', persistent: true },
  },
  { title: 'until close', raw: ok(), sent: [OK], framing: chunked, is: { body: 'close', persistent: false } },
  {
    title: 'an answer of HTTP/1.0',
    raw: head('HTTP/1.0 200 OK', 'X: y'),
    sent: [OK, 'X: y'],
    framing: chunked,
    is: { minor: 0, body: 'close', persistent: false },
  },
  {
    title: 'an answer of HTTP/1.0 that stays',
    raw: head('HTTP/1.0 200 OK', 'Connection: keep-alive', 'Content-Length: 1'),
    sent: [OK],
    framing: 'Content-Length: 1',
    is: { persistent: true },
  },
  {
    title: 'an upstream that will close',
    raw: ok('Connection: close', 'Content-Length: 1'),
    sent: [OK],
    framing: 'Content-Length: 1',
    is: { persistent: false },
  },
  {
    title: 'no reason',
    raw: head('HTTP/1.1 200 ', 'Content-Length: 0'),
    sent: ['HTTP/1.1 200 '],
    framing: 'Content-Length: 0',
    is: { status: 200 },
  },
  {
    title: 'no reason and no blank',
    raw: head('HTTP/1.1 404', 'Content-Length: 0'),
    sent: ['HTTP/1.1 404 '],
    framing: 'Content-Length: 0',
    is: { status: 404 },
  },
  {
    title: 'a reason above ASCII',
    raw: head('HTTP/1.1 200 tr\xe8s bien', 'Content-Length: 0'),
    sent: ['HTTP/1.1 200 tr\xe8s bien'],
    framing: 'Content-Length: 0',
    is: {},
  },
  {
    title: 'a status of nobody',
    raw: head('HTTP/1.1 999 What', 'Content-Length: 0'),
    sent: ['HTTP/1.1 999 What'],
    framing: 'Content-Length: 0',
    is: { status: 999 },
  },
  {
    title: 'an answer to HEAD with a length',
    raw: ok('Content-Length: 5'),
    toHead: true,
    sent: [OK],
    framing: 'Content-Length: 5',
    is: { body: 'none', contentLength: 5, persistent: true },
  },
  {
    title: 'an answer to HEAD with chunks',
    raw: ok(chunked),
    toHead: true,
    sent: [OK],
    is: { body: 'none', persistent: true },
  },
  {
    title: 'an answer to HEAD that says nothing',
    raw: ok(),
    toHead: true,
    sent: [OK],
    is: { body: 'none', persistent: true },
  },
  {
    title: '204 with a length',
    raw: head('HTTP/1.1 204 No Content', 'Content-Length: 0'),
    sent: ['HTTP/1.1 204 No Content'],
    is: { body: 'none', persistent: true },
  },
  {
    title: '204 with chunks',
    raw: head('HTTP/1.1 204 No Content', chunked),
    sent: ['HTTP/1.1 204 No Content'],
    is: { body: 'none' },
  },
  {
    title: '304 with the length it would have',
    raw: head('HTTP/1.1 304 Not Modified', 'ETag: "x"', 'Content-Length: 99'),
    sent: ['HTTP/1.1 304 Not Modified', 'ETag: "x"'],
    framing: 'Content-Length: 99',
    is: { body: 'none' },
  },
  {
    title: '100',
    raw: head('HTTP/1.1 100 Continue'),
    sent: ['HTTP/1.1 100 Continue'],
    is: { status: 100, body: 'none', persistent: true },
  },
  {
    title: '103',
    raw: head('HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload'),
    sent: ['HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload'],
    is: { status: 103 },
  },
  {
    title: '426 with what to upgrade to',
    raw: head('HTTP/1.1 426 Upgrade Required', 'Upgrade: h2c', 'Connection: upgrade', 'Content-Length: 0'),
    sent: ['HTTP/1.1 426 Upgrade Required'],
    framing: 'Content-Length: 0',
    is: { upgrade: '' },
  },
  {
    title: 'Keep-Alive with a timeout',
    raw: ok('Keep-Alive: timeout=5, max=100', 'Content-Length: 0'),
    sent: [OK],
    framing: 'Content-Length: 0',
    is: { keepAliveTimeout: 5 },
  },
  {
    title: 'Keep-Alive without one',
    raw: ok('Keep-Alive: max=100', 'Content-Length: 0'),
    sent: [OK],
    framing: 'Content-Length: 0',
    is: { keepAliveTimeout: -1 },
  },
  {
    title: 'hop-by-hop and nominated fields',
    raw: ok(
      'X-Private: 1',
      'Connection: x-private, set-cookie2, via',
      'Proxy-Authenticate: Basic',
      'Trailer: X',
      'Proxy-Connection: close',
      'Upgrade: h2',
      'Set-Cookie: a=b',
      'Via: 1.1 x',
      'Content-Length: 0',
    ),
    sent: [OK, 'Set-Cookie: a=b', 'Via: 1.1 x'],
    framing: 'Content-Length: 0',
    is: {},
  },
  {
    title: 'fields that mean something in a request only',
    raw: ok(
      'Host: a',
      'Host: b',
      'Expect: x',
      'X-Forwarded-For: 1',
      'X_Real_IP: 2',
      'X-Request-Id: 3',
      'Content-Length: 0',
    ),
    sent: [OK, 'Host: a', 'Host: b', 'Expect: x', 'X-Forwarded-For: 1', 'X_Real_IP: 2', 'X-Request-Id: 3'],
    framing: 'Content-Length: 0',
    is: {},
  },
]
