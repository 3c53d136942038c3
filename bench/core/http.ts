/** What the HTTP/1.1 readers and writers cost: `node bench/core/http.ts`. */
import { createChunkReader, readChunks, resetChunkReader } from '../../src/traffic/http/chunks.ts'
import { createPeer } from '../../src/traffic/http/peer.ts'
import {
  createRequestHead,
  readRequestHead,
  requestPath,
  resetRequestHead,
} from '../../src/traffic/http/request-head.ts'
import { createResponseHead, readResponseHead, resetResponseHead } from '../../src/traffic/http/response-head.ts'
import { normalisePath } from '../../src/traffic/http/target.ts'
import { downstreamResponseHead, upstreamRequestHead } from '../../src/traffic/http/write-head.ts'
import { measure } from './measure.ts'

const SMALL = 'GET / HTTP/1.1\r\nHost: a.example.org\r\n\r\n'
const BROWSER =
  'GET /assets/app/main.js?v=20 HTTP/1.1\r\n' +
  'Host: shop.example.org\r\n' +
  'Connection: keep-alive\r\n' +
  'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\n' +
  'sec-ch-ua-mobile: ?0\r\n' +
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n' +
  'sec-ch-ua-platform: "Linux"\r\n' +
  'Accept: */*\r\n' +
  'Sec-Fetch-Site: same-origin\r\n' +
  'Sec-Fetch-Mode: no-cors\r\n' +
  'Sec-Fetch-Dest: script\r\n' +
  'Referer: https://shop.example.org/catalogue\r\n' +
  'Accept-Encoding: gzip, deflate, br\r\n' +
  'Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n' +
  'Cookie: session=4f1d9c2b7a\r\n\r\n'
const RESPONSE =
  'HTTP/1.1 200 OK\r\nDate: Thu, 20 Nov 2025 21:00:00 GMT\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n'

const LIMITS = { requestLine: 8192, head: 32_768, fields: 100 }
const untrusted = () => createPeer('192.0.2.7', 'http', 8080, () => false)

for (const text of [SMALL, BROWSER]) {
  const bytes = Buffer.from(text, 'latin1')
  const head = createRequestHead(LIMITS, untrusted())
  measure(`request head, read, ${bytes.length} B`, () => {
    resetRequestHead(head)
    return readRequestHead(head, bytes, 0, bytes.length)
  })
  measure(`request head, path to route by, ${bytes.length} B`, () => requestPath(head))
  const out = Buffer.alloc(2048)
  measure(`request head, written and flattened, ${bytes.length} B`, () =>
    out.write(upstreamRequestHead(head, '5f3a9c01-1', ''), 'latin1'),
  )
}

{
  const bytes = Buffer.from(BROWSER, 'latin1')
  const head = createRequestHead(LIMITS, untrusted())
  measure(`request head, split at every byte, ${bytes.length} B`, () => {
    resetRequestHead(head)
    for (let end = 1; end <= bytes.length; end++) readRequestHead(head, bytes, 0, end)
    return head.end
  })
}

{
  const bytes = Buffer.from(RESPONSE, 'latin1')
  const head = createResponseHead(32_768, 100)
  measure(`response head, read, ${bytes.length} B`, () => {
    resetResponseHead(head)
    return readResponseHead(head, bytes, 0, bytes.length, false)
  })
  const out = Buffer.alloc(2048)
  measure(`response head, written and flattened, ${bytes.length} B`, () =>
    out.write(downstreamResponseHead(head, 'length', ''), 'latin1'),
  )
}

for (const size of [16, 4096]) {
  const bytes = Buffer.from(`${`${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`.repeat(16)}0\r\n\r\n`, 'latin1')
  const chunks = createChunkReader()
  measure(`chunked body, 16 chunks of ${size} B`, () => {
    resetChunkReader(chunks)
    let at = 0
    while (readChunks(chunks, bytes, at, bytes.length) === 'data') at = chunks.at
    return chunks.at
  })
}

measure('path with dot segments', () => normalisePath('/a/./b/../c/%2e%2e/d'))
