/**
 * Clients and upstreams that say and do anything in any order: the process stays, every request is accounted for, every connection is closed
 * in the end, and a neighbour who behaves gets what is his.
 */
import fc from 'fast-check'
import { test } from 'tap'
import { type Engine, startEngine } from '../../support/engine.ts'
import { openSockets, type RawPeer, until } from '../../support/raw-peer.ts'
import { ok, type RawUpstream, rawUpstream, type Script } from '../../support/raw-upstream.ts'
import { seeded } from '../../support/seed.ts'
import { head } from './request-corpus.ts'

/** `send` names bytes below, so that a counterexample can be read. */
type Step = `send ${string}` | 'turn' | 'turns' | 'end' | 'reset' | 'close' | 'pause' | 'resume'

const upgrade = ['Connection: Upgrade', 'Upgrade: websocket']
const chunked = 'Transfer-Encoding: chunked'
const large = 'x'.repeat(300_000)
const get = head('GET / HTTP/1.1', 'Host: a')

const requests: Readonly<Record<string, string>> = {
  GET: get,
  'three GETs': get.repeat(3),
  'GET of HTTP/1.0': head('GET / HTTP/1.0'),
  'the last HEAD': head('HEAD / HTTP/1.1', 'Host: a', 'Connection: close'),
  'half a head': 'GET / HT',
  'the other half': 'TP/1.1\r\nHost: a\r\n\r\n',
  'POST of 5': head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5'),
  'PUT with 5': `${head('PUT / HTTP/1.1', 'Host: a', 'Content-Length: 5')}hello`,
  'POST that waits': head('POST / HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Expect: 100-continue'),
  'PUT in chunks': head('PUT / HTTP/1.1', 'Host: a', chunked),
  'a large PUT': head('PUT / HTTP/1.1', 'Host: a', 'Content-Length: 300000') + large,
  upgrade: head('GET / HTTP/1.1', 'Host: a', ...upgrade),
  nonsense: 'nonsense\r\n\r\n',
}

const answers: Readonly<Record<string, string>> = {
  'an answer': ok('hello'),
  'two answers': ok('hello').repeat(2),
  'a large answer': ok(large),
  'a head of 5': head('HTTP/1.1 200 OK', 'Content-Length: 5'),
  'a last head of 5': head('HTTP/1.1 200 OK', 'Content-Length: 5', 'Connection: close'),
  'a head of chunks': head('HTTP/1.1 200 OK', chunked),
  'a head until close': head('HTTP/1.1 200 OK'),
  204: head('HTTP/1.1 204 No Content'),
  503: head('HTTP/1.1 503 Busy', 'Content-Length: 0'),
  100: head('HTTP/1.1 100 Continue'),
  101: head('HTTP/1.1 101 Switching Protocols', ...upgrade),
  'part of a head': 'HTTP/1.',
  'the rest of it': '1 200 OK\r\n\r\n',
  nonsense: 'nonsense\r\n\r\n',
}

const bodies: Readonly<Record<string, string>> = {
  'five bytes': 'hello',
  'two bytes': 'he',
  'a chunk': '5\r\nhello\r\n',
  'half a size': '5',
  'a line end': '\r\n',
  'the last chunk': '0\r\n\r\n',
  'a large chunk': `493e0\r\n${large}\r\n`,
}

const said: Readonly<Record<string, string>> = { ...bodies, ...requests, ...answers }

function steps(messages: Readonly<Record<string, string>>): fc.Arbitrary<Step[]> {
  const sends = (names: object) => fc.constantFrom(...Object.keys(names).map((name): Step => `send ${name}`))
  return fc.array(
    fc.oneof(
      { weight: 6, arbitrary: sends(messages) },
      { weight: 3, arbitrary: sends(bodies) },
      { weight: 5, arbitrary: fc.constantFrom<Step>('turn', 'turns') },
      { weight: 3, arbitrary: fc.constantFrom<Step>('end', 'reset', 'close') },
      { weight: 1, arbitrary: fc.constantFrom<Step>('pause', 'resume') },
    ),
    { minLength: 1, maxLength: 8 },
  )
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

async function play(peer: RawPeer, script: readonly Step[]): Promise<void> {
  for (const step of script) {
    if (step === 'turns') await turns(6)
    else if (step === 'pause' || step === 'resume') peer.socket[step]()
    else if (step === 'end' || step === 'reset' || step === 'close') peer[step]()
    else if (step !== 'turn') peer.send(said[step.slice('send '.length)] ?? '')
    await turns(1)
  }
}

/** Two gateways that do as they are told, in one pool, and an honest one with a route of its own. */
async function world(hostile: readonly RawUpstream[], honest: RawUpstream): Promise<Engine> {
  const gateways = [...hostile, honest].map(({ port }, i) => ({
    name: `gateway-${i}`,
    address: '127.0.0.1',
    http_port: port,
  }))
  return startEngine({
    gateways,
    pools: [
      { name: 'hostile', members: ['gateway-0', 'gateway-1'], passive: { max_fails: 1000, max_fail_ratio: 1 } },
      { name: 'honest', members: ['gateway-2'] },
    ],
    routes: [
      { name: 'any', target: { pool: 'hostile' }, retry: { on_status: [503] } },
      { name: 'honest', match: { path: '/honest' }, target: { pool: 'honest' } },
    ],
  })
}

test('whatever clients and upstreams do', async t => {
  let plan: readonly Step[][] = []
  let dialled = 0
  const obeying: Script = peer => play(peer, plan[dialled++ % plan.length] ?? [])
  await using first = await rawUpstream(obeying)
  await using second = await rawUpstream(obeying)
  await using honest = await rawUpstream(async peer => {
    for (;;) peer.send(ok((await peer.request()).startLine))
  })
  await using engine = await world([first, second], honest)
  const neighbour = await engine.connect()
  let asked = 0

  await fc.assert(
    fc.asyncProperty(
      fc.array(steps(requests), { minLength: 1, maxLength: 3 }),
      fc.array(steps(answers), { minLength: 1, maxLength: 4 }),
      async (clients, upstreams) => {
        plan = upstreams
        dialled = 0
        const peers = await Promise.all(clients.map(() => engine.connect()))
        await Promise.all([
          ...peers.map((peer, i) => play(peer, clients[i] ?? [])),
          (async () => {
            const path = `/honest/${asked++}`
            neighbour.send(head(`GET ${path} HTTP/1.1`, 'Host: a'))
            const { body } = await neighbour.answer()
            if (body !== `GET ${path} HTTP/1.1`) throw new Error(`the neighbour got ${JSON.stringify(body)}`)
          })(),
        ])
        await turns(4)
        // A client that has closed may be one that only ended its side: whoever is to answer it has to give up as well.
        plan = [['reset']]
        for (const peer of peers) peer.reset()
        for (const { socket } of [...first.connections, ...second.connections]) socket.destroy()
        await until(() => engine.inFlight() === 0, 'nothing is in flight')
        await until(() => connected(engine) === 1, 'only the neighbour is connected')
        // Both ends of the neighbour's connection, and of the one to its upstream.
        await until(() => openSockets() <= 4, 'no socket is left open')
      },
    ),
    seeded({ numRuns: 300 }),
  )
  t.equal((await engine.ask(head('GET /honest HTTP/1.1', 'Host: a'))).status, 200, 'the process stays')
  neighbour.close()
})

function connected(engine: Engine): number {
  return [...engine.http.numbers.connectionsActive()].reduce((sum, { value }) => sum + value, 0)
}
