/**
 * Random HTTP/1.1 messages as latin1 text: valid ones, ones that bend a rule, and ones that were damaged on the way. What they are made of
 * is what readers are known to disagree about. The same dice make the same message.
 */
import type { Dice } from '../support/dice.ts'

/** One of a list that is not empty. */
function one<T>(dice: Dice, list: readonly T[]): T {
  return list[dice.int(list.length)] as T
}

/** Up to `most` pieces in a row. */
function some(dice: Dice, pieces: readonly string[], most: number): string {
  let text = ''
  for (let left = dice.int(most + 1); left > 0; left--) text += one(dice, pieces)
  return text
}

const METHODS = [
  'GET',
  'GET',
  'GET',
  'POST',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
  'M-SEARCH',
]
const ODD_METHODS = ['QUERY', 'get', 'G\tT', 'CONNECT', 'TRACE', 'PRI', 'FOO', '', 'GET,', 'SOURCE']
const PATH = [
  'a',
  'b',
  '/',
  '/',
  '/',
  '.',
  '..',
  '%2e',
  '%2F',
  '%',
  '\\',
  ';c',
  '~',
  '|',
  '"',
  ':',
  '@',
  '*',
  'index.html',
]
const QUERY = ['a=b', '&', '?', '/../', '#', '%00', '=', ';']
const ODD_TARGETS = [
  '*',
  'http://a.example',
  'http://a.example?x',
  'HTTP://A.example:80/x',
  'http://u@a.example/',
  'a.example:80',
]
const ODD_TARGETS_TOO = ['//a.example/', 'x', 'https://a.example/y', 'ftp://a.example/', '/a b', '/\xe9', '/\x7f', '']
const VERSIONS = ['HTTP/1.0', 'HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/1.01', '']
const HOSTS = [
  'a.example:80',
  'A.Example.',
  '[::1]:80',
  '127.0.0.1',
  'a_b',
  'a..b',
  '',
  'a b',
  'a,b',
  'u@a',
  'a:',
  '[::1',
  'a/b',
]

const TOKEN = [..."aAzZ09!#$%&'*+-.^_`|~", 'Content', 'Length', 'X-', '-']
const VALUE = [...'aZ09-_ \t,;="/:\\', '\x80', '\xff', 'chunked', 'close', 'a=b']
/** Fields that mean something to whoever passes them on, and their neighbours. */
const FIELDS = [
  'Connection: close',
  'Connection: keep-alive',
  'connection: Keep-Alive, X-Secret',
  'Connection: host, content-length, via',
  'Connection: ,, close ,',
  'Connection: upgrade',
  'Connection: Upgrade, keep-alive',
  'Connection: transfer-encoding',
  'Connection: a b',
  'X-Secret: 1',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Upgrade: websocket, h2c',
  'HTTP2-Settings: AAMAAABk',
  'Sec-WebSocket-Key: x',
  'Keep-Alive: timeout=5, max=10',
  'Proxy-Connection: keep-alive',
  'TE: trailers',
  'TE: gzip, trailers;q=0.5',
  'Trailer: A, Content-Length',
  'X-Forwarded-For: 6.6.6.6',
  'X_Forwarded_For: 6.6.6.6',
  'Forwarded: for=6.6.6.6',
  'Content_Length: 7',
  'Content-Lengths: 7',
  'Transfer_Encoding: chunked',
  'Transfer-Encodings: chunked',
  'Cookie:\ta=b ',
  'Accept:',
  'Accept: */*',
  'Via: 1.0 z',
  'Set-Cookie: a=b',
  'Set-Cookie: c=d',
  'X: \x80\xff"',
  "!#$%&'*+-.^_`|~: y",
]
/** Fields that frame, in ways that are not all right. */
const FRAMING = [
  'Content-Length: 0',
  'Content-Length: 3',
  'Content-Length: +3',
  'Content-Length: 003',
  'Content-Length:\t3',
  'Content-Length: 3\t',
  'Transfer-Encoding:\tchunked',
  'Content-Length: 3, 3',
  'Content-Length: 0x3',
  'Content-Length: 9007199254740993',
  'Content-Length:',
  'Content-Length : 3',
  'Content-Length\t: 3',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunked;a=b',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding:',
  'Transfer-Encoding : chunked',
]
const REQUEST_FIELDS = [
  'Expect: 100-continue',
  'Expect: 100-Continue',
  'Expect: x',
  'X-Request-Id: r',
  'X-Gatepool-A: 1',
]

/** Bodies are made of what looks like framing and like messages. */
const BODY = [
  'a',
  'hello',
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  '0\r\n\r\n',
  '5\r\n',
  ';',
  '\x00',
  '\xff',
  'GET /inside HTTP/1.1\r\nHost: inside.example\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
]
const EXTENSIONS = [
  '',
  '',
  '',
  '',
  ';a',
  ';a=b',
  ';a="b;\\"c"',
  ';a;b=c',
  ';a="\t\x80"',
  ' ;a',
  ';',
  ';a=',
  ';a="',
  '\t',
]
const TRAILERS = [
  'A: 1\r\n',
  'Host: x\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'X_Real_IP: 1\r\n',
  'B:\r\n',
]

function body(dice: Dice): string {
  // Now and then one that does not fit into one read, nor into what is held for a retry.
  if (dice.maybe(0.003)) return one(dice, BODY).repeat(1 + dice.int(20_000))
  return some(dice, BODY, 4)
}

function chunked(dice: Dice): string {
  let text = ''
  for (let left = dice.int(4); left > 0; left--) {
    const data = body(dice)
    if (data === '') continue
    const size = data.length.toString(16)
    const written = dice.maybe(0.2) ? size.toUpperCase() : size
    text += `${'0'.repeat(dice.maybe(0.1) ? dice.int(20) : 0)}${written}${one(dice, EXTENSIONS)}\r\n${data}\r\n`
  }
  return `${text}0${one(dice, EXTENSIONS)}\r\n${dice.maybe(0.2) ? some(dice, TRAILERS, 2) : ''}\r\n`
}

/** Adds a way to frame a body to `fields`, and answers the body. */
function frame(dice: Dice, fields: string[]): string {
  const draw = dice.random()
  if (draw < 0.4) return ''
  if (draw < 0.65) {
    const text = body(dice)
    fields.push(`Content-Length: ${text.length}`)
    return text
  }
  if (draw < 0.9) {
    fields.push('Transfer-Encoding: chunked')
    return chunked(dice)
  }
  fields.push(one(dice, FRAMING))
  if (dice.maybe(0.3)) fields.push(one(dice, FRAMING))
  return dice.maybe(0.5) ? chunked(dice) : body(dice)
}

function field(dice: Dice): string {
  return dice.maybe(0.7) ? one(dice, FIELDS) : `${one(dice, TOKEN)}${some(dice, TOKEN, 5)}: ${some(dice, VALUE, 6)}`
}

/** Lines in any order, and the empty line. */
function head(dice: Dice, startLine: string, fields: string[]): string {
  for (let i = fields.length - 1; i > 0; i--) {
    const j = dice.int(i + 1)
    ;[fields[i], fields[j]] = [fields[j] as string, fields[i] as string]
  }
  return `${startLine}\r\n${fields.map(line => `${line}\r\n`).join('')}\r\n`
}

export function randomRequest(dice: Dice): string {
  const method = dice.maybe(0.03) ? one(dice, ODD_METHODS) : one(dice, METHODS)
  const version = dice.maybe(0.06) ? one(dice, VERSIONS) : 'HTTP/1.1'
  const fields: string[] = []
  if (!dice.maybe(0.02)) fields.push(`Host: ${dice.maybe(0.05) ? one(dice, HOSTS) : 'a.example'}`)
  if (dice.maybe(0.01)) fields.push('host: a.example')
  for (let left = dice.int(6); left > 0; left--) fields.push(dice.maybe(0.08) ? one(dice, REQUEST_FIELDS) : field(dice))
  const content = frame(dice, fields)
  const start = `${method} ${target(dice)} ${version}`
  return (dice.maybe(0.02) ? '\r\n' : '') + head(dice, start, fields) + content
}

function target(dice: Dice): string {
  if (dice.maybe(0.06)) return one(dice, ODD_TARGETS)
  if (dice.maybe(0.02)) return one(dice, ODD_TARGETS_TOO)
  return `/${some(dice, PATH, 5)}${dice.maybe(0.3) ? `?${some(dice, QUERY, 3)}` : ''}`
}

const STATUS = [
  '200 OK',
  '200 OK',
  '200 OK',
  '200 ',
  '200',
  '204 No Content',
  '304 Not Modified',
  '404 x y',
  '500 \xe9',
  '999 z',
  '205 r',
]
const ODD_STATUS = ['20 OK', '2000 OK', '099 x', '2x0 y', '200  OK', ' 200 OK', '200\tOK', '200 O\x00K', '']
const INTERIM = ['100 Continue', '102 Processing', '103 Early Hints', '101 Switching Protocols', '199 x']
const RESPONSE_VERSIONS = ['HTTP/1.0', 'HTTP/1.0', 'HTTP/1.2', 'http/1.1', 'ICY', 'HTTP/2.0']

/** An answer, perhaps behind interim ones. `toHead`: to a HEAD request. */
export function randomResponse(dice: Dice): { readonly raw: string; readonly toHead: boolean } {
  const toHead = dice.maybe(0.15)
  let raw = ''
  while (dice.maybe(0.1)) {
    const fields: string[] = []
    for (let left = dice.int(3); left > 0; left--) fields.push(dice.maybe(0.1) ? one(dice, FRAMING) : field(dice))
    raw += head(dice, `HTTP/1.1 ${one(dice, INTERIM)}`, fields)
  }
  const version = dice.maybe(0.08) ? one(dice, RESPONSE_VERSIONS) : 'HTTP/1.1'
  const status = dice.maybe(0.03) ? one(dice, ODD_STATUS) : one(dice, STATUS)
  const fields: string[] = []
  for (let left = dice.int(6); left > 0; left--) fields.push(field(dice))
  const content = frame(dice, fields)
  return { raw: raw + head(dice, `${version} ${status}`, fields) + (toHead && dice.maybe(0.9) ? '' : content), toHead }
}

const BYTES = [
  '\0',
  '\t',
  '\n',
  '\v',
  '\r',
  ' ',
  ':',
  ';',
  ',',
  '=',
  '0',
  'a',
  'X',
  '_',
  '"',
  '\x7f',
  '\x80',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
]

/** The message with something wrong at up to three places; often with nothing. */
export function damaged(dice: Dice, raw: string): string {
  let text = raw
  for (const chance of [0.5, 0.3, 0.3]) {
    if (text === '' || !dice.maybe(chance)) return text
    text = damage(dice, text)
  }
  return text
}

function damage(dice: Dice, raw: string): string {
  // Where most is decided: at the ends of lines, else anywhere, the head more often than the body.
  const headEnd = raw.indexOf('\r\n\r\n') + 4
  const place = dice.int(dice.maybe(0.7) && headEnd > 4 ? headEnd : raw.length)
  const lineEnd = raw.indexOf('\r\n', place)
  const at = dice.maybe(0.3) && lineEnd >= 0 ? lineEnd : place
  switch (dice.int(8)) {
    case 0:
      return raw.slice(0, at) + raw.slice(at + 1 + dice.int(3))
    case 1:
      return raw.slice(0, at) + one(dice, BYTES) + raw.slice(at + 1)
    case 2:
      return raw.slice(0, at)
    case 3:
      // A line twice.
      return raw.slice(0, at) + raw.slice(raw.lastIndexOf('\r\n', Math.max(0, at - 2)) + 2, at) + raw.slice(at)
    case 4:
      // A line folded, or its end half missing.
      return lineEnd < 0
        ? raw
        : raw.slice(0, lineEnd) + one(dice, ['\r\n ', '\r\n\t', '\n', '\r']) + raw.slice(lineEnd + 2)
    case 5:
      return raw.slice(0, at) + (dice.maybe(0.5) ? (raw[at] ?? '').toUpperCase() : ' ') + raw.slice(at + 1)
    default:
      return raw.slice(0, at) + one(dice, BYTES) + raw.slice(at)
  }
}

/** Up to four places at which `length` bytes are split, in order; often none. */
export function randomCuts(dice: Dice, length: number): number[] {
  const cuts = Array.from({ length: dice.int(5) }, () => dice.int(length + 1))
  return cuts.sort((a, b) => a - b)
}
