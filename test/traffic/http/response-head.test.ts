import { test } from 'tap'
import {
  createResponseHead,
  type ResponseHead,
  readResponseHead,
  resetResponseHead,
} from '../../../src/traffic/http/response-head.ts'
import { downstreamResponseHead, framingFor } from '../../../src/traffic/http/write-head.ts'
import { head as lines } from './request-corpus.ts'
import { acceptedResponses, refusedResponses } from './response-corpus.ts'

const fresh = (): ResponseHead => createResponseHead(32_768, 100)

function whole(raw: string, toHead = false, head: ResponseHead = fresh()): { head: ResponseHead; progress: string } {
  const bytes = Buffer.from(raw, 'latin1')
  return { head, progress: readResponseHead(head, bytes, 0, bytes.length, toHead) }
}

/** Reads a byte more each time, from a buffer that is elsewhere each time. */
function byByte(raw: string, toHead = false): { head: ResponseHead; progress: string } {
  const head = fresh()
  const bytes = Buffer.from(raw, 'latin1')
  for (let end = 1; end <= bytes.length; end++) {
    const start = end % 5
    const moved = Buffer.alloc(start + end + 3, '\r\n')
    bytes.copy(moved, start, 0, end)
    const progress = readResponseHead(head, moved, start, start + end, toHead)
    if (progress !== 'more') return { head, progress }
  }
  return { head, progress: 'more' }
}

/** Everything that the engine can learn from a head that is done. */
function learnt(head: ResponseHead): unknown {
  const { text, end, status, minor, body, contentLength, persistent, keepAliveTimeout, upgrade } = head
  const sent = downstreamResponseHead(head, framingFor(head, 1), '')
  return { text, end, status, minor, body, contentLength, persistent, keepAliveTimeout, upgrade, sent }
}

test('refused responses', async t => {
  for (const { title, raw } of refusedResponses) {
    await t.test(title, t => {
      const { head, progress } = whole(raw)
      t.equal(progress, 'refused')
      const dribbled = byByte(raw)
      t.equal(dribbled.progress, 'refused', 'byte by byte')
      t.equal(dribbled.head.refusal, head.refusal, head.refusal.detail)
      t.end()
    })
  }
})

test('accepted responses: what goes on to the client', async t => {
  for (const { title, raw, sent, framing, toHead, is } of acceptedResponses) {
    await t.test(title, t => {
      const { head, progress } = whole(raw, toHead)
      t.equal(progress, 'done', head.refusal.detail)
      t.equal(
        downstreamResponseHead(head, framingFor(head, 1), ''),
        lines(...sent, ...(framing === undefined ? [] : [framing])),
      )
      t.has(head, is)
      const dribbled = byByte(raw, toHead)
      t.equal(dribbled.progress, 'done', 'byte by byte')
      t.strictSame(learnt(dribbled.head), learnt(head), 'the same byte by byte')
      t.end()
    })
  }
})

test('one head serves every answer of its connection', t => {
  const head = fresh()
  for (const { title, raw, toHead } of [...acceptedResponses, ...acceptedResponses.toReversed()]) {
    resetResponseHead(head)
    t.equal(whole(raw, toHead, head).progress, 'done', title)
    t.strictSame(learnt(head), learnt(whole(raw, toHead).head), title)
  }
  t.end()
})

test('a switch of protocols names what it switches to', t => {
  const { head } = whole(
    lines('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: x'),
  )
  t.equal(head.upgrade, 'websocket')
  t.equal(
    downstreamResponseHead(head, 'none', 'upgrade'),
    lines('HTTP/1.1 101 Switching Protocols', 'Sec-WebSocket-Accept: x', 'Connection: Upgrade', 'Upgrade: websocket'),
  )
  t.end()
})

test('a body is framed by what the client can read', t => {
  const framed = (raw: string, minor: number): string => framingFor(whole(raw).head, minor)
  const chunked = lines('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')
  const closing = lines('HTTP/1.1 200 OK')
  t.equal(framed(chunked, 1), 'chunked')
  t.equal(framed(chunked, 0), 'close')
  t.equal(framed(closing, 1), 'chunked')
  t.equal(framed(closing, 0), 'close')
  t.equal(framed(lines('HTTP/1.1 200 OK', 'Content-Length: 5'), 0), 'length')
  t.equal(framed(lines('HTTP/1.1 204 No Content'), 1), 'none')
  t.equal(downstreamResponseHead(whole(closing).head, 'close', 'close'), lines('HTTP/1.1 200 OK', 'Connection: close'))
  t.equal(
    downstreamResponseHead(whole(lines('HTTP/1.1 200 OK', 'Content-Length: 5')).head, 'length', 'keep-alive'),
    lines('HTTP/1.1 200 OK', 'Content-Length: 5', 'Connection: keep-alive'),
  )
  t.end()
})
