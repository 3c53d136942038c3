import fc from 'fast-check'
import { test } from 'tap'
import { forwardedLine, readForwarded, takeForwarded } from '../../../src/traffic/http/forwarded.ts'
import { createPeer } from '../../../src/traffic/http/peer.ts'
import {
  createRequestHead,
  type RequestHead,
  readRequestHead,
  resetRequestHead,
} from '../../../src/traffic/http/request-head.ts'
import { seeded } from '../../support/seed.ts'
import { head as lines } from './request-corpus.ts'

const trusted = (address: string): boolean => address.startsWith('10.') || address === '2001:db8::1'

test('the client is found from right to left over trusted addresses', t => {
  const table: readonly (readonly [value: string, client: string])[] = [
    ['', '10.0.0.1'],
    ['for=198.51.100.1', '198.51.100.1'],
    ['For="198.51.100.1:4711"', '198.51.100.1'],
    ['proto=https;for=198.51.100.1;by=10.0.0.1', '198.51.100.1'],
    ['for=198.51.100.1 ; proto=https', '198.51.100.1'],
    ['for=6.6.6.6, for=198.51.100.1', '198.51.100.1'],
    ['for=6.6.6.6,for=198.51.100.1 ,\tfor=10.0.0.2', '198.51.100.1'],
    ['for=10.0.0.9, for=10.0.0.2', '10.0.0.9'],
    ['for="[2001:db8::7]"', '2001:db8::7'],
    ['for="[2001:db8::7]:4711", for="[2001:db8::1]"', '2001:db8::7'],
    ['for="[2001:\\db8::7]"', '2001:db8::7'],
    ['for=::ffff:10.0.0.2', '10.0.0.1'],
    ['for="::ffff:198.51.100.1"', '198.51.100.1'],
    ['for=6.6.6.6, for=unknown', '10.0.0.1'],
    ['for=6.6.6.6, for=_hidden, for=10.0.0.2', '10.0.0.2'],
    ['for=6.6.6.6, for="unknown:1"', '10.0.0.1'],
    ['for=6.6.6.6, proto=http', '10.0.0.1'],
    ['for=6.6.6.6, for=10.0.0.2;for=10.0.0.3', '10.0.0.1'],
    ['for=6.6.6.6, for=', '10.0.0.1'],
    ['for=6.6.6.6, for=""', '10.0.0.1'],
    ['for=6.6.6.6, for=10.0.0.2 for=1.2.3.4', '10.0.0.1'],
    ['for=198.51.100.1, ,', '198.51.100.1'],
    ['for=6.6.6.6, host="a, for=7.7.7.7";for=198.51.100.1', '198.51.100.1'],
    ['host="a\\", for=7.7.7.7\\"";for=198.51.100.1', '198.51.100.1'],
    ['garbage, for=198.51.100.1', '198.51.100.1'],
  ]
  for (const [value, client] of table) t.equal(readForwarded(value, '10.0.0.1', trusted).client, client, value)
  t.equal(readForwarded('for=6.6.6.6', '203.0.113.1', trusted).client, '203.0.113.1', 'a stranger speaks for nobody')
  t.end()
})

test('what is malformed goes no further, nor does what stands left of it', t => {
  const table: readonly (readonly [value: string, kept: string])[] = [
    ['', ''],
    ['for=1.1.1.1', 'for=1.1.1.1'],
    ['for=1.1.1.1 ,for=unknown;proto=http,  for="[::1]"', 'for=1.1.1.1, for=unknown;proto=http, for="[::1]"'],
    [' , ,', ''],
    ['for=1.1.1.1, garbage, for=2.2.2.2', 'for=2.2.2.2'],
    ['for=", for=2.2.2.2', 'for=2.2.2.2'],
    ['for=1.1.1.1, for="2.2.2.2', ''],
    ['host="a, b";for=2.2.2.2', 'host="a, b";for=2.2.2.2'],
    ['host="\\\\", for=2.2.2.2', 'host="\\\\", for=2.2.2.2'],
    ['host="\\", for=2.2.2.2', 'for=2.2.2.2'],
    ['for=1.1.1.1;, for=2.2.2.2;', 'for=1.1.1.1;, for=2.2.2.2;'],
    ['a b=c', ''],
    ['=c', ''],
    ['for==1', ''],
  ]
  for (const [value, kept] of table) t.equal(readForwarded(value, '10.0.0.1', trusted).kept, kept, value)
  t.end()
})

/** Values in the grammar of RFC 7239, and what their elements name as `for`. */
const token = fc.constantFrom('unknown', '_x', '1.2.3.4', '10.0.0.7')
const quotable = fc.string({ unit: fc.constantFrom(...'a=;, "\\'), maxLength: 8 })
const quoted = quotable.map(text => `"${text.replace(/["\\]/g, '\\$&')}"`)
const element = fc
  .record({ node: token, host: fc.option(quoted), first: fc.boolean() })
  .map(({ node, host, first }) => {
    const pairs =
      host === null ? [`for=${node}`] : first ? [`for=${node}`, `host=${host}`] : [`host=${host}`, `for=${node}`]
    return { node, text: pairs.join(';') }
  })

test('a list is the same read from either side, and nothing before it hides what a proxy adds', t => {
  const check = fc.property(fc.array(element, { maxLength: 4 }), quotable, (elements, before) => {
    const texts = elements.map(({ text }) => text)
    const { client, kept } = readForwarded(texts.join(', '), '10.0.0.1', trusted)
    if (kept !== texts.join(', ')) throw new Error(`kept ${kept}`)
    let expected = '10.0.0.1'
    for (const { node } of elements.toReversed()) {
      if (!trusted(expected) || !/^\d/.test(node)) break
      expected = node
    }
    if (client !== expected) throw new Error(`client ${client}, not ${expected}`)
    const behind = readForwarded(`${before}, for=203.0.113.9`, '10.0.0.1', trusted)
    if (behind.client !== '203.0.113.9') throw new Error(`client ${behind.client}`)
    if (!behind.kept.endsWith('for=203.0.113.9')) throw new Error(`kept ${behind.kept}`)
  })
  t.doesNotThrow(() => fc.assert(check, seeded({ numRuns: 1000 })))
  t.end()
})

test('a long value takes no long time', t => {
  const limit = 200
  for (const part of ['"', '\\', '\\"', ',', ', ', 'a', 'a=b;', 'for="', ' ', '="\\"', ';']) {
    const start = performance.now()
    readForwarded(part.repeat(Math.ceil(32_768 / part.length)), '10.0.0.1', trusted)
    const took = performance.now() - start
    t.ok(took < limit, `${JSON.stringify(part)}: ${took.toFixed(1)} ms`)
  }
  t.end()
})

function request(address: string, ...fields: string[]): RequestHead {
  const head = createRequestHead(
    { requestLine: 8192, head: 32_768, fields: 100 },
    createPeer(address, 'http', 80, trusted),
  )
  read(head, ...fields)
  return head
}

function read(head: RequestHead, ...fields: string[]): void {
  const bytes = Buffer.from(lines('GET / HTTP/1.1', ...fields), 'latin1')
  if (readRequestHead(head, bytes, 0, bytes.length) !== 'done') throw new Error(head.refusal.detail)
  takeForwarded(head)
}

test('what is told: the address, the host and the protocol, in quotation marks where they are needed', t => {
  const told = (address: string, host: string): string => forwardedLine(request(address, `Host: ${host}`))
  t.equal(told('192.0.2.7', 'A.example'), 'Forwarded: for=192.0.2.7;host=A.example;proto=http\r\n')
  t.equal(told('2001:db8::7', 'a:8080'), 'Forwarded: for="[2001:db8::7]";host="a:8080";proto=http\r\n')
  t.equal(told('::ffff:192.0.2.7', '[::1]'), 'Forwarded: for=192.0.2.7;host="[::1]";proto=http\r\n')
  const bare = createRequestHead(
    { requestLine: 99, head: 999, fields: 9 },
    createPeer('192.0.2.7', 'https', 443, trusted),
  )
  const bytes = Buffer.from('GET / HTTP/1.0\r\n\r\n')
  readRequestHead(bare, bytes, 0, bytes.length)
  t.equal(forwardedLine(bare), 'Forwarded: for=192.0.2.7;proto=https\r\n', 'HTTP/1.0 may name no host')
  t.end()
})

test('a stranger is replaced, a trusted proxy is added to, and nothing is left for the next request', t => {
  t.equal(
    forwardedLine(request('192.0.2.7', 'Host: a', 'Forwarded: for=6.6.6.6')),
    'Forwarded: for=192.0.2.7;host=a;proto=http\r\n',
  )
  const head = request(
    '10.0.0.1',
    'Host: a',
    'Forwarded: for=203.0.113.9;proto=https',
    'x: y',
    'forwarded: for=10.0.0.2',
  )
  t.equal(head.client, '203.0.113.9')
  t.equal(
    forwardedLine(head),
    'Forwarded: for=203.0.113.9;proto=https, for=10.0.0.2, for=10.0.0.1;host=a;proto=http\r\n',
  )
  resetRequestHead(head)
  read(head, 'Host: a', 'X-Forwarded-For: 6.6.6.6')
  t.equal(head.client, '10.0.0.1', 'X-Forwarded-For is not believed')
  t.equal(forwardedLine(head), 'Forwarded: for=10.0.0.1;host=a;proto=http\r\n')
  t.end()
})
