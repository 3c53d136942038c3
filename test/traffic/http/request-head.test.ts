import { test } from 'tap'
import { errors } from '../../../src/errors.ts'
import type { IsTrusted } from '../../../src/traffic/address.ts'
import { createPeer, type Peer } from '../../../src/traffic/http/peer.ts'
import {
  createRequestHead,
  type RequestHead,
  readRequestHead,
  requestPath,
  requestTarget,
  resetRequestHead,
} from '../../../src/traffic/http/request-head.ts'
import { upstreamRequestHead } from '../../../src/traffic/http/write-head.ts'
import { acceptedRequests, head as lines, refusedRequests } from './request-corpus.ts'

const LIMITS = { requestLine: 8192, head: 32_768, fields: 100 }
const peer = (isTrusted: IsTrusted = () => false): Peer => createPeer('192.0.2.7', 'http', 8080, isTrusted)
const fresh = (): RequestHead => createRequestHead(LIMITS, peer())

const US = 'X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n'

/** What we say of ourselves and of the client, behind the lines that go on. */
function tail(head: RequestHead): string {
  const host = head.authority === '' ? '' : `X-Forwarded-Host: ${head.authority}\r\n`
  return `${US}${host}Via: 1.${head.line.minor} gatepool\r\nX-Request-Id: id\r\n`
}

function whole(raw: string, head: RequestHead = fresh()): { head: RequestHead; progress: string } {
  const bytes = Buffer.from(raw, 'latin1')
  return { head, progress: readRequestHead(head, bytes, 0, bytes.length) }
}

/** Reads a byte more each time, from a buffer that is elsewhere each time. */
function byByte(raw: string): { head: RequestHead; progress: string } {
  const head = fresh()
  const bytes = Buffer.from(raw, 'latin1')
  for (let end = 1; end <= bytes.length; end++) {
    const start = end % 5
    const moved = Buffer.alloc(start + end + 3, '\r\n')
    bytes.copy(moved, start, 0, end)
    const progress = readRequestHead(head, moved, start, start + end)
    if (progress !== 'more') return { head, progress }
  }
  return { head, progress: 'more' }
}

/** Reads the first `at` bytes, then all. */
function inTwo(raw: string, at: number): { head: RequestHead; progress: string } {
  const head = fresh()
  const bytes = Buffer.from(raw, 'latin1')
  const first = readRequestHead(head, bytes, 0, at)
  return { head, progress: first === 'more' ? readRequestHead(head, bytes, 0, bytes.length) : first }
}

/** Where to cut a text in two: everywhere, but a long one only near its ends. */
function places({ length }: { length: number }): number[] {
  return Array.from({ length: length - 1 }, (_, k) => k + 1).filter(k => length < 2000 || k < 200 || k > length - 200)
}

/** Everything that the engine can learn from a head that is done. */
function learnt(head: RequestHead): unknown {
  const { line, text, end, host, authority, body, contentLength, expect, persistent, trailers, upgrade, client } = head
  return {
    ...{ text, end, host, authority, body, contentLength, expect, persistent, trailers, upgrade, client },
    method: line.method,
    minor: line.minor,
    path: requestPath(head),
    target: requestTarget(head),
    sent: upstreamRequestHead(head, 'id', ''),
    cuts: head.cuts.ranges.slice(0, head.cuts.length),
  }
}

test('refused requests', async t => {
  for (const { title, raw, code } of refusedRequests) {
    await t.test(`${title}: ${errors[code].status}`, t => {
      const { head, progress } = whole(raw)
      t.equal(progress, 'refused')
      t.equal(head.refusal.code, code, head.refusal.detail)
      const dribbled = byByte(raw)
      t.equal(dribbled.progress, 'refused', 'byte by byte')
      t.equal(dribbled.head.refusal, head.refusal, 'for the same reason byte by byte')
      const differing = places(raw).filter(at => inTwo(raw, at).head.refusal !== head.refusal)
      t.strictSame(differing, [], 'for the same reason in two pieces')
      t.end()
    })
  }
})

test('accepted requests: what goes on to the upstream', async t => {
  for (const { title, raw, sent, added = [], path, is = {} } of acceptedRequests) {
    await t.test(title, t => {
      const { head, progress } = whole(raw)
      t.equal(progress, 'done', head.refusal.detail)
      t.equal(
        upstreamRequestHead(head, 'id', ''),
        `${sent.join('\r\n')}\r\n${tail(head)}${added.map(line => `${line}\r\n`).join('')}\r\n`,
      )
      if (path !== undefined) t.equal(requestPath(head), path)
      t.has(head, is)
      t.equal(head.text, raw.slice(0, head.end))
      const dribbled = byByte(raw)
      t.equal(dribbled.progress, 'done', 'byte by byte')
      t.strictSame(learnt(dribbled.head), learnt(head), 'the same byte by byte')
      const expected = JSON.stringify(learnt(head))
      t.strictSame(
        places({ length: head.end }).filter(at => JSON.stringify(learnt(inTwo(raw, at).head)) !== expected),
        [],
        'the same in two pieces',
      )
      t.end()
    })
  }
})

test('one head serves every request of its connection', t => {
  const head = fresh()
  for (const { title, raw } of [...acceptedRequests, ...acceptedRequests.toReversed()]) {
    resetRequestHead(head)
    t.equal(whole(raw, head).progress, 'done', title)
    t.strictSame(learnt(head), learnt(whole(raw, createRequestHead(LIMITS, head.peer)).head), title)
  }
  t.end()
})

test('pipelined requests are read one at a time, from where the one before ended', t => {
  const bytes = Buffer.from(
    `${lines('GET /1 HTTP/1.1', 'Host: a')}\r\n${lines('GET /2 HTTP/1.1', 'Host: b')}`,
    'latin1',
  )
  const head = fresh()
  t.equal(readRequestHead(head, bytes, 0, bytes.length), 'done')
  t.equal(requestPath(head), '/1')
  const next = head.end
  resetRequestHead(head)
  t.equal(readRequestHead(head, bytes, next, bytes.length), 'done')
  t.equal(requestPath(head), '/2')
  t.equal(head.host, 'b')
  t.equal(next + head.end, bytes.length)
  t.end()
})

test('nothing is said about a head that has not begun', t => {
  const head = fresh()
  t.equal(readRequestHead(head, Buffer.alloc(4), 2, 2), 'more')
  t.equal(readRequestHead(head, Buffer.from('\r'), 0, 1), 'more')
  t.end()
})

test('the method is known before the fields are', t => {
  const { head, progress } = whole('HEAD / HTTP/1.1\r\nbroken')
  t.equal(progress, 'more')
  t.equal(head.line.method, 'HEAD')
  t.end()
})

test('a head that dribbles is not read again from its start', t => {
  const bytes = Buffer.from(lines('GET / HTTP/1.1', `X: ${'a'.repeat(20_000)}`, 'Host: a'), 'latin1')
  let looked = 0
  const counting = new Proxy(bytes, {
    get(target, key) {
      if (typeof key === 'string' && /^\d/.test(key)) looked++
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const head = fresh()
  let end = 1
  while (readRequestHead(head, counting, 0, end) === 'more') end++
  t.equal(end, bytes.length)
  t.ok(looked < 6 * bytes.length, `${looked} looks at ${bytes.length} bytes`)
  t.end()
})

test('what a trusted peer says goes on, and its client is found', t => {
  const trusting = (...fields: string[]): RequestHead => {
    const head = createRequestHead(
      LIMITS,
      peer(address => /^(192\.0\.2|10)\./.test(address)),
    )
    t.equal(whole(lines('GET / HTTP/1.1', 'Host: a', ...fields), head).progress, 'done')
    return head
  }
  const full = trusting(
    'X-Forwarded-For: 198.51.100.1, 203.0.113.9',
    'X-Forwarded-For: 10.0.0.1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.example',
    'X-Forwarded-Port: 443',
    'X-Forwarded-Prefix: /p',
    'X-Real-IP: 203.0.113.9',
    'Forwarded: for=203.0.113.9',
    'X-Request-Id: theirs',
    'X-Request-Id: twice',
    'X-Gatepool-X: 1',
  )
  t.equal(full.client, '203.0.113.9')
  t.equal(full.requestId, 'theirs')
  t.equal(
    upstreamRequestHead(full, 'id', ''),
    lines(
      'GET / HTTP/1.1',
      'Host: a',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: shop.example',
      'X-Forwarded-Port: 443',
      'X-Forwarded-Prefix: /p',
      'X-Real-IP: 203.0.113.9',
      'Forwarded: for=203.0.113.9',
      'X-Request-Id: theirs',
      'X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.1, 192.0.2.7',
      'Via: 1.1 gatepool',
    ),
  )

  const sparse = trusting('X-Forwarded-For: 203.0.113.9', `X-Request-Id: ${'x'.repeat(129)}`)
  t.equal(
    upstreamRequestHead(sparse, 'id', ''),
    lines(
      'GET / HTTP/1.1',
      'Host: a',
      'X-Forwarded-For: 203.0.113.9, 192.0.2.7',
      'X-Forwarded-Proto: http',
      'X-Forwarded-Port: 8080',
      'X-Forwarded-Host: a',
      'X-Real-IP: 203.0.113.9',
      'Via: 1.1 gatepool',
      'X-Request-Id: id',
    ),
  )
  const silent = trusting()
  t.equal(silent.client, '192.0.2.7')
  t.match(upstreamRequestHead(silent, 'id', ''), 'X-Forwarded-For: 192.0.2.7\r\n')

  resetRequestHead(full)
  t.equal(whole(lines('GET / HTTP/1.1', 'Host: a'), full).progress, 'done')
  t.equal(full.client, '192.0.2.7', 'nothing is left of the request before')
  t.match(upstreamRequestHead(full, 'id', ''), 'X-Forwarded-Proto: http\r\n')
  t.end()
})

test("another host for the upstream takes the place of the client's", t => {
  const { head } = whole(lines('GET / HTTP/1.1', 'A: 1', 'Connection: b', 'Host: a', 'B: 2', 'C: 3'))
  const expected = lines('GET / HTTP/1.1', 'A: 1', 'C: 3', 'Host: inner:8080', ...tail(head).trimEnd().split('\r\n'))
  t.equal(upstreamRequestHead(head, 'id', 'inner:8080'), expected)
  t.equal(upstreamRequestHead(head, 'id', 'inner:8080'), expected, 'also the second time')
  t.match(expected, 'X-Forwarded-Host: a\r\n')
  t.end()
})
