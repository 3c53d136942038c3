/** What the client gets, byte by byte, of what the upstream sent. */
import { test } from 'tap'
import { startPool } from '../../support/engine.ts'
import type { RawMessage } from '../../support/raw-peer.ts'
import { answering, ok, rawUpstream, type Script } from '../../support/raw-upstream.ts'
import { head } from './request-corpus.ts'
import { acceptedResponses, refusedResponses } from './response-corpus.ts'

const GET = head('GET / HTTP/1.1', 'Host: a')
const HEAD = head('HEAD / HTTP/1.1', 'Host: a')
const chunked = 'Transfer-Encoding: chunked'

/** Answers one request on each connection with the bytes that `answer` holds at that time, and closes; `dribble` byte by byte. */
function saying(answer: () => string, how: 'whole' | 'dribble' = 'whole'): Script {
  return async peer => {
    await peer.request()
    if (how === 'whole') peer.send(answer())
    else await peer.dribble(answer())
    peer.end()
  }
}

test('the corpus: the head goes on as it should, the body as the client can read it', async t => {
  let raw = ''
  await using whole = await rawUpstream(saying(() => raw))
  await using dribbling = await rawUpstream(saying(() => raw, 'dribble'))
  await using engine = await startPool([whole.port])
  await using slow = await startPool([dribbling.port])
  for (const { title, raw: answer, sent, framing, toHead = false, is } of acceptedResponses) {
    if ((is.status ?? 200) < 200) continue
    const lines = [...sent, ...(framing === undefined ? [] : [framing]), '', '']
    const length = is.body === 'none' ? 0 : Number(/^Content-Length: (\d+)$/.exec(framing ?? '')?.[1] ?? 3)
    const body = 'abc'.repeat(33).slice(0, length)
    raw = answer + (is.body === 'chunked' ? '3\r\nabc\r\n0\r\n\r\n' : body)
    for (const one of [engine, slow]) {
      const got = await one.ask(toHead ? HEAD : GET, { toHead })
      t.equal(got.head, lines.join('\r\n'), title)
      t.equal(got.body, is.body === 'none' ? '' : body, title)
    }
  }
})

test('the corpus: a malformed head is 502, is tried again where that is safe, and never ends the process', async t => {
  let raw = ''
  await using first = await rawUpstream(saying(() => raw))
  await using second = await rawUpstream(saying(() => raw))
  await using engine = await startPool([first.port, second.port], {
    pool: { passive: { max_fails: 1000, max_fail_ratio: 1 } },
  })
  for (const { title, raw: answer } of refusedResponses) {
    // A head of 33 KiB is small enough for an answer.
    if (answer.length > 32_768 || title === 'too many fields') continue
    raw = answer
    const posted = await engine.ask(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 0'))
    t.equal(posted.status, 502, title)
    t.equal(
      posted.field('proxy-status'),
      'gatepool; error=http_protocol_error; details="The upstream sent a malformed answer"',
      title,
    )
  }
  const tried = second.connections.length
  t.equal(tried, 0, 'a POST is sent once')
  t.equal((await engine.ask(GET)).status, 503, 'for a GET nobody is left')
  t.equal(second.connections.length, tried + 1, 'and it was tried elsewhere')
})

test('interim answers', async t => {
  await t.test('100 and 103 are relayed in turn, before the answer', async t => {
    const hints = head('HTTP/1.1 103 Early Hints', 'Link: </a.css>; rel=preload', 'Link: </b.css>')
    await using origin = await rawUpstream(answering(`HTTP/1.1 100 Continue\r\n\r\n${hints}${hints}${ok('hi')}`))
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(GET + GET)
    for (const round of ['first', 'second']) {
      t.equal((await client.answer()).raw, 'HTTP/1.1 100 Continue\r\n\r\n', round)
      t.equal((await client.answer()).raw, hints, round)
      t.equal((await client.answer()).raw, hints, round)
      t.equal((await client.answer()).body, 'hi', round)
    }
    client.close()
  })

  await t.test('a client that waits for 100 gets that of the upstream, and only then sends', async t => {
    let body = ''
    await using origin = await rawUpstream(async peer => {
      await peer.text('\r\n\r\n')
      t.match(peer.received, /\r\nExpect: 100-continue\r\n/)
      peer.send('HTTP/1.1 100 Continue\r\n\r\n')
      body = await peer.text('hello')
      peer.send(ok('thanks'))
    })
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(head('POST / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 5'))
    t.equal((await client.answer()).status, 100)
    client.send('hello')
    t.equal((await client.answer()).body, 'thanks')
    t.equal(body, 'hello')
    client.send(GET)
    client.close()
  })

  await t.test('a client that waits for 100 and is refused gets the answer, and the connection closes', async t => {
    const refusal = 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'
    await using origin = await rawUpstream(async peer => {
      await peer.text('\r\n\r\n')
      peer.send(refusal)
    })
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(head('POST / HTTP/1.1', 'Host: a', 'Expect: 100-continue', 'Content-Length: 5'))
    const answer = await client.answer()
    t.equal(answer.status, 401)
    t.equal(answer.field('connection'), 'close', 'for what comes next could be the body as well as a request')
    t.equal(await client.ended(), 'end')
    const upstream = await origin.connection(0)
    await upstream.ended()
    t.notMatch(upstream.received, 'hello')
    client.close()
  })

  await t.test('an HTTP/1.0 client gets none', async t => {
    await using origin = await rawUpstream(answering(`HTTP/1.1 100 Continue\r\n\r\n${ok('hi')}`))
    await using engine = await startPool([origin.port])
    const answer = await engine.ask(head('GET / HTTP/1.0', 'Host: a', 'Expect: 100-continue'))
    t.equal(answer.status, 200)
    t.notMatch(origin.received, /expect/i)
  })
})

test('answers without a body leave the connection in step', async t => {
  const answers = [
    ['HEAD with a length', HEAD, 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n'],
    ['HEAD with chunks', HEAD, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HEAD that says nothing', HEAD, 'HTTP/1.1 200 OK\r\n\r\n'],
    ['204', GET, 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['204 with chunks', GET, 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['304 with the length of what was not sent', GET, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n'],
    ['a length of 0', GET, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ] as const
  for (const [title, request, answer] of answers) {
    await using origin = await rawUpstream(async peer => {
      await peer.request()
      peer.send(answer)
      await peer.request()
      peer.send(ok('next'))
    })
    await using engine = await startPool([origin.port])
    const client = await engine.connect()
    client.send(request)
    t.equal((await client.answer({ toHead: true })).startLine, answer.split('\r\n')[0], title)
    client.send(GET)
    t.equal((await client.answer()).body, 'next', title)
    t.equal(origin.connections.length, 1, `${title}: over the same connection`)
    client.close()
  }
})

test('bodies are framed as the client can read them', async t => {
  const chunks = `${head('HTTP/1.1 200 OK', chunked)}3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-Sum: 1\r\nSet-Cookie: no\r\n\r\n`
  const untilClose = `${head('HTTP/1.1 200 OK')}abc0123456789`
  const HTTP10 = head('GET / HTTP/1.0', 'Host: a', 'Connection: keep-alive')
  let answer = ''
  await using origin = await rawUpstream(saying(() => answer))
  await using engine = await startPool([origin.port])
  const got = async (request: string): Promise<RawMessage> => engine.ask(request)

  answer = chunks
  t.equal(
    (await got(GET)).raw,
    `${head('HTTP/1.1 200 OK', chunked)}3\r\nabc\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n`,
  )
  t.equal((await got(HTTP10)).raw, `${head('HTTP/1.1 200 OK', 'Connection: close')}abc0123456789`, 'chunks to HTTP/1.0')
  answer = untilClose
  t.equal((await got(GET)).body, 'abc0123456789', 'until close, in chunks')
  t.equal((await got(GET)).field('transfer-encoding'), 'chunked')
  t.equal((await got(HTTP10)).raw, `${head('HTTP/1.1 200 OK', 'Connection: close')}abc0123456789`)
  answer = ok('abc')
  t.equal((await got(HTTP10)).raw, `${head('HTTP/1.1 200 OK', 'Content-Length: 3', 'Connection: keep-alive')}abc`)
  answer = `${head('HTTP/1.0 200 OK')}old`
  t.equal((await got(GET)).body, 'old', 'an answer of HTTP/1.0')
})

test('a client on HTTP/1.1 stays connected behind an answer that ended with its connection', async t => {
  await using origin = await rawUpstream(saying(() => `${head('HTTP/1.1 200 OK')}until close`))
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  for (let i = 0; i < 3; i++) {
    client.send(GET)
    t.equal((await client.answer()).body, 'until close')
  }
  t.equal(origin.connections.length, 3)
  client.close()
})

test('an answer leaves as it comes: the head does not wait for the body, nor a part for the rest', async t => {
  await using origin = await rawUpstream(async peer => {
    await peer.text('\r\n\r\n')
    peer.send(head('HTTP/1.1 200 OK', chunked))
    await peer.text('go on')
    peer.send('4\r\npart\r\n')
    await peer.text('go on')
    peer.send('0\r\n\r\n')
  })
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 10'))
  // The upstream answers early and both bodies run at once.
  await client.text('\r\n\r\n')
  client.send('go on')
  await client.text('4\r\npart\r\n')
  client.send('go on')
  t.equal(await client.text('0\r\n\r\n'), '0\r\n\r\n')
  client.close()
})
