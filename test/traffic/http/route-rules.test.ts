import { test } from 'tap'
import type { z } from 'zod'
import { route as schema } from '../../../src/config/definitions.ts'
import { createPeer } from '../../../src/traffic/http/peer.ts'
import {
  createRequestHead,
  type RequestHead,
  readRequestHead,
  requestPath,
  requestTarget,
} from '../../../src/traffic/http/request-head.ts'
import { createResponseHead, type ResponseHead, readResponseHead } from '../../../src/traffic/http/response-head.ts'
import { applyRules, compileRules, movedPath, type RouteRules } from '../../../src/traffic/http/route-rules.ts'
import { downstreamResponseHead, upstreamRequestHead } from '../../../src/traffic/http/write-head.ts'
import { head as lines } from './request-corpus.ts'

type Written = Partial<z.input<typeof schema>>

function rulesOf(written: Written): RouteRules {
  const rules = compileRules(schema.parse({ name: 'r', target: { pool: 'p' }, ...written }))
  if (rules === null) throw new Error('there are no rules')
  return rules
}

function request(raw: string, address = '192.0.2.7'): RequestHead {
  const peer = createPeer(address, 'http', 8080, () => false)
  const head = createRequestHead({ requestLine: 8192, head: 32_768, fields: 100 }, peer)
  const bytes = Buffer.from(raw, 'latin1')
  if (readRequestHead(head, bytes, 0, bytes.length) !== 'done') throw new Error(head.refusal.detail)
  return head
}

function response(raw: string): ResponseHead {
  const head = createResponseHead(32_768, 100)
  const bytes = Buffer.from(raw, 'latin1')
  if (readResponseHead(head, bytes, 0, bytes.length, false) !== 'done') throw new Error(head.refusal.detail)
  return head
}

/** The lines of a request that go on, without those that we always write. */
function sent(raw: string, written: Written): string[] {
  const head = request(raw)
  const rules = rulesOf(written)
  const ours = applyRules(rules, head)
  if (ours !== null) throw new Error('it goes nowhere')
  return upstreamRequestHead(head, 'id', '', rules)
    .split('\r\n')
    .filter(line => line !== '' && !/^(X-Forwarded-|X-Real-IP|Via|X-Request-Id)/.test(line))
}

test('a route without rules has none', t => {
  const plain = { name: 'r', target: { pool: 'p' } }
  t.equal(compileRules(schema.parse(plain)), null)
  t.equal(compileRules(schema.parse({ ...plain, strip_prefix: '/', add_prefix: '/' })), null)
  t.equal(compileRules(schema.parse({ ...plain, upstream_host: 'a', upgrade: [] })), null)
  t.end()
})

test('a prefix is cut off and another is put before what is left', t => {
  const table: readonly (readonly [path: string, strip: string, add: string, moved: string])[] = [
    ['/app', '/app', '', '/'],
    ['/app/', '/app', '', '/'],
    ['/app/x/', '/app', '', '/x/'],
    ['/apple', '/app', '', '/apple'],
    ['/App/x', '/app', '', '/App/x'],
    ['/app/app/x', '/app', '', '/app/x'],
    ['/x/app', '/app', '', '/x/app'],
    ['/app//evil.example/x', '/app', '', '/evil.example/x'],
    ['/app////', '/app', '', '/'],
    ['/app%2fx', '/app', '', '/app%2fx'],
    ['/a/b/c', '/a/b', '', '/c'],
    ['/', '', '/v2', '/v2/'],
    ['/x', '', '/v2', '/v2/x'],
    ['//x', '', '/v2', '/v2//x'],
    ['/app', '/app', '/v2', '/v2/'],
    ['/app/x', '/app', '/v2', '/v2/x'],
    ['/app//x', '/app', '/v2', '/v2/x'],
    ['/apple', '/app', '/v2', '/v2/apple'],
  ]
  for (const [path, strip, add, moved] of table)
    t.equal(movedPath(path, strip, add), moved, `${path} without ${strip || 'nothing'} behind ${add || 'nothing'}`)
  t.end()
})

test('the path that is sent is another, the one that is matched and the query are not', t => {
  const cases = [
    ['/app/x?a=/app/', '/app/x', '/v2/x?a=/app/'],
    ['/app?', '/app', '/v2/?'],
    ['/x/../app/./y?q', '/app/y', '/v2/y?q'],
    ['http://a/app/x?q', '/app/x', '/v2/x?q'],
    ['http://a/', '/', '/v2/'],
    ['/other', '/other', '/v2/other'],
  ] as const
  for (const [target, path, moved] of cases) {
    const head = request(lines(`GET ${target} HTTP/1.1`, 'Host: a'))
    const rules = rulesOf({ strip_prefix: '/app/', add_prefix: '/v2/' })
    t.equal(applyRules(rules, head), null)
    t.equal(requestPath(head), path, `${target} is matched as`)
    t.equal(requestTarget(head), moved, `${target} is sent as`)
    t.match(upstreamRequestHead(head, 'id', '', rules), `GET ${moved} HTTP/1.1\r\n`)
  }
  for (const target of ['*', 'http://a']) {
    const head = request(lines(`OPTIONS ${target} HTTP/1.1`, 'Host: a'))
    t.equal(applyRules(rulesOf({ strip_prefix: '/app', add_prefix: '/v2' }), head), null)
    t.equal(requestTarget(head), '*', 'a request about the server as a whole has no path')
  }
  t.end()
})

test('fields of a request are set, added and removed, on every line and whatever their letters', t => {
  const raw = lines(
    'GET / HTTP/1.1',
    'cookie: a',
    'Host: a',
    'X-TENANT: evil',
    'Cookie: b',
    'X_Tenant: evil',
    'Accept: */*',
    'Connection: x-gone',
    'X-Gone: 1',
    'COOKIE: c',
  )
  const request_fields = {
    set: { 'X-Tenant': 'blue', 'X-New': '' },
    add: { Accept: 'text/html', 'X-Lat': 'caf\xe9' },
    remove: ['CooKie', 'Absent'],
  }
  t.strictSame(sent(raw, { request_fields }), [
    'GET / HTTP/1.1',
    'Host: a',
    'Accept: */*',
    'X-Tenant: blue',
    'X-New: ',
    'Accept: text/html',
    'X-Lat: caf\xe9',
  ])
  t.end()
})

test('a field with an underscore in its name is no other way to say one that is set or removed', t => {
  const raw = lines('GET / HTTP/1.1', 'Host: a', 'X_A: 1', 'x-a: 2', 'X-B: 3', 'X_B: 4', 'Y_A: 5')
  t.strictSame(sent(raw, { request_fields: { set: { 'X-A': 'ours' }, remove: ['x_b'] } }), [
    'GET / HTTP/1.1',
    'Host: a',
    'X-B: 3',
    'Y_A: 5',
    'X-A: ours',
  ])
  t.end()
})

test('a head may be written again for another try', t => {
  const rules = rulesOf({ request_fields: { set: { A: '1' } }, strip_prefix: '/x', forwarded: 'forwarded' })
  const head = request(lines('GET /x/y HTTP/1.1', 'Host: a', 'a: 2', 'B: 3'))
  t.equal(applyRules(rules, head), null)
  const first = upstreamRequestHead(head, 'id', 'inner', rules)
  t.equal(upstreamRequestHead(head, 'id', 'inner', rules), first)
  t.match(
    first,
    'GET /y HTTP/1.1\r\nB: 3\r\nHost: inner\r\nA: 1\r\nForwarded: for=192.0.2.7;host=a;proto=http\r\nVia: 1.1',
  )
  t.end()
})

test('fields of an answer are set, added and removed, framing is not touched', t => {
  const { response: changes } = rulesOf({
    response_fields: { set: { Server: 'gate' }, add: { 'Set-Cookie': 'c=3' }, remove: ['x-powered-by'] },
  })
  const raw = lines(
    'HTTP/1.1 200 OK',
    'server: nginx',
    'X-Powered-By: a',
    'Set-Cookie: a=1',
    'Connection: close, x-hop',
    'X-POWERED-BY: b',
    'X-Hop: 1',
    'Content-Length: 2',
    'Set-Cookie: b=2',
    'Server: second',
  )
  t.equal(
    downstreamResponseHead(response(raw), 'length', '', changes),
    lines(
      'HTTP/1.1 200 OK',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'Server: gate',
      'Set-Cookie: c=3',
      'Content-Length: 2',
    ),
  )
  const hints = response(lines('HTTP/1.1 103 Early Hints', 'Server: nginx', 'Link: </a>'))
  t.equal(
    downstreamResponseHead(hints, 'none', '', changes),
    lines('HTTP/1.1 103 Early Hints', 'Link: </a>'),
    'an interim answer loses fields and gets none',
  )
  const switching = response(lines('HTTP/1.1 101 Go', 'Connection: Upgrade', 'Upgrade: websocket', 'Server: nginx'))
  t.match(downstreamResponseHead(switching, 'none', 'upgrade', changes), '\r\nServer: gate\r\n')
  t.end()
})

test('who may: deny goes before allow, and ranges of both families are known', t => {
  const may = (written: Written, address: string): boolean =>
    applyRules(rulesOf(written), request(lines('GET / HTTP/1.1', 'Host: a'), address)) === null
  const allow = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1']
  const deny = ['10.6.0.0/16', '2001:db8::bad']
  const table: readonly (readonly [written: Written, address: string, may: boolean])[] = [
    [{ allow }, '10.1.2.3', true],
    [{ allow }, '11.1.2.3', false],
    [{ allow }, '192.0.2.1', true],
    [{ allow }, '192.0.2.2', false],
    [{ allow }, '2001:db8:1::1', true],
    [{ allow }, '2001:db9::1', false],
    [{ allow }, '::ffff:10.1.2.3', true],
    [{ allow }, '::ffff:a01:203', true],
    [{ deny }, '10.6.0.1', false],
    [{ deny }, '10.7.0.1', true],
    [{ deny }, '::ffff:a06:1', false],
    [{ deny }, '2001:db8:0::0bad', false],
    [{ allow, deny }, '10.6.0.1', false],
    [{ allow, deny }, '10.7.0.1', true],
    [{ allow, deny }, '2001:db8::bad', false],
    [{ allow: ['::ffff:10.0.0.0/104'] }, '10.1.2.3', true],
    [{ deny: ['0.0.0.0/0'] }, '10.1.2.3', false],
    [{ deny: ['0.0.0.0/0'] }, '2001:db8::1', true],
  ]
  for (const [written, address, expected] of table)
    t.equal(may(written, address), expected, `${JSON.stringify(written)}: ${address}`)
  t.end()
})
