import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type Test, test } from 'tap'
import type { z } from 'zod'
import { pool } from '../../src/config/definitions.ts'
import { runCheck } from '../../src/watch/check.ts'

type Written = NonNullable<z.input<typeof pool>['active']>[number]

const never = new AbortController().signal

async function listening(t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => undefined))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

const web = (t: Test, answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  listening(t, createHttp(answer))

/** One check, as an operator would write it, of a port of this host. */
function check(port: number, written: Written, signal = never) {
  const [active] = pool.parse({ name: 'p', active: [written] }).active
  if (active === undefined) throw new Error('no check')
  return runCheck(active, { address: '127.0.0.1', port }, signal)
}

test('an HTTP check asks for what it was told to, and names itself', async t => {
  const seen: string[] = []
  const port = await web(t, ({ method, url, headers }, response) => {
    seen.push(`${method} ${url} ${headers.host} ${headers['user-agent']} ${headers.connection}`)
    response.end()
  })
  await check(port, { kind: 'http' })
  await check(port, { kind: 'http', method: 'HEAD', path: '/health?full=1', host: 'nas.example.com' })
  t.match(seen[0], new RegExp(`^GET / 127.0.0.1:${port} gatepool `))
  t.match(seen[1], /^HEAD \/health\?full=1 nas.example.com gatepool /)
})

for (const [status, expect_status, passed] of [
  [200, [], true],
  [204, [], true],
  [302, [], true],
  [404, [], false],
  [503, [], false],
  [503, [503], true],
  [200, [204], false],
] as const) {
  test(`status ${status} ${passed ? 'passes' : 'fails'} where ${expect_status.join() || 'none'} is asked for`, async t => {
    const port = await web(t, (_, response) => response.writeHead(status, { location: '/loop' }).end())
    t.strictSame(await check(port, { kind: 'http', expect_status: [...expect_status] }), {
      passed,
      said: `status ${status}`,
    })
  })
}

test('a body has to hold the text, also where it comes in pieces, and within its first part', async t => {
  const port = await web(t, (request, response) => {
    if (request.url === '/pieces') {
      response.write('all is o')
      response.end('k here')
    } else response.end(`${'x'.repeat(100_000)}ok here`)
  })
  const text = { kind: 'http' as const, expect_body: 'ok here' }
  t.match(await check(port, { ...text, path: '/pieces' }), { passed: true })
  t.match(await check(port, { ...text, path: '/late' }), { passed: false, said: 'the text is not in the body' })
})

test('whoever does not answer in time has failed, and so has an endless or a malformed answer', async t => {
  const silent = await listening(t, createServer())
  const endless = await web(t, (_, response) => void response.write('x'))
  const malformed = await listening(
    t,
    createServer(socket => socket.end('nonsense\r\n\r\n')),
  )
  t.strictSame(await check(silent, { kind: 'http', timeout: '50ms' }), { passed: false, said: 'no answer in time' })
  t.match(await check(endless, { kind: 'http', timeout: '50ms', expect_body: 'y' }), { passed: false })
  t.match(await check(malformed, { kind: 'http' }), { passed: false })
})

test('a connection that is refused says so', async t => {
  const server = createServer()
  const port = await listening(t, server)
  await new Promise(resolve => server.close(resolve))
  t.match(await check(port, { kind: 'http' }), { passed: false, said: 'ECONNREFUSED' })
  t.match(await check(port, { kind: 'tcp' }), { passed: false, said: 'ECONNREFUSED' })
})

test('a TCP check connects, and where it is told to sends a text and waits for another', async t => {
  const port = await listening(
    t,
    createServer(socket => socket.on('data', data => socket.write(`+${String(data).trim()}\r\n`))),
  )
  t.strictSame(await check(port, { kind: 'tcp' }), { passed: true, said: 'connected' })
  t.match(await check(port, { kind: 'tcp', send: 'PING\r\n', expect: '+PING' }), { passed: true })
  t.match(await check(port, { kind: 'tcp', send: 'PING\r\n', expect: 'PONG', timeout: '50ms' }), { passed: false })
  t.match(await check(port, { kind: 'tcp', expect: 'banner', timeout: '50ms' }), { passed: false })
})

test('another port than the one that serves may be checked', async t => {
  const port = await web(t, (_, response) => response.end())
  t.match(await check(1, { kind: 'http', port }), { passed: true })
})

test('a check that is called off ends at once', async t => {
  const silent = await listening(t, createServer())
  const ended = new AbortController()
  const running = check(silent, { kind: 'http', timeout: '1m' }, ended.signal)
  ended.abort()
  t.match(await running, { passed: false })
})
