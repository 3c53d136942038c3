/** Clients that leave, dawdle, flood, or take nothing. */
import { test } from 'tap'
import { type Engine, startPool } from '../../support/engine.ts'
import { openSockets, type RawPeer, rest, until } from '../../support/raw-peer.ts'
import { answering, ok, type RawUpstream, rawUpstream, silentPort } from '../../support/raw-upstream.ts'
import { head } from './request-corpus.ts'

const GET = head('GET / HTTP/1.1', 'Host: a')
const chunkedHead = head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')

/** Nobody is blamed, nothing runs on, and the next request is served. */
async function unharmed(
  engine: Engine,
): Promise<{ readonly inFlight: number; readonly failures: number; readonly body: string }> {
  await until(() => engine.inFlight() === 0, 'nothing runs')
  const failures = [...engine.http.numbers.upstreamErrors()].length
  return { inFlight: engine.inFlight(), failures, body: (await engine.ask(GET)).body }
}

type Phase = (client: RawPeer, origin: RawUpstream) => Promise<void>

test('a client that goes away takes its upstream connection with it, and nobody is blamed', async t => {
  const phases: Record<string, Phase> = {
    'within its body': async (client, origin) => {
      client.send(`${head('PUT / HTTP/1.1', 'Host: a', 'Content-Length: 10')}hello`)
      await (await origin.connection(0)).text('hello')
    },
    'while it waits': async (client, origin) => {
      client.send(GET)
      await (await origin.connection(0)).request()
    },
    'while it waits, with another request sent ahead': async (client, origin) => {
      client.send(GET + GET)
      await (await origin.connection(0)).request()
    },
    'within the answer': async (client, origin) => {
      client.send(GET)
      const upstream = await origin.connection(0)
      await upstream.request()
      upstream.send(`${chunkedHead}5\r\nhello\r\n`)
      await client.text('hello')
    },
  }
  for (const [title, reach] of Object.entries(phases)) {
    await using origin = await rawUpstream(() => undefined, answering(ok('fine')))
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    await reach(client, origin)
    client.reset()
    t.not(await (await origin.connection(0)).ended(), 'open', title)
    t.strictSame(await unharmed(engine), { inFlight: 0, failures: 0, body: 'fine' }, title)
    t.equal(engine.counted('client_left'), 1, title)
    t.equal(origin.connections.length, 2, `${title}: its connection is not used again`)
  }
})

test('a client that goes away before there is a request is not counted as one', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port])
  for (const said of ['', 'GET / HTTP/1.1\r\nHo']) {
    for (const leave of ['reset', 'close', 'end'] as const) {
      const client = await engine.connect()
      client.send(said)
      client[leave]()
      await until(() => active(engine) === 0, 'it is gone')
    }
  }
  t.equal(origin.connections.length + engine.counted('client_left'), 0)
})

test('a client that goes away while the upstream is being dialled', async t => {
  await using silent = await silentPort()
  await using engine = await startPool([silent.port], { route: { connect_timeout: '5s' } })
  const client = await engine.connect()
  client.send(GET)
  await until(() => engine.inFlight() === 1, 'it is dialled')
  client.reset()
  await until(() => engine.inFlight() === 0, 'that is given up')
  t.equal(engine.counted('client_left'), 1)
  t.equal([...engine.http.numbers.upstreamErrors()].length, 0)
})

test('a head that never comes to its end: 408', async t => {
  await using origin = await rawUpstream(answering(ok('')))
  await using engine = await startPool([origin.port], { listener: { limits: { head_timeout: '300ms' } } })
  const started = performance.now()
  const [slow, silent, second] = await Promise.all([engine.connect(), engine.connect(), engine.connect()])
  slow.send('GET / HTTP/1.1\r\nX: ')
  const drip = setInterval(() => slow.send('a'), 20)
  second.send(`${GET}GET / HT`)
  const answer = await slow.answer()
  clearInterval(drip)
  t.equal(answer.status, 408, 'however steadily it drips')
  t.ok(performance.now() - started >= 300, 'not early')
  t.ok(performance.now() - started < 2_000, 'not much later')
  t.equal((await second.answer()).status, 200)
  t.equal((await second.answer()).status, 408, 'a second request just the same')
  t.equal(await silent.ended(), 'end', 'who says nothing at all is closed')
  t.equal(silent.received, '')
  t.equal(origin.connections.length, 1)
  for (const client of [slow, silent, second]) client.close()
})

test('a body that stands still: 408, and the upstream is let go without blame', async t => {
  await using origin = await rawUpstream(() => undefined, answering(ok('fine')))
  await using engine = await startPool([origin.port], { listener: { limits: { body_timeout: '200ms' } } })
  const client = await engine.connect()
  client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 10')}hello`)
  t.equal((await client.answer()).status, 408)
  t.equal(await client.ended(), 'end')
  await (await origin.connection(0)).ended()
  t.strictSame(await unharmed(engine), { inFlight: 0, failures: 0, body: 'fine' })
  client.close()
})

test('a client that reads nothing of a large answer holds the upstream back, and is closed', async t => {
  const size = 64 * 1024 * 1024
  let taken = 0
  await using origin = await rawUpstream(
    async peer => {
      await peer.request()
      peer.send(head('HTTP/1.1 200 OK', `Content-Length: ${size}`))
      const part = Buffer.alloc(256 * 1024)
      const more = () => {
        while (peer.socket.writable && taken < size) {
          taken += part.length
          if (!peer.socket.write(part)) return
        }
      }
      peer.socket.on('drain', more)
      more()
    },
    answering(ok('fine')),
  )
  await using engine = await startPool([origin.port], { listener: { limits: { body_timeout: '600ms' } } })
  const client = await engine.connect()
  client.socket.pause()
  client.send(GET)
  const upstream = await origin.connection(0)
  const bounded = await rest(() => taken)
  t.ok(bounded < size / 2, `${bounded} bytes were taken from the upstream`)
  t.not(await upstream.ended(), 'open', 'and at last it is let go')
  t.strictSame(await unharmed(engine), { inFlight: 0, failures: 0, body: 'fine' })
  t.equal(engine.counted('client_left'), 1)
  client.close()
})

test('a client that reads slowly, but reads, is served to the end', async t => {
  const size = 12 * 1024 * 1024
  await using origin = await rawUpstream(answering(ok('x'.repeat(size))))
  await using engine = await startPool([origin.port], { listener: { limits: { body_timeout: '1s' } } })
  const client = await engine.connect()
  client.socket.on('data', () => {
    client.socket.pause()
    setTimeout(() => client.socket.resume(), 8)
  })
  const started = performance.now()
  client.send(GET)
  t.equal((await client.answer()).body.length, size)
  t.ok(performance.now() - started > 1_000, 'although it takes longer than a stall may')
  client.close()
})

test('a client that sends ahead and takes nothing is closed in the end', async t => {
  await using origin = await rawUpstream(answering(ok('x'.repeat(40_000))))
  await using engine = await startPool([origin.port], { listener: { limits: { body_timeout: '300ms' } } })
  const client = await engine.connect()
  client.socket.pause()
  client.send(GET.repeat(2_000))
  await until(() => active(engine) === 0, 'it is closed')
  t.equal(engine.inFlight(), 0)
  client.close()
})

test('a client that takes nothing of its last answer is closed, however much of it is left', async t => {
  // Of some of these the kernel takes all, of some all but what we hold ourselves, and of some the upstream still has a part.
  const sizes = Array.from({ length: 24 }, (_, i) => (i + 2) * 512 * 1024)
  await using origin = await rawUpstream(async peer => {
    const { startLine } = await peer.request()
    peer.end(ok('x'.repeat(Number(startLine.split('/')[1]?.split(' ')[0])), 'Connection: close'))
  })
  await using engine = await startPool([origin.port], { listener: { limits: { body_timeout: '300ms' } } })
  const before = await rest(openSockets)
  const clients = await Promise.all(sizes.map(() => engine.connect()))
  for (const [i, client] of clients.entries()) {
    client.socket.pause()
    client.send(head(`GET /${sizes[i]} HTTP/1.1`, 'Host: a', 'Connection: close'))
  }
  await until(() => active(engine) === 0, 'all are over')
  for (const { socket } of origin.connections) socket.destroy()
  await until(() => openSockets() - before === clients.length, 'only their own ends are open')
  t.equal(engine.inFlight(), 0)
  for (const client of clients) client.close()
})

test('more connections than the listener takes are closed without a word', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port], { listener: { limits: { max_connections: 2 } } })
  const [first, second] = await Promise.all([engine.connect(), engine.connect()])
  const third = await engine.connect()
  t.not(await third.ended(), 'open')
  t.equal(third.received, '')
  first.send(GET)
  t.equal((await first.answer()).body, 'fine', 'those that are open are served')
  second.close()
  await until(() => active(engine) === 1, 'one has gone')
  t.equal((await engine.ask(GET)).body, 'fine', 'and there is room again')
  first.close()
})

function active(engine: Engine): number {
  return [...engine.http.numbers.connectionsActive()].reduce((sum, { value }) => sum + value, 0)
}

test('nothing of a client that left is seen by the one that gets its place', async t => {
  const phases: Record<string, string> = {
    'within its head': 'HEAD /secret HTTP/1.1\r\nHost: a\r\nX-Forw',
    'within its body': `${head('PUT /secret HTTP/1.1', 'Host: a', 'Content-Length: 10')}hello`,
    'within a chunk': `${head('POST /secret HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}5\r\nhel`,
    'while it waits': head('HEAD /secret HTTP/1.1', 'Host: a', 'X-Forwarded-For: 192.0.2.1'),
    'with more sent ahead': GET + GET,
    'refused, in the rest of it': `${head('GET /secret HTTP/1.1', 'Host: a b')}rest`,
  }
  for (const [title, said] of Object.entries(phases)) {
    await using origin = await rawUpstream()
    await using engine = await startPool([origin.port], { listener: { trusted_proxies: ['127.0.0.1'] } })
    const gone = await engine.connect()
    gone.send(said)
    const seen = () => engine.inFlight() === 1 || gone.received.length > 0
    if (title !== 'within its head') await until(seen, `${title}: it was seen`)
    gone.reset()
    await until(() => active(engine) === 0, `${title}: it is gone`)
    const refused = await engine.ask('GET / HTTP/1.1\r\n\r\n')
    t.equal(refused.status, 400, title)
    t.match(refused.body, 'bad_request', `${title}: an answer with its body`)
    t.equal(refused.field('x-request-id'), undefined, `${title}: without the id of another request`)
    const before = origin.connections.length
    const client = await engine.connect()
    client.send(`${head('POST /mine HTTP/1.1', 'Host: a', 'Content-Length: 2')}ok`)
    const upstream = await origin.connection(before)
    const { head: sent, body } = await upstream.request()
    t.equal(body + upstream.unread, 'ok', title)
    t.match(sent, /^POST \/mine HTTP\/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\n/, title)
    upstream.send(ok('fine'))
    t.equal((await client.answer()).body, 'fine', title)
  }
})
