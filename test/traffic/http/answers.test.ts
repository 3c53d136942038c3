import { STATUS_CODES } from 'node:http'
import { test } from 'tap'
import { errors } from '../../../src/errors.ts'
import { type Answer, answerCodes, preferredType, renderAnswer } from '../../../src/traffic/http/answers.ts'

const NOON = Date.UTC(2025, 10, 20, 12)
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const outage: Answer = { code: 'pool_outage', detail: 'Back <soon> & "safe" — até já', retryAfter: 7, requestId: 'r-1' }

function render(
  answer: Answer,
  accept: string | undefined,
  { head = false, close = true } = {},
): { head: string; body: string } {
  const text = renderAnswer(answer, { accept, head }, close, NOON)
  const end = text.indexOf('\r\n\r\n')
  return { head: text.slice(0, end + 2), body: text.slice(end + 4) }
}

test('a problem document', t => {
  const { head, body } = render(outage, 'application/json')
  t.match(
    head,
    /^HTTP\/1\.1 503 Service Unavailable\r\nDate: Thu, 20 Nov 2025 12:00:00 GMT\r\nContent-Type: application\/problem\+json\r\n/,
  )
  t.match(head, '\r\nRetry-After: 7\r\n')
  t.match(head, '\r\nX-Request-Id: r-1\r\n')
  t.match(head, '\r\nCache-Control: no-store\r\n')
  t.match(head, '\r\nConnection: close\r\n')
  t.match(head, `\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`)
  t.strictSame(JSON.parse(body), {
    type: 'about:blank',
    title: errors.pool_outage.title,
    status: 503,
    code: 'pool_outage',
    detail: outage.detail,
    request_id: 'r-1',
  })
  t.end()
})

test('the outage page shows the message of the pool, escaped', t => {
  const { head, body } = render(outage, BROWSER)
  t.match(head, '\r\nContent-Type: text/html; charset=utf-8\r\n')
  t.match(head, `\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`)
  t.match(body, '<h1>Back &lt;soon&gt; &amp; &quot;safe&quot; — até já</h1>')
  t.notMatch(body, '<soon>')
  t.end()
})

test('without a message the page says what happened', t => {
  t.match(render({ ...outage, detail: '', requestId: '' }, BROWSER).body, `<h1>${errors.pool_outage.title}</h1>`)
  t.end()
})

test('plain text is one line', t => {
  const { head, body } = render({ code: 'upstream_refused', detail: '', retryAfter: 0, requestId: '' }, 'text/plain', {
    close: false,
  })
  t.equal(body, `502 upstream_refused: ${errors.upstream_refused.title}\n`)
  t.notMatch(head, 'Connection')
  t.notMatch(head, 'Retry-After')
  t.end()
})

test('Proxy-Status gives the reason as a string of a structured field', t => {
  t.match(
    render(outage, undefined).head,
    '\r\nProxy-Status: gatepool; error=destination_unavailable; details="Back <soon> & \\"safe\\" ? at? j?"\r\n',
  )
  const nasty = render({ ...outage, code: 'upstream_malformed', detail: 'a\r\nSet-Cookie: x=y\\' }, undefined).head
  t.match(nasty, 'error=http_protocol_error; details="a??Set-Cookie: x=y\\\\"\r\n')
  t.notMatch(nasty, '\r\nSet-Cookie')
  t.end()
})

test('a HEAD request gets the head alone, with the length of the body', t => {
  const { head, body } = render(outage, BROWSER, { head: true })
  t.equal(body, '')
  t.match(head, /Content-Length: [1-9]/)
  t.end()
})

test('405 names the methods that are served', t => {
  t.match(
    render({ ...outage, code: 'method_not_allowed' }, undefined).head,
    '\r\nAllow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n',
  )
  t.end()
})

test('every answer has the status of its code', t => {
  for (const code of answerCodes) {
    const { status } = errors[code]
    const [line] = render({ code, detail: '', retryAfter: 0, requestId: '' }, undefined).head.split('\r\n')
    // Two reasons have newer words in RFC 9110 than in Node.
    const reason = status === 413 ? 'Content Too Large' : STATUS_CODES[status]
    t.equal(line, `HTTP/1.1 ${status} ${reason}`, code)
  }
  t.end()
})

test('the client chooses the form by Accept', t => {
  const table: readonly (readonly [accept: string | undefined, type: string])[] = [
    [undefined, 'application/problem+json'],
    ['', 'application/problem+json'],
    ['*/*', 'application/problem+json'],
    [BROWSER, 'text/html'],
    ['text/html', 'text/html'],
    ['TEXT/HTML; Q=0.5', 'text/html'],
    ['text/*', 'text/html'],
    ['text/plain', 'text/plain'],
    ['text/html;q=0.2, text/plain;q=0.7', 'text/plain'],
    ['text/*;q=0.9, text/html;q=0', 'text/plain'],
    ['application/json', 'application/problem+json'],
    ['application/*', 'application/problem+json'],
    ['application/json;q=0.1, text/html', 'text/html'],
    ['image/png', 'application/problem+json'],
    ['text/html;q=x, text/plain', 'text/plain'],
    [',;,/', 'application/problem+json'],
  ]
  for (const [accept, type] of table) t.equal(preferredType(accept), type, accept ?? 'no Accept')
  t.end()
})
