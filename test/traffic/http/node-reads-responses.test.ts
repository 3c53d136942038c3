/**
 * Whatever our readers accept as a response, Node's own parser must accept with the same status, fields and body length, both as it came
 * and as we send it on to a client.
 */
import { once } from 'node:events'
import { request } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { test } from 'tap'
import { chunkLine, LAST_CHUNK } from '../../../src/traffic/http/chunks.ts'
import { createResponseHead, type ResponseHead, readResponseHead } from '../../../src/traffic/http/response-head.ts'
import { downstreamResponseHead, framingFor } from '../../../src/traffic/http/write-head.ts'
import { seeded } from '../../support/seed.ts'
import { assemble, type Body, chunkedBody, damaged, fieldsOf, framedBody, sizedBody, text } from './messages.ts'
import { acceptedResponses } from './response-corpus.ts'

const RUNS = Number(process.env.GATEPOOL_TEST_RUNS ?? 800)

interface Seen {
  readonly status: number
  readonly fields: readonly string[]
  readonly bodyLength: number
}

/** A client with Node's parser that tells what it made of the bytes of one answer. */
async function nodeParser(): Promise<{
  parse: (raw: string, toHead: boolean) => Promise<Seen | string>
  close: () => void
}> {
  let answer = ''
  const server = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(answer, 'latin1'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const parse = (raw: string, toHead: boolean): Promise<Seen | string> => {
    answer = raw
    return new Promise(resolve => {
      const asked = request({
        port,
        host: '127.0.0.1',
        method: toHead ? 'HEAD' : 'GET',
        agent: false,
        maxHeaderSize: 65_536,
      })
      asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      asked.on('response', response => {
        let bodyLength = 0
        response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
        response.on('data', (data: Buffer) => {
          bodyLength += data.length
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, fields: response.rawHeaders, bodyLength }))
      })
      asked.end()
    })
  }
  return { parse, close: () => server.close() }
}

interface Understood {
  readonly head: ResponseHead
  readonly bodyLength: number
  readonly received: string
  readonly forwarded: string
}

/** What our readers make of a message; undefined when they refuse it or miss a part of it. */
function understand(raw: string, toHead: boolean): Understood | undefined {
  const bytes = Buffer.from(raw, 'latin1')
  const head = createResponseHead(32_768, 100)
  if (readResponseHead(head, bytes, 0, bytes.length, toHead) !== 'done') return undefined
  const body = bodyOf(head, raw)
  if (body === undefined) return undefined
  const forwarded = downstreamResponseHead(head, framingFor(head, 1), '') + body.forwarded
  return { head, bodyLength: body.length, received: raw.slice(0, body.end), forwarded }
}

function bodyOf(head: ResponseHead, raw: string): Body | undefined {
  switch (head.body) {
    case 'none':
      return { length: 0, end: head.end, forwarded: '' }
    case 'length':
      return sizedBody(raw, head.end, head.contentLength)
    case 'chunked':
      return chunkedBody(raw, head.end)
    case 'close': {
      const data = raw.slice(head.end)
      const chunk = data === '' ? '' : `${chunkLine(data.length)}${data}\r\n`
      return { length: data.length, end: raw.length, forwarded: `${chunk}${LAST_CHUNK}\r\n` }
    }
  }
}

const statusLine = fc.constantFrom(
  '1.1 200 OK',
  '1.1 200 ',
  '1.1 204 No Content',
  '1.1 304 Not Modified',
  '1.1 404 x y',
  '1.0 200 OK',
  '1.1 599 \xe9',
)
const field = fc.constantFrom(
  'Connection: close',
  'Connection: keep-alive',
  'Keep-Alive: timeout=5',
  'Connection: x-secret',
  'X-Secret: 1',
  'Upgrade: h2c',
  'Set-Cookie: a=b',
  'X:\t\x80\xff ',
  'Empty:',
  'Content-Length: 3',
  'Trailer: A',
)
const framing = fc.oneof(
  { weight: 1, arbitrary: text.map(body => ({ field: 'X: y', body })) },
  { weight: 2, arbitrary: framedBody },
)
const message = fc
  .tuple(statusLine, fc.array(field, { maxLength: 4 }), framing, fc.nat())
  .map(([line, fields, framing, turn]) =>
    assemble(`HTTP/${line}`, ['Server: x', ...fields, framing.field], turn, framing.body),
  )
const answer = fc.record({ raw: damaged(message), toHead: fc.boolean() })

test('what our readers accept as an answer, Node reads the same, as it came and as we send it on', async t => {
  const node = await nodeParser()
  t.teardown(node.close)
  let compared = 0
  const agree = async ({ raw, toHead }: { raw: string; toHead: boolean }): Promise<void> => {
    const ours = understand(raw, toHead)
    if (ours === undefined || ours.head.status < 200) return
    compared++
    const { head, bodyLength, received, forwarded } = ours
    const { status } = head
    compare(raw, await node.parse(received, toHead), { status, bodyLength, fields: fieldsOf(head.text) })
    compare(raw, await node.parse(forwarded, toHead), { status, bodyLength, fields: fieldsOf(forwarded) })
  }
  for (const { raw, toHead = false } of acceptedResponses) await agree({ raw, toHead })
  const fromCorpus = compared
  await fc.assert(fc.asyncProperty(answer, agree), seeded({ numRuns: RUNS }))
  t.ok(fromCorpus > 10, `${fromCorpus} of the corpus were compared`)
  t.ok(
    compared - fromCorpus > RUNS / 5,
    `${compared - fromCorpus} of ${RUNS} random messages were accepted and compared`,
  )
})

function compare(raw: string, theirs: Seen | string, ours: Seen): void {
  if (isDeepStrictEqual(theirs, ours)) return
  throw new Error(`of ${JSON.stringify(raw)}\nNode made ${JSON.stringify(theirs)}\nwe made   ${JSON.stringify(ours)}`)
}
