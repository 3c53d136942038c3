import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { createEventStreams, MOST_BEHIND, MOST_STREAMS, type Wanted } from '../../src/admin/stream.ts'
import type { Fact } from '../../src/core/events.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'
import { type HandClock, handClock } from '../support/hand-clock.ts'

const STREAM = '/api/v1/events/stream'

interface Stream extends Disposable {
  /** The next frame, whatever it is: an event, a comment, advice. */
  next(): Promise<string>
  /** Fields of the next event. */
  event(): Promise<{ id: string; event: string; data: Record<string, unknown> }>
  readonly response: IncomingMessage
}

async function open(url: string, headers: Record<string, string> = {}): Promise<Stream> {
  const asked = request(url, { headers: { authorization: `Bearer ${TOKEN}`, ...headers } })
  asked.end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.setEncoding('utf8')
  const chunks: AsyncIterator<string> = response[Symbol.asyncIterator]()
  let rest = ''
  const next = async (): Promise<string> => {
    for (;;) {
      const end = rest.indexOf('\n\n')
      if (end >= 0) {
        const frame = rest.slice(0, end)
        rest = rest.slice(end + 2)
        return frame
      }
      const { value, done } = await chunks.next()
      if (done) throw new Error('the stream has ended')
      rest += value
    }
  }
  return {
    next,
    async event() {
      for (;;) {
        const frame = await next()
        const [, id, event, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(frame) ?? []
        if (id !== undefined && event !== undefined && data !== undefined) return { id, event, data: JSON.parse(data) }
      }
    },
    response,
    [Symbol.dispose]: () => void asked.destroy(),
  }
}

/** Something that happens, of `bytes`, in the store's history too if it is `kept`. */
function happens(it: Pick<TestAdmin, 'state' | 'clock'>, subject: string, bytes = 1): Fact {
  const at = it.clock.now()
  const fact: Fact = {
    kind: 'config_rejected',
    at,
    subject,
    cause: 'x'.repeat(bytes),
    id: `t-${subject}`,
    cluster: 'test',
  }
  it.state.apply({ kind: 'committed', documents: {}, facts: [fact], at })
  return fact
}

test('what happens is told as it happens', async t => {
  await using it = await testAdmin()
  using stream = await open(it.url + STREAM)
  t.equal(stream.response.statusCode, 200)
  t.match(stream.response.headers['content-type'], 'text/event-stream')
  t.equal(stream.response.headers['cache-control'], 'no-store')
  t.match(await stream.next(), /^retry: \d+$/)
  await it.beat('home')
  const { id, event, data } = await stream.event()
  t.equal(event, 'first_alive')
  t.match(data, { id, kind: 'first_alive', subject: 'home', text: 'home was heard for the first time' })
})

test('a stream is taken up again where it was lost', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  const first = await open(`${it.url + STREAM}?limit=2`)
  t.match(await first.event(), { event: 'first_alive', data: { subject: 'home' } })
  const { id } = await first.event()
  first[Symbol.dispose]()
  await it.beat('nas')
  await it.beat('nas', { state: 'drain' })
  using again = await open(it.url + STREAM, { 'last-event-id': id })
  t.match(await again.event(), { event: 'first_alive', data: { subject: 'nas' } })
  t.match(await again.event(), { event: 'instance_joined', data: { subject: 'nas' } })
  t.match(await again.event(), { event: 'member_held', data: { subject: 'nas', holder: 'nas-1' } })
  await it.beat('nas')
  t.match(await again.event(), { event: 'member_released' })
  using back = await open(`${it.url + STREAM}?after=t-long-ago`, { 'last-event-id': id })
  t.match(await back.event(), { event: 'first_alive', data: { subject: 'nas' } }, 'a browser repeats its first query')
  using lost = await open(`${it.url + STREAM}?after=t-long-ago`)
  await lost.next()
  t.match(await lost.next(), /^event: reset\ndata: \{.*missing/, 'it has no id, and everything follows')
  t.match(await lost.event(), { event: 'definitions_changed' })
  using asked = await open(`${it.url + STREAM}?after=${id}&kind=member_held`)
  t.match(await asked.event(), { event: 'member_held' })
})

test('what happens while the history is sent is told once, after it', async t => {
  await using it = await testAdmin()
  for (let i = 0; i < 1_200; i++) it.store.append([happens(it, `past-${i}`)])
  await setImmediate()
  using stream = await open(`${it.url + STREAM}?kind=config_rejected`, { 'last-event-id': 't-past-0' })
  // It is in the history before the stream has read that far, and it is told live as well.
  it.store.append([happens(it, 'present')])
  const subjects: unknown[] = []
  while (subjects.at(-1) !== 'future') {
    subjects.push((await stream.event()).data.subject)
    if (subjects.at(-1) === 'present') happens(it, 'future')
  }
  t.equal(subjects.length, 1_199 + 2)
  t.strictSame(subjects.slice(-3), ['past-1199', 'present', 'future'])
})

test('a stream tells only what was asked for', async t => {
  await using it = await testAdmin()
  using stream = await open(`${it.url + STREAM}?kind=first_alive&subject=nas`)
  await stream.next()
  await it.beat('home')
  await it.beat('nas')
  t.match(await stream.event(), { data: { subject: 'nas' } })
})

test('a client that does not read is dropped, and the others go on', async t => {
  await using it = await testAdmin()
  using reader = await open(it.url + STREAM)
  await reader.next()
  const lazy = connect(it.admin.address.port, '127.0.0.1')
  lazy.write(`GET ${STREAM} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`)
  await once(lazy, 'data')
  lazy.pause()
  const closed = once(lazy, 'close')
  // Far more than the buffers of the system and our own megabyte; the one that reads gets every single one.
  for (let i = 0; i < 80; i++) {
    happens(it, `big-${i}`, MOST_BEHIND / 8)
    t.equal((await reader.event()).data.subject, `big-${i}`)
  }
  lazy.on('error', () => lazy.destroy()).resume()
  await closed
  t.pass('the connection of the lazy one was ended')
})

test('there are only so many streams', async t => {
  await using it = await testAdmin()
  const streams = await Promise.all(Array.from({ length: MOST_STREAMS }, () => open(it.url + STREAM)))
  const response = await it.ask(STREAM)
  t.equal(response.status, 429)
  t.match(await response.json(), { code: 'too_many_requests' })
  streams[0]?.[Symbol.dispose]()
  for (const stream of streams) stream[Symbol.dispose]()
})

test('the end of the server ends its streams at once', async t => {
  const it = await testAdmin()
  using stream = await open(it.url + STREAM)
  await stream.next()
  await it[Symbol.asyncDispose]()
  await t.rejects(stream.next(), /has ended/)
})

test('the end of the server ends a stream that is still sending the history to a client that does not read', async t => {
  const it = await testAdmin()
  for (let i = 0; i < 300; i++) it.store.append([happens(it, `past-${i}`, 2 ** 16)])
  using lazy = await open(`${it.url + STREAM}?after=t-past-0`)
  lazy.response.pause()
  await it[Symbol.asyncDispose]()
  t.notMatch(it.logged(), 'error')
})

/** A stream on a clock that is moved by hand. */
async function alone(t: Test, wanted: Partial<Wanted>, clock: HandClock) {
  const it = await testAdmin({}, undefined, clock)
  const streams = createEventStreams({ state: it.state, store: it.store, clock })
  const asked: Wanted = { after: undefined, last: 0, filter: {}, allowed: () => true, ...wanted }
  const server = createServer((_, response) => void streams.open(response, asked)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stream = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.teardown(async () => {
    stream[Symbol.dispose]()
    streams[Symbol.dispose]()
    server.close()
    await it[Symbol.asyncDispose]()
  })
  t.match(await stream.next(), /^retry/)
  return stream
}

test('a stream shows every 15 s that it lives', async t => {
  const clock = handClock()
  const stream = await alone(t, {}, clock)
  clock.advance(15_000)
  t.match(await stream.next(), /^:/)
})

test('a stream ends when its token expires, and not before', async t => {
  const clock = handClock()
  const expires = clock.now() + 40_000
  const stream = await alone(t, { allowed: () => clock.now() < expires, expiresIn: 40_000 }, clock)
  clock.advance(39_999)
  for (let signs = 0; signs < 2; signs++) t.match(await stream.next(), /^:/)
  clock.advance(2)
  await t.rejects(stream.next())
})
