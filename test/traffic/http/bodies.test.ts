/**
 * Bodies arrive as they were sent, whatever else goes on: read buffers are shared and used again, and a mistake there shows as bytes of one
 * body in another. So many bodies run at once, over readers that pause, stall and leave.
 */
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { test } from 'tap'
import { type Engine, startPool } from '../../support/engine.ts'
import { listening } from '../../support/origin.ts'
import { rest, within } from '../../support/raw-peer.ts'
import { ok, rawUpstream } from '../../support/raw-upstream.ts'
import { chance, seed } from '../../support/seed.ts'
import { head } from './request-corpus.ts'

const LARGEST = 3 * 1024 * 1024
/** Beyond what the kernel's buffers take for a reader that stands still. */
const BEYOND = 6 * 1024 * 1024

/** Every body is a window into an endless repetition of these bytes, so that each differs and none has to be made. */
const noise = Buffer.alloc(1024 * 1024)
const noisy = chance(1)
for (let i = 0; i < noise.length; i += 4) noise.writeUInt32LE((noisy() * 2 ** 32) >>> 0, i)

interface Job {
  readonly size: number
  readonly from: number
  readonly framing: 'length' | 'chunked' | 'close'
}

/** Mostly small, some large, some around the sizes of buffers. */
function jobOf(random: () => number): Job {
  const edges = [0, 1, 16_384, 65_535, 65_536, 65_537, 262_144, LARGEST]
  const kind = random()
  const edge = edges[Math.floor(random() * edges.length)] ?? 0
  const size = Math.floor(kind < 0.2 ? edge : kind < 0.6 ? random() * 100_000 : random() * LARGEST)
  const framing = (['length', 'chunked', 'close'] as const)[Math.floor(random() * 3)] ?? 'length'
  return { size, from: Math.floor(random() * noise.length), framing }
}

/** A body in parts of random sizes. */
function* partsOf({ size, from }: Job, random: () => number) {
  for (let at = 0; at < size; ) {
    const start = (from + at) % noise.length
    const most = 1 + Math.floor(random() * (random() < 0.3 ? 200 : 200_000))
    const part = noise.subarray(start, start + Math.min(most, size - at))
    at += part.length
    yield part
  }
}

/** Reads a body and says what is wrong with it: null when it is the one that `job` asks for. `pause` is awaited behind each part. */
async function check(
  message: IncomingMessage,
  { size, from }: Job,
  pause?: () => Promise<unknown>,
): Promise<string | null> {
  let at = 0
  for await (const bytes of message as AsyncIterable<Buffer>) {
    for (let done = 0; done < bytes.length; ) {
      const start = (from + at) % noise.length
      const part = bytes.subarray(done, done + noise.length - start)
      if (!noise.subarray(start, start + part.length).equals(part))
        return `wrong bytes within ${part.length} behind ${at}`
      done += part.length
      at += part.length
    }
    await pause?.()
  }
  return at === size ? null : `${at} bytes instead of ${size}`
}

type Handler = (request: IncomingMessage, response: ServerResponse, job: Job) => Promise<void>

/** An ordinary server: its jobs are said in the target. */
async function origin(handle: Handler): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = createServer((message, response) => {
    const { size, from, framing } = Object.fromEntries(new URL(message.url ?? '/', 'http://a').searchParams)
    const job = { size: Number(size), from: Number(from), framing: framing as Job['framing'] }
    handle(message, response, job).catch(() => response.destroy())
  })
  return listening(server)
}

function frame(response: ServerResponse, { size, framing }: Job): void {
  if (framing === 'length') response.setHeader('content-length', size)
  else if (framing === 'close') {
    response.setHeader('connection', 'close')
    response.useChunkedEncodingByDefault = false
  }
}

/** A request that says its job; its body, if it has one, is framed as the job says. */
function send(engine: Engine, agent: Agent, method: string, { size, from, framing }: Job) {
  const hasLength = method !== 'GET' && framing === 'length'
  const headers: Record<string, string> = hasLength ? { 'content-length': String(size) } : {}
  const path = `/?size=${size}&from=${from}&framing=${framing}`
  // A connection that breaks shows in what came, or in that nothing came.
  return request({ agent, method, port: engine.port, host: '127.0.0.1', path, headers }).on('error', () => undefined)
}

test('answers: many readers, some slow, some stalled, some that leave', async t => {
  await using upstream = await origin(async (_message, response, job) => {
    frame(response, job)
    await pipeline(partsOf(job, chance(job.from)), response)
  })
  await using engine = await startPool([upstream.port])
  const { promise: othersDone, resolve } = Promise.withResolvers<void>()
  const wrong: string[] = []
  const client = async (i: number, kind: 'quick' | 'slow' | 'stalled' | 'leaving') => {
    const random = chance(seed + i)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const rounds = { quick: 8, leaving: 8, slow: 2, stalled: 2 }[kind]
    for (let round = 0; round < rounds; round++) {
      const small = jobOf(random)
      const job = rounds > 2 ? small : { ...small, size: Math.floor(random() * BEYOND) }
      const outgoing = send(engine, agent, 'GET', job).end()
      const [message] = (await within(once(outgoing, 'response'), 'an answer')) as [IncomingMessage]
      if (kind === 'leaving') {
        message.destroy()
        continue
      }
      const pause = { quick: undefined, slow: () => wait(random() * 3), stalled: () => othersDone }[kind]
      const problem = await check(message, job, pause)
      if (problem !== null) wrong.push(`${kind} ${i}, round ${round}, ${JSON.stringify(job)}: ${problem}`)
    }
    agent.destroy()
  }
  const kinds = ['quick', 'slow', 'quick', 'leaving', 'slow'] as const
  const stalled = Array.from({ length: 10 }, (_, i) => client(100 + i, 'stalled'))
  await Promise.all(Array.from({ length: 20 }, (_, i) => client(i, kinds[i % kinds.length] ?? 'quick')))
  resolve()
  await Promise.all(stalled)
  t.strictSame(wrong, [], `seed ${seed}`)
})

test('requests: many writers, into an upstream that pauses', async t => {
  await using upstream = await origin(async (message, response, job) => {
    const random = chance(job.from)
    const pause = random() < 0.5 ? () => wait(random() * 2) : undefined
    response.end((await check(message, job, pause)) ?? 'right')
  })
  await using engine = await startPool([upstream.port])
  const wrong: string[] = []
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const random = chance(seed + 1000 + i)
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (let round = 0; round < 4; round++) {
        const job = i < 4 && round === 0 ? { ...jobOf(random), size: BEYOND } : jobOf(random)
        const outgoing = send(engine, agent, random() < 0.5 ? 'POST' : 'PUT', job)
        const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
        await pipeline(partsOf(job, random), outgoing)
        const [message] = await within(answered, 'an answer')
        const [said] = (await once(message.setEncoding('utf8'), 'data')) as [string]
        if (said !== 'right') wrong.push(`${i}, round ${round}: ${said}`)
      }
      agent.destroy()
    }),
  )
  t.strictSame(wrong, [], `seed ${seed}`)
})

test('both ways at once: an upstream that sends back what comes, while it comes', async t => {
  await using upstream = await origin((message, response) => pipeline(message, response))
  await using engine = await startPool([upstream.port])
  const wrong: string[] = []
  await Promise.all(
    Array.from({ length: 12 }, async (_, i) => {
      const random = chance(seed + 2000 + i)
      for (let round = 0; round < 3; round++) {
        const job = jobOf(random)
        const outgoing = send(engine, new Agent(), 'POST', job)
        const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>
        const [problem] = await within(
          Promise.all([
            answered.then(([message]) => check(message, job, i % 2 === 0 ? () => wait(random()) : undefined)),
            pipeline(partsOf(job, random), outgoing),
          ]),
          `an echo, seed ${seed}`,
        )
        if (problem !== null) wrong.push(`${i}, round ${round}: ${problem}`)
      }
    }),
  )
  t.strictSame(wrong, [], `seed ${seed}`)
})

test('a body goes on after the upstream held it back, whatever the next bytes are', async t => {
  let came = 0
  await using origin = await rawUpstream(async peer => {
    await peer.text('\r\n\r\n')
    peer.socket.on('data', chunk => {
      came += chunk.length
      if (chunk.toString('latin1').endsWith('0\r\n\r\n')) peer.send(ok('thanks'))
    })
    peer.socket.pause()
  })
  await using engine = await startPool([origin.port])
  const client = await engine.connect()
  client.send(head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'))
  const size = 16 * 1024 * 1024
  client.send(`${size.toString(16)}\r\n`)
  client.send(Buffer.alloc(size, 'x'))
  await rest(() => came)
  t.ok(client.socket.writableLength > 0, 'it is held back')
  const upstream = await origin.connection(0)
  upstream.socket.resume()
  await rest(() => came)
  // Half a size line: there is nothing of it to send on, and so nothing that could drain.
  await client.dribble('\r\n0')
  await rest(() => came)
  client.send('\r\n\r\n')
  t.equal((await client.answer()).body, 'thanks')
  client.close()
})
