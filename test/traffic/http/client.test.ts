/** Client connections: how long they stay, in what order they are served, and how they close. */
import { test } from 'tap'
import { startPool } from '../../support/engine.ts'
import { RawPeer, rest } from '../../support/raw-peer.ts'
import { ok, rawUpstream, type Script } from '../../support/raw-upstream.ts'
import { head } from './request-corpus.ts'

const get = (path: string, ...fields: string[]): string => head(`GET ${path} HTTP/1.1`, 'Host: a', ...fields)

/** Answers each request with its own target. */
const echo: Script = async peer => {
  for (;;) {
    const { startLine, body } = await peer.request()
    peer.send(ok(`${startLine.split(' ')[1]}${body === '' ? '' : ` ${body}`}`))
  }
}

test('requests sent ahead are answered in order, one at a time', async t => {
  for (const count of [2, 50]) {
    await t.test(`${count} in one segment`, async t => {
      await using origin = await rawUpstream(echo)
      await using engine = await startPool([origin.port])
      const client = await engine.connect()
      const paths = Array.from({ length: count }, (_, i) => `/${i}`)
      client.send(paths.map(path => get(path)).join(''))
      for (const path of paths) t.equal((await client.answer()).body, path)
      t.equal(origin.connections.length, 1)
      t.equal(client.unread, '')
      client.close()
    })
  }

  await t.test('the second is not sent on before the first is answered', async t => {
    await using origin = await rawUpstream(() => undefined)
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(get('/first') + get('/second'))
    const upstream = await origin.connection(0)
    await upstream.request()
    await rest(() => origin.received.length)
    t.equal(upstream.unread, '')
    upstream.send(ok('1'))
    t.equal((await client.answer()).body, '1')
    t.match(await upstream.request(), { startLine: 'GET /second HTTP/1.1' })
    client.close()
  })

  await t.test('of every kind behind each other', async t => {
    await using origin = await rawUpstream(echo)
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(
      [
        get('/1'),
        `${head('POST /2 HTTP/1.1', 'Host: a', 'Content-Length: 5')}hello`,
        `${head('PUT /3 HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')}1\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\n\r\n`,
        `\r\n${get('/4')}`,
        `${head('DELETE /5 HTTP/1.1', 'Host: a', 'Content-Length: 0')}`,
        get('/6', 'Connection: close'),
        get('/7'),
      ].join(''),
    )
    for (const body of ['/1', '/2 hello', '/3 abc', '/4', '/5', '/6']) t.equal((await client.answer()).body, body)
    t.equal(await client.ended(), 'end', 'what is behind a close is not served')
    t.notMatch(origin.received, '/7')
    client.close()
  })

  await t.test('cut in two at every byte', async t => {
    await using origin = await rawUpstream(echo)
    await using engine = await startPool([origin.port])
    const post = head('POST /b HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')
    const raw = `${get('/a')}${post}3\r\nabc\r\n0\r\n\r\n${get('/c')}`
    for (let at = 1; at < raw.length; at++) {
      const client = await engine.connect()
      client.send(raw.slice(0, at))
      await new Promise(resolve => setImmediate(resolve))
      client.send(raw.slice(at))
      const bodies = [await client.answer(), await client.answer(), await client.answer()].map(({ body }) => body)
      t.strictSame(bodies, ['/a', '/b abc', '/c'], `cut at ${at}`)
      client.close()
    }
  })
})

test('a client that sends ahead and reads nothing is not served without bounds', async t => {
  // Small enough to be relayed whole, and done with, before anybody notices that nobody takes it.
  const size = 40_000
  const answer = ok('x'.repeat(size))
  const count = 2_000
  let served = 0
  await using origin = await rawUpstream(async peer => {
    for (;;) {
      await peer.text('\r\n\r\n')
      served++
      peer.send(answer)
    }
  })
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.socket.pause()
  client.send(get('/').repeat(count))
  const bounded = await rest(() => served)
  // What the kernel's buffers of both ends take, and a little of our own.
  t.ok(bounded < count / 2, `${bounded} were served`)
  client.socket.resume()
  for (let i = 0; i < count; i++) if ((await client.answer()).body.length !== size) t.fail(`answer ${i}`)
  t.equal(served, count, 'all are served once it reads')
  client.close()
})

test('nor are refusals piled up', async t => {
  const count = 80_000
  await using engine = await startPool([1], { route: { match: { host: 'other' } } })
  const client = await engine.connect()
  client.socket.pause()
  client.send(get('/').repeat(count))
  const answered = await rest(() => engine.counted('4xx'))
  t.ok(answered < count / 2, `${answered} were answered`)
  client.close()
})

test('HTTP/1.0 clients', async t => {
  await using origin = await rawUpstream(echo)
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(head('GET /1 HTTP/1.0', 'Connection: keep-alive', 'Host: a'))
  t.equal((await client.answer()).field('connection'), 'keep-alive')
  client.send(head('GET /2 HTTP/1.0', 'Host: a'))
  t.match(await client.answer(), { startLine: 'HTTP/1.1 200 OK', body: '/2' })
  t.equal(await client.ended(), 'end', 'closed behind the answer, as it expects')
  client.close()
})

test('Connection: close', async t => {
  await using origin = await rawUpstream(echo)
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(get('/', 'Connection: close'))
  t.equal((await client.answer()).field('connection'), 'close')
  t.equal(await client.ended(), 'end')
  client.close()
  t.equal((await engine.ask(get('/next'))).body, '/next')
  t.equal(origin.connections.length, 1, 'the connection to the upstream stays')
})

test('a client that ends its side while it waits still gets its answers', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.request()
    await new Promise(resolve => setTimeout(resolve, 20))
    peer.send(ok('1'))
    await peer.request()
    peer.send(ok('2'))
  })
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.end(get('/1') + get('/2'))
  t.equal((await client.answer()).body, '1')
  t.equal((await client.answer()).body, '2')
  t.equal(await client.ended(), 'end')
  t.equal(engine.counted('2xx'), 2)
})

test('a client that ends its side within a body or a head is closed', async t => {
  await using origin = await rawUpstream(peer => peer.text('never'))
  await using engine = await startPool([origin.port])
  const body = await engine.connect()
  body.end(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 9')}half`)
  t.equal(await body.ended(), 'end')
  await (await origin.connection(0)).ended()
  const inHead = await engine.connect()
  inHead.end('GET / HT')
  t.equal(await inHead.ended(), 'end')
  t.equal(body.received + inHead.received, '', 'there is nobody to answer')
  t.equal(engine.counted('client_left'), 1)
})

test('an answer before the end of the request: relayed, then both connections close', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.text('\r\n\r\n')
    peer.send(ok('too much', 'X: y'))
  }, echo)
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 1000')}some`)
  const answer = await client.answer()
  t.equal(answer.body, 'too much')
  t.equal(answer.field('connection'), 'close')
  t.equal(await client.ended(), 'end')
  // Whatever it sends now is the rest of a body that nobody wants, not a request.
  client.send(get('/smuggled'))
  const upstream = await origin.connection(0)
  t.not(await upstream.ended(), 'open')
  t.equal((await engine.ask(get('/next'))).body, '/next')
  t.notMatch(origin.received, 'smuggled')
  client.close()
})

test('a client that gives its body up for an early answer gets all of that', async t => {
  const size = 12 * 1024 * 1024
  await using origin = await rawUpstream(async peer => {
    await peer.text('some')
    peer.send(ok('x'.repeat(size)))
  })
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(`${head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 1000')}some`)
  await client.text('\r\n\r\n')
  client.socket.pause()
  client.end()
  await rest(() => origin.connections[0]?.socket.writableLength ?? 0)
  client.socket.resume()
  await client.take(() => (client.unread.length === size ? size : undefined), 'the whole body')
  t.equal(await client.ended(), 'end')
})

test('an answer that began early goes on after the request is complete', async t => {
  // Longer than the wait for an answer may be: that wait is over once the answer has begun.
  await using origin = await rawUpstream(async peer => {
    await peer.text('\r\n\r\n')
    peer.send(head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'))
    await peer.text('end')
    for (let i = 0; i < 12; i++) {
      peer.send('1\r\nx\r\n')
      await new Promise(resolve => setTimeout(resolve, 80))
    }
    peer.send('0\r\n\r\n')
  })
  await using engine = await startPool([origin.port], { route: { response_timeout: '100ms' } })
  const client = await engine.connect()
  client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 8'))
  await client.text('\r\n\r\n')
  client.send('body end')
  t.match(await client.text('0\r\n\r\n'), '1\r\nx\r\n'.repeat(12))
  client.close()
})

test('an idle connection is closed after its time', async t => {
  await using origin = await rawUpstream(echo)
  await using engine = await startPool([origin.port], { listener: { limits: { keep_alive_timeout: '100ms' } } })
  const client = await engine.connect()
  client.send(get('/'))
  await client.answer()
  t.equal(await client.ended(), 'end')
  t.equal(client.unread, '', 'without a word')
})

test('a connection that was closed is not written to again', async t => {
  await using origin = await rawUpstream(echo)
  await using engine = await startPool([origin.port])
  const client = await RawPeer.to(engine.port)
  client.send(get('/'))
  await client.answer()
  client.close()
  t.equal((await engine.ask(get('/still'))).body, '/still')
  t.equal(origin.connections.length, 1, 'and the upstream connection was not its own')
})
