/**
 * Everything that happens to a proxy, for a while: requests of all kinds, clients that leave at any moment, protocol switches, nonsense, and
 * upstreams that are killed and come back. In the middle and at the end it is left alone, its garbage is collected, and what it holds is
 * compared. Ends with exit status 1 when its heap or the number of its handles or open files grew:
 *
 *     node test/soak/churn.ts --minutes 10 --seed 42
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { damaged, randomRequest } from '../fuzz/messages.ts'
import { createDice, type Dice } from '../support/dice.ts'
import { RawPeer } from '../support/raw-peer.ts'
import { seed as drawn } from '../support/seed.ts'
import { type Subject, startSubject } from './subject.ts'
import { startUpstream, type Upstream } from './upstreams.ts'

/** Clients at once. */
const CLIENTS = 30
/** Bytes: what a heap may differ by although nothing is lost: compiled code, what the last garbage collection left. */
const HEAP_NOISE = 1024 * 1024
/** Ms without traffic after which idle connections to upstreams have gone too. */
const REST = 7_000

const { values } = parseArgs({
  options: { minutes: { type: 'string' }, seed: { type: 'string' } },
})
const minutes = Number(values.minutes ?? 1)
const seed = Number(values.seed ?? drawn)
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: node test/soak/churn.ts [--minutes N] [--seed N]')
  process.exit(2)
}

type Action = (client: RawPeer, dice: Dice) => Promise<unknown>

const get = (query: string, ...fields: readonly string[]) => request('GET', query, ...fields)
const request = (method: string, query: string, ...fields: readonly string[]) =>
  `${[`${method} /?${query} HTTP/1.1`, 'Host: a', ...fields].join('\r\n')}\r\n\r\n`
const size = (dice: Dice) => Math.floor(2 ** (dice.random() * 20))

const actions: Readonly<Record<string, Action>> = {
  async 'requests one after the other'(client, dice) {
    for (let left = 1 + dice.int(10); left > 0; left--) {
      client.send(get(`bytes=${size(dice)}${dice.maybe(0.3) ? '&chunked' : ''}`))
      await client.answer()
    }
  },
  async 'requests sent ahead'(client, dice) {
    const count = 1 + dice.int(5)
    client.send(get('bytes=100').repeat(count))
    for (let left = count; left > 0; left--) await client.answer()
  },
  async HEAD(client) {
    client.send(request('HEAD', 'bytes=5000'))
    await client.answer({ toHead: true })
  },
  async 'a body'(client, dice) {
    const body = 'x'.repeat(size(dice))
    client.send(request('POST', 'bytes=10', `Content-Length: ${body.length}`) + body)
    await client.answer()
  },
  async 'a body in chunks'(client, dice) {
    client.send(request('PUT', 'bytes=10', 'Transfer-Encoding: chunked'))
    for (let left = dice.int(10); left > 0; left--) {
      const data = 'y'.repeat(1 + dice.int(5_000))
      client.send(`${data.length.toString(16)}\r\n${data}\r\n`)
      await turn()
    }
    client.send('0\r\nTrailer: 1\r\n\r\n')
    await client.answer()
  },
  async 'an answer that is refused, late, cut, or never comes'(client, dice) {
    client.send(get(['status=503', 'late=300&bytes=10', 'bytes=200000&cut', 'never'][dice.int(4)] as string))
    await client.answer()
  },
  async 'gone within the head'(client, dice) {
    client.send(get('bytes=10').slice(0, dice.int(30)))
    await turn()
  },
  async 'gone within the body'(client, dice) {
    client.send(`${request('PUT', 'bytes=10', 'Content-Length: 100000')}${'z'.repeat(dice.int(90_000))}`)
    for (let left = dice.int(20); left > 0; left--) await turn()
  },
  async 'gone within the answer'(client, dice) {
    client.send(get(`bytes=${10_000_000}${dice.maybe(0.5) ? '&chunked' : ''}`))
    await client.text('\r\n\r\n')
    if (dice.maybe(0.5)) await client.text('gatepool')
  },
  async 'gone while it waits'(client, dice) {
    client.send(get('late=200'))
    for (let left = dice.int(50); left > 0; left--) await turn()
  },
  async 'another protocol'(client, dice) {
    client.send(get('', 'Connection: Upgrade', 'Upgrade: websocket'))
    await client.text('\r\n\r\n')
    for (let left = dice.int(20); left > 0; left--) {
      client.send('over and out')
      await client.text('over and out')
    }
    if (dice.maybe(0.5)) client.end()
    if (dice.maybe(0.5)) await client.ended()
  },
  async nonsense(client, dice) {
    client.send(damaged(dice, randomRequest(dice)))
    client.end()
    await client.ended()
  },
}
const titles = Object.keys(actions)

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

interface Tally {
  done: number
  /** Ended otherwise than the client wished: upstreams are killed and answers cut all the time. */
  failed: number
  kills: number
}

async function client(port: number, dice: Dice, tally: Tally, until: number): Promise<void> {
  while (performance.now() < until) {
    const action = actions[titles[dice.int(titles.length)] as string] as Action
    const peer = await RawPeer.to(port)
    await action(peer, dice).then(
      () => tally.done++,
      () => tally.failed++,
    )
    // Behind an end that is still on its way Node cannot reset, and forgets the connection.
    if (peer.socket.writableEnded || dice.maybe(0.5)) peer.close()
    else peer.reset()
  }
}

async function killer(upstreams: readonly Upstream[], dice: Dice, tally: Tally, until: number): Promise<void> {
  while (performance.now() < until) {
    const upstream = upstreams[dice.int(upstreams.length)] as Upstream
    await upstream.kill()
    tally.kills++
    await pause(dice.int(1_500))
    await upstream.revive()
    await pause(500 + dice.int(2_000))
  }
}

interface Held {
  readonly heap: number
  readonly handles: string
  readonly openFiles: number
  readonly resident: number
}

/** What the process holds once it was left alone. */
async function held(subject: Subject): Promise<Held> {
  await pause(REST)
  const active = await subject.metric('gatepool_connections_active')
  if (active > 0) throw new Error(`${active} connections are still counted with nobody there`)
  const { heap, resources } = await subject.collect()
  return {
    heap,
    handles: JSON.stringify(resources),
    openFiles: subject.openFiles(),
    resident: subject.resident(),
  }
}

function tell(title: string, { heap, handles, openFiles, resident }: Held): void {
  const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(2)
  console.log(
    `${title}: heap ${mib(heap)} MiB, resident ${mib(resident)} MiB, ${openFiles} open files, handles ${handles}`,
  )
}

await using stack = new AsyncDisposableStack()
const upstreams = await Promise.all([startUpstream(), startUpstream(), startUpstream()])
for (const upstream of upstreams) stack.use(upstream)
const subject = stack.use(
  await startSubject({
    members: upstreams.map(({ port }) => port),
    limits: '{ head_timeout: 2s, body_timeout: 2s, keep_alive_timeout: 2s }',
    passive: '{ ejection: 300ms, max_ejection: 300ms }',
    retry: '{ on_status: [503] }',
    responseTimeout: '1s',
  }),
)
const dice = createDice(seed)
const tally: Tally = { done: 0, failed: 0, kills: 0 }
console.log(`seed ${seed}`)

async function half(): Promise<Held> {
  const until = performance.now() + minutes * 30_000
  const clients = Array.from({ length: CLIENTS }, () => client(subject.port, dice, tally, until))
  await Promise.all([...clients, killer(upstreams, dice, tally, until)])
  return held(subject)
}

const middle = await half()
tell('in the middle', middle)
const end = await half()
tell('at the end   ', end)
console.log(
  `${tally.done} actions went as the client wished, ${tally.failed} otherwise; upstreams were killed ${tally.kills} times`,
)
const grown = [
  end.heap > middle.heap + HEAP_NOISE ? 'the heap grew' : [],
  end.handles !== middle.handles ? 'the handles are others' : [],
  end.openFiles > middle.openFiles ? 'more files are open' : [],
].flat()
console.log(grown.length === 0 ? 'nothing grew' : grown.join(', '))
if (grown.length > 0) process.exitCode = 1
