/** What reaches the upstream, byte by byte, of what came in at the listener's socket. */
import { createHash } from 'node:crypto'
import { test } from 'tap'
import { type Engine, startEngine, startPool } from '../../support/engine.ts'
import type { RawMessage } from '../../support/raw-peer.ts'
import { ok, type RawUpstream, rawUpstream, type Script } from '../../support/raw-upstream.ts'
import { acceptedRequests, head } from './request-corpus.ts'

/** A body that is a request, for whoever loses count. */
const SMUGGLED = head('GET /admin HTTP/1.1', 'Host: inside')

interface Recorder extends AsyncDisposable {
  readonly origin: RawUpstream
  readonly seen: RawMessage[]
}

/** An upstream that keeps every request and answers it with `answer`. */
async function recorder(answer = ok('done')): Promise<Recorder> {
  const seen: RawMessage[] = []
  const script: Script = async peer => {
    for (;;) {
      seen.push(await peer.request())
      peer.send(answer)
    }
  }
  const origin = await rawUpstream(script)
  return { origin, seen, [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose]() }
}

/** What we say of a client on this host. */
function told(engine: Engine, authority: string, minor = 1): string[] {
  return [
    'X-Forwarded-For: 127.0.0.1',
    'X-Forwarded-Proto: http',
    `X-Forwarded-Port: ${engine.port}`,
    'X-Real-IP: 127.0.0.1',
    ...(authority === '' ? [] : [`X-Forwarded-Host: ${authority}`]),
    `Via: 1.${minor} gatepool`,
    'X-Request-Id: ID',
  ]
}

/** A request in a form to compare: the first `kept` lines of its head as they are, ours behind them in order, and its body. */
function shown(raw: string, kept: number): string[] {
  const end = raw.indexOf('\r\n\r\n')
  // The id that we make is not known beforehand.
  const lines = raw
    .slice(0, end)
    .replace(/X-Request-Id: [0-9a-f]{16}-[0-9a-z]+/, 'X-Request-Id: ID')
    .split('\r\n')
  return [...lines.slice(0, kept), ...lines.slice(kept).sort(), '', raw.slice(end + 4)]
}

/** The authority that a request of the corpus names, and its minor version. */
function known(raw: string): { readonly authority: string; readonly minor: number } {
  const first = raw.trimStart().split('\r\n', 1)[0] ?? ''
  const inTarget = /^[A-Z]+ https?:\/\/([^/? ]+)/i.exec(first)?.[1]
  const inField = /\r\nhost:[ \t]*([^\r]*?)[ \t]*\r\n/i.exec(`\r\n${raw}`)?.[1]
  return { authority: inField ?? inTarget ?? '', minor: first.endsWith('1.0') ? 0 : 1 }
}

/** The body that a request of the corpus announces: the corpus is about heads. */
function missingBody(added: readonly string[]): string {
  if (added.includes('Transfer-Encoding: chunked')) return '0\r\n\r\n'
  const length = added.find(line => line.startsWith('Content-Length: '))?.slice(16)
  return 'x'.repeat(Number(length ?? 0))
}

test('the corpus: what goes on is exactly what should, whole and byte by byte', async t => {
  await using recorded = await recorder()
  await using engine = await startPool([recorded.origin.port])
  for (const { title, raw, sent, added = [] } of acceptedRequests) {
    // Nobody has that much to send.
    if (added.includes(`Content-Length: ${Number.MAX_SAFE_INTEGER}`)) continue
    const { authority, minor } = known(raw)
    const body = missingBody(added)
    const expected = [...sent, ...[...told(engine, authority, minor), ...added].sort(), '', body]
    const client = await engine.connect()
    client.send(raw + body)
    t.equal((await client.answer()).status, 200, title)
    t.strictSame(shown(recorded.seen.at(-1)?.raw ?? '', sent.length), expected, title)
    client.close()
    if (raw.length > 400) continue
    const slow = await engine.connect()
    await slow.dribble(raw + body)
    t.equal((await slow.answer()).status, 200, `${title}, byte by byte`)
    t.strictSame(shown(recorded.seen.at(-1)?.raw ?? '', sent.length), expected, `${title}, byte by byte`)
    slow.close()
  }
})

test('bodies are framed anew', async t => {
  await using recorded = await recorder()
  await using engine = await startPool([recorded.origin.port])
  const chunked = 'Transfer-Encoding: chunked'
  const cases: readonly {
    title: string
    method: string
    fields: string[]
    body: string
    framing: string
    sent: string
  }[] = [
    {
      title: 'a length',
      method: 'POST',
      fields: ['Content-Length: 5'],
      body: 'hello',
      framing: 'Content-Length: 5',
      sent: 'hello',
    },
    {
      title: 'a length with zeros',
      method: 'PUT',
      fields: ['content-length: 0005'],
      body: 'hello',
      framing: 'Content-Length: 5',
      sent: 'hello',
    },
    {
      title: 'no body by length',
      method: 'POST',
      fields: ['Content-Length: 0'],
      body: '',
      framing: 'Content-Length: 0',
      sent: '',
    },
    {
      title: 'GET with a body',
      method: 'GET',
      fields: ['Content-Length: 2'],
      body: 'ab',
      framing: 'Content-Length: 2',
      sent: 'ab',
    },
    {
      title: 'chunks',
      method: 'POST',
      fields: [chunked],
      body: '5\r\nhello\r\n0\r\n\r\n',
      framing: chunked,
      sent: '5\r\nhello\r\n0\r\n\r\n',
    },
    {
      title: 'DELETE with chunks',
      method: 'DELETE',
      fields: [chunked],
      body: '1\r\nx\r\n0\r\n\r\n',
      framing: chunked,
      sent: '1\r\nx\r\n0\r\n\r\n',
    },
    {
      title: 'OPTIONS with no chunks',
      method: 'OPTIONS',
      fields: [chunked],
      body: '0\r\n\r\n',
      framing: chunked,
      sent: '0\r\n\r\n',
    },
    {
      title: 'chunks with zeros, capitals and extensions',
      method: 'PATCH',
      fields: [chunked],
      body: '00A;x="y;z"\r\n0123456789\r\n0;last\r\n\r\n',
      framing: chunked,
      sent: 'a\r\n0123456789\r\n0\r\n\r\n',
    },
    {
      title: 'trailers that may go on, and those that may not',
      method: 'POST',
      fields: [chunked],
      body: '1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\nHost: evil\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n',
      framing: chunked,
      sent: '1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n',
    },
    {
      title: 'a body that looks like a request',
      method: 'POST',
      fields: [`Content-Length: ${SMUGGLED.length}`],
      body: SMUGGLED,
      framing: `Content-Length: ${SMUGGLED.length}`,
      sent: SMUGGLED,
    },
  ]
  for (const { title, method, fields, body, framing, sent } of cases) {
    const raw = head(`${method} /x HTTP/1.1`, 'Host: a', ...fields)
    const start = [`${method} /x HTTP/1.1`, 'Host: a', ...[...told(engine, 'a'), framing].sort(), '']
    t.equal((await engine.ask(raw + body)).status, 200, title)
    t.strictSame(shown(recorded.seen.at(-1)?.raw ?? '', 2), [...start, sent], title)
    const slow = await engine.connect()
    await slow.dribble(raw + body)
    t.equal((await slow.answer()).status, 200, `${title}, byte by byte`)
    const dribbled = recorded.seen.at(-1)
    t.equal(dribbled?.body, recorded.seen.at(-2)?.body, `${title}, the same body byte by byte`)
    t.strictSame(shown(dribbled?.head ?? '', 2), [...start, ''], `${title}, the same head byte by byte`)
    slow.close()
  }
  t.equal(recorded.seen.length, cases.length * 2, 'one request each')
})

test('large bodies arrive whole', async t => {
  await using recorded = await recorder()
  await using engine = await startPool([recorded.origin.port])
  for (const size of [65_535, 65_536, 65_537, 300_000, 1_048_576]) {
    const body = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz0123456789\r\n')
    for (const method of ['POST', 'PUT']) {
      const client = await engine.connect()
      client.send(head(`${method} / HTTP/1.1`, 'Host: a', `Content-Length: ${size}`))
      client.send(body)
      t.equal((await client.answer()).status, 200, `${method} of ${size}`)
      t.equal(sha(recorded.seen.at(-1)?.body ?? ''), sha(body), `${method} of ${size}`)
      client.send(head(`${method} / HTTP/1.1`, 'Host: a', 'Transfer-Encoding: chunked'))
      for (let at = 0; at < size; at += 50_000) {
        const part = body.subarray(at, at + 50_000)
        client.send(`${part.length.toString(16)}\r\n`)
        client.send(part)
        client.send('\r\n')
      }
      client.send('0\r\n\r\n')
      t.equal((await client.answer()).status, 200, `${method} of ${size} in chunks`)
      t.equal(sha(recorded.seen.at(-1)?.body ?? ''), sha(body), `${method} of ${size} in chunks`)
      client.close()
    }
  }
})

test('the path that routes are matched by is the path that is sent', async t => {
  await using inner = await recorder(ok('inner'))
  await using outer = await recorder(ok('outer'))
  await using engine = await startEngine({
    gateways: [
      { name: 'inner', address: '127.0.0.1', http_port: inner.origin.port },
      { name: 'outer', address: '127.0.0.1', http_port: outer.origin.port },
    ],
    routes: [
      { name: 'inner', match: { path: '/app' }, target: { gateway: 'inner' } },
      { name: 'outer', target: { gateway: 'outer' } },
    ],
  })
  const cases = [
    ['/app', 'inner', '/app'],
    ['/app?x', 'inner', '/app?x'],
    ['/app/', 'inner', '/app/'],
    ['/x/../app/y', 'inner', '/app/y'],
    ['/./%2e/app', 'inner', '/app'],
    ['/x/%2E%2e/app?/../', 'inner', '/app?/../'],
    ['/app/../y', 'outer', '/y'],
    ['/app/..', 'outer', '/'],
    ['/apple', 'outer', '/apple'],
    ['/App', 'outer', '/App'],
    ['//app', 'outer', '//app'],
    ['/x/..//app', 'outer', '//app'],
    ['/%61pp', 'outer', '/%61pp'],
    ['/x%2f..%2fapp', 'outer', '/x%2f..%2fapp'],
    ['/x/..%2fapp', 'outer', '/x/..%2fapp'],
    ['/x\\..\\app', 'outer', '/x\\..\\app'],
    ['/app;x', 'outer', '/app;x'],
  ] as const
  for (const [target, to, sent] of cases) {
    const answer = await engine.ask(head(`GET ${target} HTTP/1.1`, 'Host: a'))
    t.equal(answer.body, to, target)
    const last = (to === 'inner' ? inner : outer).seen.at(-1)
    t.equal(last?.startLine, `GET ${sent} HTTP/1.1`, target)
  }
})

test('the host that routes are matched by', async t => {
  const names = ['exact', 'wild', 'deep', 'any'] as const
  const origins = await Promise.all(names.map(name => recorder(ok(name))))
  await using engine = await startEngine({
    gateways: names.map((name, i) => ({ name, address: '127.0.0.1', http_port: origins[i]?.origin.port ?? 1 })),
    routes: [
      { name: 'exact', match: { host: 'a.example' }, target: { gateway: 'exact' }, upstream_host: 'inside.lan:81' },
      { name: 'wild', match: { host: '*.example' }, target: { gateway: 'wild' } },
      { name: 'deep', match: { host: '*.b.example' }, target: { gateway: 'deep' } },
      { name: 'any', target: { gateway: 'any' } },
    ],
  })
  const cases = [
    ['A.EXAMPLE.:80', 'exact'],
    ['c.example', 'wild'],
    ['c.a.example', 'wild'],
    ['c.b.example', 'deep'],
    ['b.example', 'wild'],
    ['example', 'any'],
    ['[::1]:80', 'any'],
  ] as const
  for (const [host, to] of cases) {
    t.equal((await engine.ask(head('GET / HTTP/1.1', `Host: ${host}`))).body, to, host)
    t.equal((await engine.ask(head(`GET http://${host}/ HTTP/1.1`, `Host: ${host}`))).body, to, `${host} in the target`)
  }
  const [exact, wild] = origins
  t.equal(exact?.seen.at(-1)?.field('host'), 'inside.lan:81', 'the route names the host for its upstream')
  t.equal(exact?.seen.at(-1)?.field('x-forwarded-host'), 'A.EXAMPLE.:80', 'and the client’s own is told')
  t.equal(wild?.seen.at(-1)?.field('host'), 'b.example', 'else it is the client’s')
  for (const origin of origins) await origin[Symbol.asyncDispose]()
})

test('a request that no route takes gets 404 and goes nowhere', async t => {
  await using recorded = await recorder()
  await using engine = await startPool([recorded.origin.port], { route: { match: { host: 'a' } } })
  const client = await engine.connect()
  client.send(head('GET / HTTP/1.1', 'Host: b') + head('GET / HTTP/1.1', 'Host: a'))
  const answer = await client.answer()
  t.equal(answer.status, 404)
  t.equal(
    answer.field('proxy-status'),
    'gatepool; error=destination_not_found; details="No route matches this request"',
  )
  t.equal((await client.answer()).status, 200, 'the next request on the connection is served')
  t.equal(recorded.seen.length, 1)
  client.close()
})

test('a trusted proxy is believed, and what it says is kept and added to', async t => {
  await using recorded = await recorder()
  await using engine = await startPool([recorded.origin.port], {
    listener: { trusted_proxies: ['127.0.0.0/8', '10.0.0.0/8'] },
  })
  const fields = [
    'X-Forwarded-For: 203.0.113.9',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.example',
    'X-Forwarded-Port: 443',
    'x-forwarded-for: 10.1.1.1',
    'X-Request-Id: abc',
    'Forwarded: for=203.0.113.9',
  ]
  await engine.ask(head('GET / HTTP/1.1', 'Host: a', ...fields))
  const told = recorded.seen.at(-1)
  t.equal(told?.field('x-forwarded-for'), '203.0.113.9, 10.1.1.1, 127.0.0.1')
  t.equal(told?.field('x-forwarded-proto'), 'https')
  t.equal(told?.field('x-forwarded-host'), 'shop.example')
  t.equal(told?.field('x-forwarded-port'), '443')
  t.equal(told?.field('x-real-ip'), '203.0.113.9')
  t.equal(told?.field('x-request-id'), 'abc')
  t.equal(told?.field('forwarded'), 'for=203.0.113.9')

  await engine.ask(head('GET / HTTP/1.1', 'Host: a'))
  const silent = recorded.seen.at(-1)
  t.equal(silent?.field('x-forwarded-for'), '127.0.0.1', 'what it leaves out is said by us')
  t.equal(silent?.field('x-forwarded-proto'), 'http')
  t.equal(silent?.field('x-real-ip'), '127.0.0.1')
  t.match(silent?.field('x-request-id'), /^[0-9a-f]{16}-/)
})

test('each request of a connection gets an id of its own', async t => {
  await using recorded = await recorder()
  await using engine = await startPool([recorded.origin.port])
  const client = await engine.connect()
  for (let i = 0; i < 3; i++) {
    client.send(head('GET / HTTP/1.1', 'Host: a'))
    await client.answer()
  }
  t.equal(new Set(recorded.seen.map(one => one.field('x-request-id'))).size, 3)
  t.equal(recorded.origin.connections.length, 1, 'over one connection')
  client.close()
})

function sha(bytes: string | Buffer): string {
  return createHash('sha256')
    .update(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    .digest('hex')
}
