/** What the access log is told of each exchange. */
import { test } from 'tap'
import type { AccessLine } from '../../../src/telemetry/access.ts'
import { startEngine, startPool } from '../../support/engine.ts'
import { until } from '../../support/raw-peer.ts'
import { answering, ok, rawUpstream, refusingPort } from '../../support/raw-upstream.ts'
import { head } from './request-corpus.ts'

const get = (target: string, ...fields: string[]): string =>
  head(`GET ${target} HTTP/1.1`, 'Host: A.example:80', ...fields)

/** An access log that keeps its lines, of the requests that it wants. */
function keeping(wants = () => true) {
  const lines: AccessLine[] = []
  return { lines, log: { wants, write: (line: AccessLine) => void lines.push(line) } }
}

const nothing = { route: null, pool: null, gateway: null, attempts: 0 }

test('a request that was passed on, with who answered it and how much', async t => {
  const { lines, log } = keeping()
  await using origin = await rawUpstream(answering(ok('done')))
  await using engine = await startPool([await refusingPort(), origin.port], { access: log })
  const client = await engine.connect()
  client.send(get('/x/../secret?token=1', 'Cookie: s', 'Authorization: Basic x', 'X-Forwarded-For: 6.6.6.6'))
  const first = await client.answer()
  client.send(head('HEAD / HTTP/1.1', 'Host: b'))
  const second = await client.answer({ toHead: true })
  client.close()
  const common = {
    listener: 'web',
    route: 'app',
    pool: 'all',
    gateway: 'b',
    status: 200,
    client: '127.0.0.1',
    reason: null,
  }
  t.match(lines, [
    { ...common, method: 'GET', host: 'a.example', path: '/secret', bytes: first.raw.length, attempts: 2 },
    { ...common, method: 'HEAD', host: 'b', path: '/', bytes: second.raw.length, attempts: 2 },
  ])
  for (const { request_id, duration_ms } of lines) {
    t.match(request_id, /^[0-9a-f]{16}-/)
    t.ok(duration_ms > 0 && duration_ms < 10_000)
  }
  t.notMatch(JSON.stringify(lines), /token|Basic|Cookie/)
})

test('what we answer has its reason, and nothing of the request before', async t => {
  const { lines, log } = keeping()
  await using origin = await rawUpstream(answering(ok('done')))
  await using engine = await startEngine(
    {
      gateways: [
        { name: 'a', address: '127.0.0.1', http_port: origin.port },
        { name: 'dead', address: '127.0.0.1', http_port: await refusingPort() },
      ],
      pools: [{ name: 'all', members: ['dead'] }],
      routes: [
        { name: 'a', match: { host: 'a.example', path: '/a' }, target: { gateway: 'a' } },
        { name: 'all', match: { path: '/all' }, target: { pool: 'all' } },
        { name: 'no', match: { path: '/no' }, target: { gateway: 'a' }, deny: ['203.0.113.0/24'] },
        { name: 'moved', match: { path: '/moved' }, target: { redirect: { to: '/' } } },
      ],
    },
    { access: log, listener: { trusted_proxies: ['127.0.0.1'] } },
  )
  const client = await engine.connect()
  for (const target of ['/a', '/nothing', '/no', '/moved', '/all', '/b d']) {
    client.send(get(target, 'X-Forwarded-For: 203.0.113.9', 'X-Request-Id: theirs'))
    await client.answer()
  }
  client.close()
  const known = { method: 'GET', host: 'a.example', request_id: 'theirs' }
  t.match(lines, [
    { ...known, route: 'a', pool: null, gateway: 'a', status: 200, client: '203.0.113.9', reason: null, attempts: 1 },
    { ...known, ...nothing, path: '/nothing', status: 404, client: '203.0.113.9', reason: 'no_route' },
    { ...known, ...nothing, route: 'no', path: '/no', status: 403, reason: 'address_denied' },
    { ...known, ...nothing, route: 'moved', path: '/moved', status: 308, reason: null },
    { ...known, route: 'all', pool: 'all', gateway: 'dead', status: 503, reason: 'pool_outage', attempts: 1 },
    { ...nothing, method: '', host: '', path: '', status: 400, client: '127.0.0.1', reason: 'bad_request' },
  ])
  t.equal(lines.length, 6)
})

test('a client that leaves, an answer that is cut, a tunnel that ends', async t => {
  const { lines, log } = keeping()
  await using silent = await rawUpstream(async peer => {
    await peer.request()
  })
  await using lying = await rawUpstream(async peer => {
    await peer.request()
    peer.send(head('HTTP/1.1 200 OK', 'Content-Length: 9'))
    peer.end('half')
  })
  await using talking = await rawUpstream(async peer => {
    await peer.request()
    peer.send(`${head('HTTP/1.1 101 Go', 'Upgrade: websocket', 'Connection: Upgrade')}hello`)
  })
  const ports = { silent: silent.port, lying: lying.port, talking: talking.port }
  await using engine = await startEngine(
    {
      gateways: Object.entries(ports).map(([name, http_port]) => ({ name, address: '127.0.0.1', http_port })),
      routes: Object.keys(ports).map(name => ({ name, match: { path: `/${name}` }, target: { gateway: name } })),
    },
    { access: log },
  )
  const leaving = await engine.connect()
  leaving.send(get('/silent'))
  await until(() => silent.received.includes('\r\n\r\n'), 'the request has arrived')
  leaving.reset()
  await until(() => lines.length === 1, 'a line')
  const cut = await engine.connect()
  cut.send(get('/lying'))
  await cut.ended()
  await until(() => lines.length === 2, 'another')
  const tunnel = await engine.connect()
  tunnel.send(get('/talking', 'Upgrade: websocket', 'Connection: Upgrade'))
  const switched = await tunnel.answer()
  await tunnel.text('hello')
  tunnel.reset()
  await until(() => lines.length === 3, 'a third')
  t.match(lines, [
    { route: 'silent', gateway: 'silent', status: 499, reason: 'client_gone', bytes: 0 },
    { route: 'lying', gateway: 'lying', status: 200, reason: 'upstream_body_cut' },
    { route: 'talking', gateway: 'talking', status: 101, reason: null, bytes: switched.raw.length + 5 },
  ])
})

test('what is not wanted is not told, and leaves nothing behind', async t => {
  const wanted = [false, true]
  const { lines, log } = keeping(() => wanted.shift() ?? false)
  await using origin = await rawUpstream(answering(ok('done')))
  await using engine = await startPool([await refusingPort(), origin.port], {
    access: log,
    route: { match: { path: '/a' } },
  })
  const client = await engine.connect()
  client.send(get('/a'))
  await client.answer()
  client.send(get('/b'))
  const answer = await client.answer()
  client.close()
  t.match(lines, [{ path: '/b', ...nothing, status: 404, bytes: answer.raw.length }])
})
