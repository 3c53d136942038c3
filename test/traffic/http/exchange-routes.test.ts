/** What routes do beside sending requests on, from the client's socket to the upstream's and back. */
import { test } from 'tap'
import { startEngine, startPool } from '../../support/engine.ts'
import { answering, ok, rawUpstream, refusingPort } from '../../support/raw-upstream.ts'
import { head } from './request-corpus.ts'

const get = (target: string, ...fields: string[]): string =>
  head(`GET ${target} HTTP/1.1`, 'Host: a.example', ...fields)

test('a request arrives under another path and with other fields, also at its second upstream', async t => {
  await using origin = await rawUpstream(answering(ok('done')))
  await using engine = await startPool([await refusingPort(), origin.port], {
    route: {
      match: { path: '/app' },
      strip_prefix: '/app',
      add_prefix: '/v2',
      request_fields: { set: { 'X-Tenant': 'blue' }, remove: ['cookie'] },
    },
  })
  t.equal((await engine.ask(get('/app/x?q=/app', 'Cookie: a', 'x_tenant: red', 'COOKIE: b'))).status, 200)
  const [line, ...fields] = origin.received.split('\r\n')
  t.equal(line, 'GET /v2/x?q=/app HTTP/1.1')
  t.strictSame(
    fields.filter(field => /tenant|cookie/i.test(field)),
    ['X-Tenant: blue'],
  )
  t.equal((await engine.ask(get('/x/../apple'))).status, 404, 'routes are matched by the path that was asked for')
})

test('trailers are fields too: those that a route removes or sets do not go on, either way', async t => {
  const chunked = 'Transfer-Encoding: chunked'
  await using origin = await rawUpstream(
    answering(`HTTP/1.1 200 OK\r\n${chunked}\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nX-INNER: 2\r\nX-Kept: 3\r\n\r\n`),
  )
  await using engine = await startPool([origin.port], {
    route: {
      request_fields: { set: { 'X-User': 'ours' }, remove: ['x-inner'] },
      response_fields: { remove: ['x-inner', 'X-Sum'] },
    },
  })
  const body = '1\r\nx\r\n0\r\nX-Kept: 1\r\nx-user: admin\r\nX_User: admin\r\nX-Inner: 2\r\n\r\n'
  const client = await engine.connect()
  for (let i = 0; i < 2; i++) {
    client.send(head('POST / HTTP/1.1', 'Host: a', chunked) + body)
    t.ok((await client.answer()).raw.endsWith('1\r\na\r\n0\r\nX-Kept: 3\r\n\r\n'))
  }
  client.close()
  t.equal(origin.received.split('1\r\nx\r\n0\r\nX-Kept: 1\r\n\r\n').length, 3)
})

test('fields of an answer are changed, its body and framing are not', async t => {
  const hints = head('HTTP/1.1 103 Early Hints', 'Server: inner', 'Link: </a>')
  await using origin = await rawUpstream(answering(hints + ok('done', 'Server: inner', 'X-A: 1', 'SERVER: second')))
  await using engine = await startPool([origin.port], {
    route: { response_fields: { set: { 'Strict-Transport-Security': 'max-age=60' }, remove: ['server'] } },
  })
  const client = await engine.connect()
  client.send(get('/'))
  t.equal((await client.answer()).raw, head('HTTP/1.1 103 Early Hints', 'Link: </a>'))
  t.equal(
    (await client.answer()).raw,
    `${head('HTTP/1.1 200 OK', 'X-A: 1', 'Strict-Transport-Security: max-age=60', 'Content-Length: 4')}done`,
  )
  client.close()
})

test('an upgraded connection is under the rules of its route', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.request()
    peer.send(head('HTTP/1.1 101 Go', 'Upgrade: websocket', 'Connection: Upgrade', 'Server: inner'))
  })
  await using engine = await startPool([origin.port], {
    route: {
      strip_prefix: '/ws',
      response_fields: { set: { Server: 'gate' } },
      request_fields: { remove: ['origin'] },
    },
  })
  const client = await engine.connect()
  client.send(get('/ws/chat', 'Upgrade: websocket', 'Connection: Upgrade', 'Origin: https://evil.example'))
  const answer = await client.answer()
  t.equal(answer.status, 101)
  t.equal(answer.field('server'), 'gate')
  t.match(origin.received, 'GET /chat HTTP/1.1\r\n')
  t.notMatch(origin.received, 'Origin')
  client.close()
})

test('a route speaks Forwarded or X-Forwarded-*, and believes only what it speaks', async t => {
  await using origin = await rawUpstream(answering(ok('done')))
  const told = () => {
    const request = origin.received.slice(origin.received.lastIndexOf('GET /'))
    return request.split('\r\n').filter(line => /^(x-real-ip|x-forwarded|forwarded)/i.test(line))
  }
  const fields = ['X-Forwarded-For: 6.6.6.6', 'X-Real-IP: 6.6.6.6', 'Forwarded: for=7.7.7.7', 'X-Forwarded-Prefix: /x']
  const route = { forwarded: 'forwarded' as const, deny: ['6.6.6.6', '7.7.7.7'] }
  {
    await using engine = await startPool([origin.port], { route })
    t.equal((await engine.ask(get('/', ...fields))).status, 200, 'a stranger says nothing')
    t.strictSame(told(), ['Forwarded: for=127.0.0.1;host=a.example;proto=http'])
  }
  {
    await using engine = await startPool([origin.port], { route, listener: { trusted_proxies: ['127.0.0.0/8'] } })
    t.equal((await engine.ask(get('/', ...fields))).status, 403)
    t.equal((await engine.ask(get('/', 'Forwarded: for=8.8.8.8', 'X-Forwarded-For: 6.6.6.6'))).status, 200)
    t.strictSame(told(), ['Forwarded: for=8.8.8.8, for=127.0.0.1;host=a.example;proto=http'])
  }
  {
    const trusting = { deny: ['6.6.6.6'] }
    await using engine = await startPool([origin.port], {
      route: trusting,
      listener: { trusted_proxies: ['127.0.0.0/8'] },
    })
    t.equal((await engine.ask(get('/', 'Forwarded: for=6.6.6.6', 'X-Forwarded-For: 8.8.8.8'))).status, 200)
    t.equal((await engine.ask(get('/', 'Forwarded: for=8.8.8.8', 'X-Forwarded-For: 6.6.6.6'))).status, 403)
  }
})

test('whoever is denied gets 403, nothing reaches an upstream, and the connection stays', async t => {
  await using origin = await rawUpstream(answering(ok('done')))
  await using engine = await startEngine({
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: origin.port }],
    routes: [
      { name: 'inner', match: { path: '/inner' }, target: { gateway: 'a' }, allow: ['10.0.0.0/8'] },
      { name: 'all', target: { gateway: 'a' } },
    ],
  })
  const client = await engine.connect()
  client.send(`${head('POST /inner HTTP/1.1', 'Host: a', 'Content-Length: 5')}hello${get('/inner')}${get('/')}`)
  for (let i = 0; i < 2; i++) {
    const answer = await client.answer()
    t.equal(answer.status, 403)
    t.equal(JSON.parse(answer.body).code, 'address_denied')
    t.match(answer.field('proxy-status'), 'error=http_request_denied')
  }
  t.equal((await client.answer()).status, 200)
  client.close()
  t.equal(origin.received.match(/HTTP\/1\.1/g)?.length, 1)
  t.equal(engine.counted('4xx'), 2)
  const half = await engine.connect()
  half.send(head('POST /inner HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Expect: 100-continue'))
  const answer = await half.answer()
  t.equal(answer.status, 403)
  t.equal(answer.field('connection'), 'close', 'a body that nobody wants is not waited for')
  half.close()
})

/** An engine whose routes all answer by themselves. */
const answeringRoutes = () =>
  startEngine({
    routes: [
      { name: 'moved', target: { redirect: { to: 'https://{host}/new{path}{query}' } } },
      { name: 'login', match: { path: '/login' }, target: { redirect: { to: '/sign-in', status: 303 } } },
      {
        name: 'robots',
        match: { path: '/robots.txt' },
        target: { respond: { body: 'Allow: /caf\u00e9 ☃\n' } },
        response_fields: { set: { 'Cache-Control': 'max-age=60' }, remove: ['date'] },
      },
      {
        name: 'gone',
        match: { path: '/gone' },
        target: { respond: { status: 410, content_type: 'text/html', body: '<p>' } },
      },
      { name: 'empty', match: { path: '/empty' }, target: { respond: { status: 204 } } },
    ],
  })

test('a redirect takes host, path and query from the request as they were routed', async t => {
  await using engine = await answeringRoutes()
  const cases = [
    [get('/a%20b/"x"?q=1&r=/../$&'), 'https://a.example/new/a%20b/"x"?q=1&r=/../$&'],
    [get('/x/../y'), 'https://a.example/new/y'],
    [get('//evil.example/x'), 'https://a.example/new//evil.example/x'],
    [get('/{host}{query}?{path}'), 'https://a.example/new/{host}{query}?{path}'],
    [head('GET http://B.example:81/z? HTTP/1.1', 'Host: B.example:81'), 'https://b.example/new/z?'],
    [head('OPTIONS * HTTP/1.1', 'Host: a.example'), 'https://a.example/new/'],
    [head('GET / HTTP/1.0', 'Host: [::1]:80'), 'https://[::1]/new/'],
  ] as const
  for (const [raw, location] of cases) {
    const answer = await engine.ask(raw)
    t.equal(answer.status, 308, raw)
    t.equal(answer.field('location'), location, raw)
    t.equal(answer.body, '')
  }
  const nameless = await engine.ask(head('GET / HTTP/1.0'))
  t.equal(nameless.status, 400, 'without a host there is no place to send to')
  const login = await engine.ask(get('/login?next=/x'))
  t.equal(login.startLine, 'HTTP/1.1 303 See Other')
  t.equal(login.field('location'), '/sign-in')
})

test('a fixed answer is the same for everybody, with the fields that its route changes', async t => {
  await using engine = await answeringRoutes()
  const client = await engine.connect()
  client.send(
    get('/robots.txt') + head('HEAD /robots.txt HTTP/1.1', 'Host: a') + get('/gone') + get('/empty') + get('/gone'),
  )
  const robots = await client.answer()
  t.equal(robots.status, 200)
  t.equal(Buffer.from(robots.body, 'latin1').toString(), 'Allow: /caf\u00e9 ☃\n')
  t.equal(robots.field('content-type'), 'text/plain; charset=utf-8')
  t.equal(robots.field('cache-control'), 'max-age=60')
  t.equal(robots.field('date'), undefined)
  t.match(robots.field('x-request-id'), /^[0-9a-f]{16}-/)
  t.equal(robots.field('connection'), undefined)
  const bare = await client.answer({ toHead: true })
  t.equal(bare.field('content-length'), robots.field('content-length'))
  const gone = await client.answer()
  t.equal(gone.startLine, 'HTTP/1.1 410 Gone')
  t.equal(gone.body, '<p>')
  t.match(gone.field('date'), /GMT$/)
  const empty = await client.answer()
  t.equal(empty.startLine, 'HTTP/1.1 204 No Content')
  t.equal(empty.field('content-length'), undefined)
  t.equal((await client.answer()).status, 410, 'the connection stays in step')
  client.close()
  t.equal(engine.counted('2xx'), 3)
  t.equal(engine.inFlight(), 0)
})

test('a fixed answer reads the body that comes with its request, and closes before one that does not', async t => {
  await using engine = await answeringRoutes()
  const client = await engine.connect()
  client.send(
    `${head('POST /gone HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}1\r\nx\r\n0\r\n\r\n${get('/gone')}`,
  )
  t.equal((await client.answer()).status, 410)
  t.equal((await client.answer()).status, 410)
  client.send(`${head('POST /gone HTTP/1.1', 'Host: a', 'Content-Length: 9')}half`)
  const last = await client.answer()
  t.equal(last.status, 410)
  t.equal(last.field('connection'), 'close')
  t.equal(await client.ended(), 'end')
  client.close()
  const old = await engine.connect()
  old.send(head('GET /gone HTTP/1.0', 'Connection: keep-alive'))
  t.equal((await old.answer()).field('connection'), 'keep-alive')
  old.send(head('GET /gone HTTP/1.0'))
  t.equal((await old.answer()).field('connection'), 'close')
  old.close()
})
