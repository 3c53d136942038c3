/**
 * Two parsers that disagree about a message are a way to smuggle one. Whatever our readers accept, Node's own parser must accept with the
 * same method, target, fields and body length, both as it came and as we would send it on; and it must see exactly one request.
 */
import { once } from 'node:events'
import { createServer, METHODS } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test } from 'tap'
import { createPeer } from '../../../src/traffic/http/peer.ts'
import {
  createRequestHead,
  type RequestHead,
  readRequestHead,
  requestTarget,
} from '../../../src/traffic/http/request-head.ts'
import { upstreamRequestHead } from '../../../src/traffic/http/write-head.ts'
import { seeded } from '../../support/seed.ts'
import { assemble, chunkedBody, damaged, fieldsOf, framedBody, sizedBody } from './messages.ts'
import { acceptedRequests } from './request-corpus.ts'

const RUNS = Number(process.env.GATEPOOL_TEST_RUNS ?? 1500)

interface Seen {
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly bodyLength: number
}

/** A server with Node's parser that tells what it made of the bytes of one connection. */
async function nodeParser(): Promise<{ parse: (raw: string) => Promise<readonly Seen[] | string>; close: () => void }> {
  let seen: Seen[] = []
  let failure: string | undefined
  const server = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
    let bodyLength = 0
    request.on('data', (data: Buffer) => {
      bodyLength += data.length
    })
    request.on('end', () => {
      seen.push({ method: request.method ?? '', target: request.url ?? '', fields: request.rawHeaders, bodyLength })
      response.end()
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    failure ??= error.code ?? error.message
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const parse = async (raw: string): Promise<readonly Seen[] | string> => {
    seen = []
    failure = undefined
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.resume()
    socket.end(raw, 'latin1')
    await once(socket, 'close')
    return failure ?? seen
  }
  return { parse, close: () => server.close() }
}

interface Understood {
  readonly head: RequestHead
  readonly bodyLength: number
  /** The message as it came, without what followed it. */
  readonly received: string
  /** The message as it would go on to the upstream. */
  readonly forwarded: string
}

/** What our readers make of a message; undefined when they refuse it or miss a part of it. */
function understand(raw: string): Understood | undefined {
  const bytes = Buffer.from(raw, 'latin1')
  const peer = createPeer('192.0.2.7', 'http', 80, () => false)
  const head = createRequestHead({ requestLine: 8192, head: 32_768, fields: 100 }, peer)
  if (readRequestHead(head, bytes, 0, bytes.length) !== 'done') return undefined
  const chunked = head.body === 'chunked'
  const body = chunked ? chunkedBody(raw, head.end) : sizedBody(raw, head.end, Math.max(0, head.contentLength))
  if (body === undefined) return undefined
  const forwarded = upstreamRequestHead(head, 'id', '') + body.forwarded
  return { head, bodyLength: body.length, received: raw.slice(0, body.end), forwarded }
}

const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'PROPFIND', 'M-SEARCH')
const path = fc
  .array(fc.constantFrom('a', '.', '..', '%2e', '%2F', 'b;c', '\\', '', '~x|', '%'), { maxLength: 5 })
  .map(segments => `/${segments.join('/')}`)
const query = fc.constantFrom('', '?', '?a=b&c=/../d', '?x?y')
const target = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(path, query).map(([path, query]) => path + query) },
  { weight: 1, arbitrary: fc.tuple(path, query).map(([path, query]) => `http://a.example${path}${query}`) },
  { weight: 1, arbitrary: fc.constantFrom('*', 'http://a.example', 'a.example:80') },
)
const token = fc.string({ unit: fc.constantFrom(...'aZ09-_.!#$~'), minLength: 1, maxLength: 12 })
const value = fc.string({ unit: fc.constantFrom(...'aZ09-_ \t,;="\x80\xff/:'), maxLength: 16 })
const field = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(token, value).map(([name, value]) => `X${name}: ${value}`) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'Connection: close',
      'connection: Keep-Alive',
      'Connection: keep-alive, X-Secret',
      'X-Secret: 1',
      'Connection: upgrade',
      'Upgrade: websocket',
      'TE: trailers',
      'Trailer: A',
      'Expect: 100-continue',
      'X-Forwarded-For: 6.6.6.6',
      'X_Forwarded_For: 6.6.6.6',
      'Content_Length: 7',
      'Transfer_Encoding: chunked',
      'Proxy-Connection: keep-alive',
      'Accept:',
      'Cookie:\ta=b ',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('Host: b.example', 'Content-Length: 3', 'Transfer-Encoding: chunked') },
)
const framing = fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary: framedBody })
const message = fc
  .tuple(
    method,
    target,
    fc.constantFrom('1.1', '1.1', '1.1', '1.0'),
    fc.array(field, { maxLength: 6 }),
    framing,
    fc.nat(),
  )
  .map(([method, target, version, fields, framing, turn]) => {
    const lines = ['Host: a.example', ...fields, ...(framing === undefined ? [] : [framing.field])]
    return assemble(`${method} ${target} HTTP/${version}`, lines, turn, framing?.body ?? '')
  })

test('what our readers accept, Node reads the same, as it came and as we send it on', async t => {
  const node = await nodeParser()
  t.teardown(node.close)
  let compared = 0
  const agree = async (raw: string): Promise<void> => {
    const ours = understand(raw)
    if (ours === undefined || !METHODS.includes(ours.head.line.method)) return
    compared++
    const { head, bodyLength, received, forwarded } = ours
    const asItCame = await node.parse(received)
    const rawTarget = head.text.slice(head.line.targetStart, head.line.targetEnd)
    const same = { method: head.line.method, bodyLength }
    compare(raw, asItCame, { ...same, target: rawTarget, fields: fieldsOf(head.text) })
    compare(raw, await node.parse(forwarded), { ...same, target: requestTarget(head), fields: fieldsOf(forwarded) })
  }
  for (const { raw } of acceptedRequests) await agree(raw)
  const fromCorpus = compared
  await fc.assert(fc.asyncProperty(damaged(message), agree), seeded({ numRuns: RUNS }))
  t.ok(fromCorpus > 40, `${fromCorpus} of the corpus were compared`)
  t.ok(
    compared - fromCorpus > RUNS / 5,
    `${compared - fromCorpus} of ${RUNS} random messages were accepted and compared`,
  )
})

function compare(raw: string, theirs: readonly Seen[] | string, ours: Seen): void {
  if (isDeepStrictEqual(theirs, [ours])) return
  throw new Error(`of ${JSON.stringify(raw)}\nNode made ${JSON.stringify(theirs)}\nwe made   ${JSON.stringify(ours)}`)
}
