import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { beatsFrom } from '../../src/core/beats.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { StoreError } from '../../src/store/store-error.ts'
import { TOKEN, testAdmin } from '../support/admin.ts'
import { handClock } from '../support/hand-clock.ts'

const BEAT = '/api/v1/gateways/home/heartbeat'

test('a beat without its shape is refused, with everything that is wrong with it', async t => {
  await using it = await testAdmin()
  const good = { instance: 'home-1', state: 'ready' }
  const cases: [body: unknown, at: string][] = [
    [{ state: 'ready' }, 'body.instance'],
    [{ ...good, instance: '' }, 'body.instance'],
    [{ ...good, instance: '-x' }, 'body.instance'],
    [{ ...good, instance: 'x'.repeat(129) }, 'body.instance'],
    [{ ...good, instance: 'a/b' }, 'body.instance'],
    [{ ...good, state: 'dead' }, 'body.state'],
    [{ ...good, hostname: 'x'.repeat(254) }, 'body.hostname'],
    [{ ...good, os: '\u001b[31m' }, 'body.os'],
    [{ ...good, weight: 101 }, 'body.weight'],
    [{ ...good, connections: -1 }, 'body.connections'],
    [{ ...good, connections: '3' }, 'body.connections'],
    [{ ...good, http_port: 0 }, 'body.http_port'],
    [{ ...good, extra: true }, 'body.extra'],
    [[], 'body'],
    ['ready', 'body'],
  ]
  for (const [body, at] of cases) {
    const response = await it.send('POST', BEAT, body)
    t.equal(response.status, 400, JSON.stringify(body).slice(0, 80))
    const problem = (await response.json()) as { code: string; problems: { at: string }[] }
    t.equal(problem.code, 'bad_request')
    t.equal(problem.problems[0]?.at, at)
  }
  const both = await it.send('POST', BEAT, { instance: '', state: 'dead', wieght: 1 })
  t.equal(((await both.json()) as { problems: unknown[] }).problems.length, 3)
  t.strictSame(beatsFrom(it.state.snapshot.world.sight.beats, 'home'), {})
})

test('a query without its shape is refused', async t => {
  await using it = await testAdmin()
  const bad = [
    'limit=0',
    'limit=1001',
    'limit=x',
    'limit=1e3',
    'limit=1&limit=2',
    'offset=1',
    `after=${'x'.repeat(201)}`,
  ]
  for (const query of bad) {
    const response = await it.ask(`/api/v1/routes?${query}`)
    t.equal(response.status, 400, query)
    t.match(await response.json(), { code: 'bad_request', detail: /^query\./ })
  }
})

test('a body that is no JSON, no JSON by its name, or too large is refused', async t => {
  await using it = await testAdmin()
  const post = (body: string, type = 'application/json') =>
    it.ask(BEAT, { method: 'POST', body, headers: { 'content-type': type } })
  const cases: [response: Response, status: number, code: string][] = [
    [await post('{'), 400, 'bad_request'],
    [await post(''), 400, 'bad_request'],
    [await post('{"__proto__": {"state": "ready"}, "instance": "a", "state": "ready"}'), 400, 'bad_request'],
    [await post('[]'), 400, 'bad_request'],
    [await post('x', 'text/plain'), 415, 'unsupported_media_type'],
    [await post('a=b', 'application/x-www-form-urlencoded'), 415, 'unsupported_media_type'],
    [await post(JSON.stringify({ instance: 'x'.repeat(70_000) })), 413, 'body_too_large'],
  ]
  for (const [response, status, code] of cases) {
    t.equal(response.status, status)
    t.equal(response.headers.get('content-type'), 'application/problem+json')
    t.match(await response.json(), { status, code })
  }
})

test('a path asked by another method says which it takes, whatever the body', async t => {
  await using it = await testAdmin()
  const cases: [method: string, path: string, allow: string][] = [
    ['DELETE', '/api/v1/status', 'GET, HEAD'],
    ['POST', '/api/v1/gateway-pools/main', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['GET', BEAT, 'POST'],
    ['HEAD', '/api/v1/events/stream', 'GET'],
    ['PATCH', '/api/v1/reload', 'POST'],
  ]
  for (const [method, path, allow] of cases) {
    const hasBody = !['GET', 'HEAD'].includes(method)
    const response = await it.ask(path, { method, ...(hasBody ? { body: 'x'.repeat(100_000) } : {}) })
    t.equal(response.status, 405, `${method} ${path}`)
    t.equal(response.headers.get('allow'), allow)
    await response.text()
  }
  t.equal((await it.ask('/api/v1/status', { method: 'HEAD' })).status, 200)
})

test('a path that is no percent-encoding is a bad request', async t => {
  await using it = await testAdmin()
  const response = await it.ask('/api/v1/gateways/%zz')
  t.equal(response.status, 400)
  t.match(await response.json(), { code: 'bad_request' })
})

/** What comes back for `bytes` on a connection of their own, until the other side ends it. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => socket.destroy())
  socket.write(bytes)
  return text(socket)
}

test('what is no HTTP is answered with a problem and the end of the connection', async t => {
  await using it = await testAdmin()
  const { port } = it.admin.address
  const answer = await raw(port, 'hello\r\n\r\n')
  t.match(answer, /^HTTP\/1.1 400 Bad Request\r\n/)
  t.match(JSON.parse(answer.slice(answer.indexOf('{'))), { code: 'bad_request', status: 400 })
  const long = await raw(port, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
  t.match(long, /^HTTP\/1.1 431 /)
  t.match(long, '"code":"head_too_large"')
})

test('a bug is a 500 without its story, and the story is in the log', async t => {
  await using it = await testAdmin({
    metrics: async () => {
      throw new Error('the dishwasher is broken')
    },
    hear: async () => {
      throw Object.assign(new Error('no such thing'), { statusCode: 418 })
    },
  })
  const response = await it.ask('/metrics')
  t.equal(response.status, 500)
  const body = await response.text()
  t.notMatch(body, /dishwasher|node_modules|at /)
  const { code, request_id: id } = JSON.parse(body)
  t.equal(code, 'internal')
  t.match(it.logged(), 'the dishwasher is broken')
  t.match(it.logged(), id)
  const blamed = await it.beat('home')
  t.equal(blamed.status, 500, 'a bug is not blamed on whoever asked')
})

test('a store that cannot be asked is a 503 that may be tried again', async t => {
  const away = async () => {
    throw new StoreError('store_unavailable', 'the store is away')
  }
  await using store = await openEmbeddedStore({ path: ':memory:', cluster: 'test', clock: handClock() })
  await using it = await testAdmin({ store: { ...store, events: away } })
  const response = await it.ask('/api/v1/events')
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { code: 'store_unavailable', retry: true, detail: 'the store is away' })
})

test('a client that leaves in the middle of a body is no error of ours', async t => {
  await using it = await testAdmin()
  const { port } = it.admin.address
  const socket = connect(port, '127.0.0.1')
  const head = `POST ${BEAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n`
  socket.write(`${head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n{"instance"`)
  // "100 Continue": the request has reached the server.
  await once(socket, 'data')
  socket.resetAndDestroy()
  t.equal((await it.beat('home')).status, 200)
  t.equal(it.logged(), '')
})

test('no secret gets into the log, whatever goes wrong', async t => {
  await using it = await testAdmin({
    metrics: async () => {
      throw new Error('broken')
    },
  })
  const wrong = 'another-canary-token'
  await it.ask('/metrics')
  await it.ask('/metrics', { headers: { authorization: `Bearer ${wrong}` } })
  await it.ask(`/api/v1/status?token=${wrong}`)
  await it.send('POST', BEAT, { token: wrong })
  await it.ask('/api/v1/reload', { method: 'POST' })
  await raw(it.admin.address.port, `GET /${wrong} HTTP/9\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`)
  t.match(it.logged(), 'broken')
  t.notMatch(it.logged(), 'canary')
})

test('a port that is taken is an error at the start', async t => {
  await using it = await testAdmin()
  await t.rejects(testAdmin({ listen: { host: '127.0.0.1', port: it.admin.address.port } }), { code: 'EADDRINUSE' })
})
