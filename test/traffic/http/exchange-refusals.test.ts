/** Requests that are refused: the status that was promised, the connection closed, and nothing of them at the upstream. */
import { test } from 'tap'
import { errors } from '../../../src/errors.ts'
import { type Engine, startPool } from '../../support/engine.ts'
import { answering, ok, rawUpstream } from '../../support/raw-upstream.ts'
import { head, refusedRequests } from './request-corpus.ts'

const GET = head('GET / HTTP/1.1', 'Host: a')
/** What a smuggler hopes to be read as a request of its own. */
const SMUGGLED = head('GET /smuggled HTTP/1.1', 'Host: a')
const chunkedPost = head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked')

/** Sends `raw` on a connection of its own and waits for its end: what was answered, and how it ended. */
async function refused(engine: Engine, raw: string, how: 'whole' | 'dribble' = 'whole') {
  const client = await engine.connect()
  if (how === 'whole') client.send(raw)
  else await client.dribble(raw)
  const answer = await client.answer()
  const ending = await client.ended()
  client.close()
  return { answer, ending, more: client.unread }
}

test('the corpus: refused, closed, and nothing of it at the upstream', async t => {
  await using origin = await rawUpstream(answering(ok('')))
  await using engine = await startPool([origin.port])
  for (const { title, raw, code } of refusedRequests) {
    const { status } = errors[code]
    const { answer, ending, more } = await refused(engine, raw + SMUGGLED)
    t.equal(answer.status, status, title)
    t.equal(answer.field('connection'), 'close', title)
    t.match(answer.field('proxy-status'), /^gatepool; error=http_request_error; details="/, title)
    t.equal(ending, 'end', title)
    t.equal(more, '', `${title}: one answer only`)
    if (raw.length < 200) {
      const slow = await refused(engine, raw, 'dribble')
      t.equal(slow.answer.body, answer.body, `${title}, byte by byte`)
    }
  }
  t.equal(origin.connections.length, 0, 'no connection to the upstream')
})

test('a request behind a good one is refused just the same', async t => {
  await using origin = await rawUpstream(answering(ok('good')))
  await using engine = await startPool([origin.port])
  for (const { title, raw, code } of refusedRequests.filter(({ raw }) => raw.length < 200)) {
    const client = await engine.connect()
    client.send(GET + raw + SMUGGLED)
    t.equal((await client.answer()).body, 'good', title)
    t.equal((await client.answer()).status, errors[code].status, title)
    t.equal(await client.ended(), 'end', title)
    client.close()
  }
  t.notMatch(origin.received, 'smuggled')
  t.equal(origin.received.match(/GET \/ /g)?.length, origin.received.match(/\r\n\r\n/g)?.length)
})

test('a malformed chunk in the first segment: nothing of the request at the upstream', async t => {
  await using origin = await rawUpstream(answering(ok('')))
  await using engine = await startPool([origin.port])
  const bodies = {
    'a size that is no number': 'xyz\r\n',
    'a size with a sign': '+5\r\nhello\r\n0\r\n\r\n',
    'a size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
    'an empty size': '\r\nhello\r\n0\r\n\r\n',
    'a size beyond 2^53': '20000000000000\r\n',
    'a bare LF behind the size': '5\nhello\r\n0\r\n\r\n',
    'white space behind the size': '5 \r\nhello\r\n0\r\n\r\n',
    'data longer than its size': '5\r\nhello!\r\n0\r\n\r\n',
    'data shorter than its size': '6\r\nhello\r\n0\r\n\r\n',
    'a bare LF behind the data': '5\r\nhello\n0\r\n\r\n',
    'an extension with a control byte': '5;a=\x01\r\nhello\r\n0\r\n\r\n',
    'an extension with a bare LF': '5;a\nb\r\nhello\r\n0\r\n\r\n',
    'an extension of 257 bytes': `5;${'a'.repeat(257)}\r\nhello\r\n0\r\n\r\n`,
    'a folded trailer': '0\r\nX: y\r\n z\r\n\r\n',
    'a trailer without a colon': '0\r\nGET / HTTP/1.1\r\n\r\n',
    'a bare LF behind a trailer': '0\r\nX: y\n\r\n',
    'trailers of 9 KiB': `0\r\nX: ${'a'.repeat(9000)}\r\n\r\n`,
  }
  for (const [title, body] of Object.entries(bodies)) {
    const { answer, ending } = await refused(engine, chunkedPost + body + SMUGGLED)
    t.equal(answer.status, 400, title)
    t.equal(ending, 'end', title)
  }
  t.equal(origin.connections.length, 0, 'no connection to the upstream')
})

test('a malformed chunk later on: the upstream never sees the end of the body', async t => {
  await using origin = await rawUpstream(peer => peer.text('never'))
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(`${chunkedPost}5\r\nhello\r\n`)
  const upstream = await origin.connection(0)
  await upstream.text('5\r\nhello\r\n')
  client.send(`zz\r\n${SMUGGLED}`)
  t.equal((await client.answer()).status, 400)
  t.not(await upstream.ended(), 'open')
  t.equal(upstream.unread, '', 'nothing more')
  t.equal(engine.inFlight(), 0)
  t.strictSame(engine.retries(), {}, 'and nobody is blamed or tried again')
  client.close()
})

test('a malformed chunk when the answer has begun: both are cut, for no other answer can follow', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.text('5\r\nhello\r\n')
    peer.send(`${head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}4\r\npart\r\n`)
  })
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(`${chunkedPost}5\r\nhello\r\n`)
  await client.text('4\r\npart\r\n')
  client.send('zz\r\n')
  t.equal(await client.ended(), 'reset')
  t.equal(client.unread, '')
  t.not(await (await origin.connection(0)).ended(), 'open')
  t.equal(engine.inFlight(), 0)
})

test('limits of the listener', async t => {
  await using origin = await rawUpstream(answering(ok('fine')))
  await using engine = await startPool([origin.port], {
    listener: { limits: { max_request_line: 256, max_head: 1024, max_fields: 5, max_body: 1000 } },
  })
  const post = (length: number) => head('POST / HTTP/1.1', 'Host: a', `Content-Length: ${length}`)
  const cases: readonly [title: string, raw: string, status: number][] = [
    ['a request line too long', head(`GET /${'a'.repeat(256)} HTTP/1.1`, 'Host: a'), 414],
    ['a head too large', head('GET / HTTP/1.1', 'Host: a', `X: ${'a'.repeat(1000)}`), 431],
    ['too many fields', head('GET / HTTP/1.1', 'Host: a', ...Array<string>(5).fill('X: y')), 431],
    ['a length too large', post(1001), 413],
    ['chunks too large in all', `${chunkedPost}1F4\r\n${'a'.repeat(500)}\r\n1F5\r\n${'b'.repeat(501)}\r\n`, 413],
  ]
  for (const [title, raw, status] of cases) {
    const { answer, ending } = await refused(engine, raw)
    t.equal(answer.status, status, title)
    t.equal(ending, 'end', title)
  }
  t.equal(origin.connections.length, 0, 'no connection to the upstream')

  t.equal((await engine.ask(post(1000) + 'a'.repeat(1000))).status, 200, 'as much as is allowed')
  t.equal((await engine.ask(`${chunkedPost}3e8\r\n${'a'.repeat(1000)}\r\n0\r\n\r\n`)).status, 200, 'in chunks')
})

test('chunks that grow too large on the way: 413, and the upstream is let go', async t => {
  await using origin = await rawUpstream(peer => peer.text('never'))
  await using engine = await startPool([origin.port], { listener: { limits: { max_body: 1000 } } })
  const client = await engine.connect()
  client.send(`${chunkedPost}1f4\r\n${'a'.repeat(500)}\r\n`)
  const upstream = await origin.connection(0)
  await upstream.text('a\r\n')
  client.send(`1f5\r\n${'b'.repeat(501)}\r\n`)
  t.equal((await client.answer()).status, 413)
  await upstream.ended()
  t.notMatch(upstream.received, 'b\r\n')
  client.close()
})

test('the answer is in the form that the client likes', async t => {
  await using engine = await startPool([1], { route: { match: { host: 'a' } } })
  const asking = (...fields: string[]) => engine.ask(head('GET / HTTP/1.1', 'Host: other', ...fields))
  const problem = await asking()
  t.equal(problem.field('content-type'), 'application/problem+json')
  t.has(JSON.parse(problem.body), { status: 404, code: 'no_route' })
  t.equal((await asking('Accept: text/html')).field('content-type'), 'text/html; charset=utf-8')
  t.equal((await asking('Accept: text/plain')).body, '404 no_route: No route matches this request\n')
  const toHead = await engine.ask(head('HEAD / HTTP/1.1', 'Host: other'), { toHead: true })
  t.equal(toHead.status, 404)
  t.not(toHead.field('content-length'), '0')
})

test('the answer arrives although the client still sends', async t => {
  await using engine = await startPool([1], { listener: { limits: { max_body: 1000 } } })
  const client = await engine.connect()
  client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 600000'))
  // A close with these unread would reset the connection, and the reset would overtake the answer.
  for (let i = 0; i < 10; i++) client.send(Buffer.alloc(60_000))
  t.equal((await client.answer()).status, 413)
  t.equal(await client.ended(), 'end')
  client.close()
})

test('a client that never stops sending is cut off', async t => {
  await using engine = await startPool([1], { listener: { limits: { max_body: 1000 } } })
  const client = await engine.connect()
  client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 9000000'))
  const send = () => {
    while (client.socket.writable && client.socket.write(Buffer.alloc(60_000))) {}
  }
  client.socket.on('drain', send)
  send()
  t.equal((await client.answer()).status, 413)
  await new Promise(resolve => client.socket.once('close', resolve))
  t.pass('the connection is closed')
})
