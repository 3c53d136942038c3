/** Webhooks with a real receiver that checks signatures by somebody else's code; only time is moved by hand. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { Webhook as Verifier } from 'standardwebhooks'
import { type Test, test } from 'tap'
import type { Fact, FactDraft } from '../../src/core/events.ts'
import type { Webhook } from '../../src/core/nouns.ts'
import type { Store } from '../../src/core/store.ts'
import { createState } from '../../src/state.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { callWebhook, isPublic } from '../../src/telemetry/webhook-call.ts'
import { tellWebhooks } from '../../src/telemetry/webhooks.ts'
import { handClock } from '../support/hand-clock.ts'
import { folder } from '../support/launch.ts'
import { until } from '../support/raw-peer.ts'
import { define, worldOf } from '../support/world.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes here').toString('base64')}`

interface Received {
  readonly id: string
  readonly type: string
  readonly subject: string
}

/** Takes what is signed rightly while it is `up`. */
async function receiver(t: Test) {
  const got: Received[] = []
  const it = { url: '', status: 204, got, asked: 0 }
  const take = (request: IncomingMessage, response: ServerResponse, body: string) => {
    it.asked++
    let told: { type: string; data: { subject: string } }
    try {
      told = new Verifier(SECRET).verify(body, request.headers as Record<string, string>) as typeof told
    } catch {
      response.writeHead(401).end()
      return
    }
    const { type, data } = told
    if (it.status < 300) got.push({ id: String(request.headers['webhook-id']), type, subject: data.subject })
    response.writeHead(it.status, { location: '/elsewhere' }).end()
  }
  const server = createServer((request, response) => {
    void text(request).then(body => take(request, response, body))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close().closeAllConnections())
  it.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return it
}

/** A replica with webhooks, whose store is in a file so that another can follow it. */
async function replica(
  t: Test,
  webhooks: readonly Webhook[],
  path: string,
  clock = handClock(Date.now()),
  slow: (store: Store) => Store = store => store,
) {
  const store = slow(await openEmbeddedStore({ path, cluster: 'home', clock }))
  const world = worldOf(define({ gateways: [], pools: [] }))
  const onError = (error: unknown) => {
    throw error
  }
  const access = { revision: 1, value: { tokens: [], webhooks } }
  const state = createState({ world: { ...world, access }, cluster: 'home', replica: 'one', boot: 'b', onError })
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    cluster: 'home',
    replica: 'one',
    destination: { write: line => lines.push(line) },
  })
  const telling = await tellWebhooks({ state, store, clock, random: () => 0, log })
  const end = async () => {
    await telling[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  }
  t.teardown(end)
  return {
    store,
    clock,
    telling,
    end,
    logged: () => lines.join(''),
    /** Something happens that the cluster agrees on. */
    async happens(kind: 'gateway_down' | 'first_alive' | 'down_to_cooldown', subject: string) {
      const fact: FactDraft = { kind, at: clock.now(), subject, cause: 'test' }
      const outcome = await store.write({ expect: {}, documents: {}, facts: [fact], at: clock.now(), by: 'system' })
      if (outcome.kind !== 'written') throw new Error('not written')
      state.apply({ kind: 'committed', documents: {}, facts: outcome.facts, at: clock.now() })
    },
    /** Waits until it has taken in how many webhooks there are. */
    async follows(count: number) {
      while (Object.keys(await store.readCursors()).length !== count) await setImmediate()
    },
    replace(next: readonly Webhook[]) {
      const documents = { access: { revision: 2, value: { tokens: [], webhooks: next } } }
      state.apply({ kind: 'committed', documents, facts: [] as Fact[], at: clock.now() })
    },
  }
}

const hook = (url: string, rest: Partial<Webhook> = {}): Webhook => ({
  name: 'chat',
  url,
  secret: SECRET,
  allow_private: true,
  created_at: 1,
  ...rest,
})

test('a receiver is told in order what it wants to know, signed by the standard', async t => {
  const it = await receiver(t)
  const one = await replica(t, [hook(it.url, { kinds: ['gateway_down', 'down_to_cooldown'] })], ':memory:')
  await one.happens('gateway_down', 'a')
  await one.happens('first_alive', 'b')
  await one.happens('down_to_cooldown', 'a')
  await until(() => it.got.length === 2, 'both came')
  t.strictSame(it.got, [
    { id: 'home-1-1', type: 'gateway_down', subject: 'a' },
    { id: 'home-3-1', type: 'down_to_cooldown', subject: 'a' },
  ])
  await until(() => one.telling.stateOf('chat').last?.event === '3-1', 'it is known to have come')
  t.equal(one.telling.stateOf('chat').failing, null)
})

test('a receiver that is away gets everything once it is back, in order, and says meanwhile what is wrong', async t => {
  const it = await receiver(t)
  it.status = 500
  const one = await replica(t, [hook(it.url)], ':memory:')
  await one.happens('gateway_down', 'a')
  await until(() => one.telling.stateOf('chat').failing !== null, 'it failed')
  await one.happens('gateway_down', 'b')
  const { failing } = one.telling.stateOf('chat')
  t.match(failing, { attempts: 1, said: 'status 500', next_at: one.clock.now() + 1_000 })
  one.clock.advance(999)
  t.equal(it.asked, 1, 'not sooner than it may be asked again')
  one.clock.advance(1)
  await until(() => one.telling.stateOf('chat').failing?.attempts === 2, 'it failed again')
  t.equal(one.telling.stateOf('chat').failing?.next_at, one.clock.now() + 5_000)
  it.status = 200
  one.clock.advance(5_000)
  await until(() => it.got.length === 2, 'both came')
  t.strictSame(
    it.got.map(({ subject }) => subject),
    ['a', 'b'],
  )
  t.equal(one.telling.stateOf('chat').failing, null)
})

test('what happens while a slow store is read is told without waiting for anything else to happen', async t => {
  const it = await receiver(t)
  let reads = 0
  let answer = () => {}
  // The first answer is made before the event, and comes after it.
  const slow = (store: Store): Store => ({
    ...store,
    async events(query) {
      const facts = await store.events(query)
      if (query.after !== undefined && reads++ === 0)
        await new Promise<void>(resolve => {
          answer = resolve
        })
      return facts
    },
  })
  const one = await replica(t, [], ':memory:', undefined, slow)
  await one.happens('gateway_down', 'before')
  one.replace([hook(it.url, { created_at: one.clock.now() + 1 })])
  await until(() => reads === 1, 'it is being read')
  await one.happens('gateway_down', 'a')
  answer()
  await until(() => it.got.length === 1, 'it is told')
})

test('what was not taken before the process ended is told by the next one, with the same id', async t => {
  const it = await receiver(t)
  const path = `${folder(t)}/store.db`
  const first = await replica(t, [hook(it.url)], path)
  await first.happens('gateway_down', 'a')
  await until(() => it.got.length === 1, 'the first came')
  it.status = 503
  await first.happens('gateway_down', 'b')
  await until(() => first.telling.stateOf('chat').failing !== null, 'the second did not')
  await first.end()
  it.status = 204
  await replica(t, [hook(it.url)], path)
  await until(() => it.got.length === 2, 'it came')
  t.strictSame(
    it.got.map(({ id }) => id),
    ['home-1-1', 'home-2-1'],
  )
})

test('a new webhook is not told what happened before it, nor is one that was made again', async t => {
  const it = await receiver(t)
  const one = await replica(t, [], ':memory:')
  await one.happens('gateway_down', 'before')
  one.clock.advance(1)
  one.replace([hook(it.url, { created_at: one.clock.now() })])
  await one.follows(1)
  it.status = 500
  await one.happens('gateway_down', 'missed')
  await until(() => one.telling.stateOf('chat').failing !== null, 'it failed')
  one.replace([])
  await one.follows(0)
  it.status = 200
  one.clock.advance(1)
  one.replace([hook(it.url, { created_at: one.clock.now() })])
  await one.follows(1)
  await one.happens('gateway_down', 'after')
  await until(() => it.got.length === 1, 'one came')
  t.match(it.got, [{ subject: 'after' }])
})

test('an event that nobody took for three days is given up', async t => {
  const it = await receiver(t)
  it.status = 500
  // The receiver believes only what was signed just now, so the days pass before today.
  const clock = handClock(Date.now() - 3 * 24 * 3_600_000)
  const one = await replica(t, [hook(it.url)], ':memory:', clock)
  await one.happens('gateway_down', 'old')
  await until(() => one.telling.stateOf('chat').failing !== null, 'it failed')
  one.clock.advance(3 * 24 * 3_600_000)
  await until(() => one.telling.stateOf('chat').failing === null, 'it is given up')
  t.match(one.logged(), 'given up')
  it.status = 200
  await one.happens('gateway_down', 'new')
  await until(() => it.got.length === 1, 'the next one comes')
  t.match(it.got, [{ subject: 'new' }])
})

test('an event that the receiver says it will never take (410) is given up at once', async t => {
  const it = await receiver(t)
  it.status = 410
  const one = await replica(t, [hook(it.url)], ':memory:')
  await one.happens('gateway_down', 'unwanted')
  await until(() => /status 410.*given up/.test(one.logged()), 'it is given up')
  it.status = 200
  await one.happens('gateway_down', 'new')
  await until(() => it.got.length === 1, 'the next one comes')
  t.match(it.got, [{ subject: 'new' }])
  t.equal(it.asked, 2)
})

const message = { id: 'x', at: Date.now(), body: JSON.stringify({ type: 'webhook_test', data: {} }) }
const never = new AbortController().signal

test('a redirect is not followed, and a wrong secret is found by the receiver', async t => {
  const it = await receiver(t)
  it.status = 302
  t.match(await callWebhook(hook(it.url), message, never), { delivered: false, said: 'status 302' })
  t.equal(it.asked, 1)
  it.status = 204
  const wrong = `whsec_${Buffer.alloc(32).toString('base64')}`
  t.match(await callWebhook(hook(it.url, { secret: wrong }), message, never), { delivered: false })
  t.match(await callWebhook(hook(it.url), message, never), { delivered: true })
})

test('private addresses are refused when the connection is made, unless they are allowed', async t => {
  const it = await receiver(t)
  const { port } = new URL(it.url)
  for (const host of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'localhost']) {
    const outcome = await callWebhook(hook(`http://${host}:${port}/`, { allow_private: false }), message, never)
    t.match(outcome, { delivered: false, said: /private/ }, host)
  }
  t.equal(it.asked, 0)
  t.match(await callWebhook(hook(`http://localhost:${port}/`), message, never), { delivered: true })
})

for (const [address, open] of [
  ['8.8.8.8', true],
  ['2606:4700::1111', true],
  ['10.1.2.3', false],
  ['172.16.0.1', false],
  ['192.168.1.1', false],
  ['100.64.0.1', false],
  ['169.254.169.254', false],
  ['0.0.0.0', false],
  ['224.0.0.1', false],
  ['::1', false],
  ['fe80::1', false],
  ['fd00::1', false],
  ['::ffff:10.0.0.1', false],
  ['::ffff:a00:1', false],
  ['::127.0.0.1', false],
  ['64:ff9b::10.0.0.1', false],
  ['2002:a00:1::', false],
] as const) {
  test(`${address} ${open ? 'can' : 'cannot'} be reached from everywhere`, t => {
    t.equal(isPublic(address), open)
    t.end()
  })
}
