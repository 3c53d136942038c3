/**
 * Slow clients, 2,000 at once: a third dribble a head, a third a body, a third read an answer that slowly. Each must be closed within 15 s of its
 * deadline, and while they are there every probe must be answered within 1 s. Ends with exit status 1 when one of these does not hold:
 *
 *     node test/soak/slow.ts --connections 2000 --ramp 5
 *
 * They come within `--ramp` seconds: with 0 at once.
 */
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startSubject } from './subject.ts'
import { startUpstream } from './upstreams.ts'

/** Ms: settings of the listener, and the window over which it judges the rate of a body. */
const HEAD_TIMEOUT = 3_000
const BODY_TIMEOUT = 3_000
const RATE_WINDOW = 10_000
/** Ms: what is asked. */
const MOST_LATE = 15_000
const PROBE_WITHIN = 1_000
/** Ms between two bytes that a client sends, and two reads of 64 bytes. */
const BEAT = 1_000
const SIP = 64

const { values } = parseArgs({
  options: { connections: { type: 'string' }, ramp: { type: 'string' } },
})
const connections = Number(values.connections ?? 2_000)
const ramp = Number(values.ramp ?? 5)
if (!Number.isSafeInteger(connections) || connections < 3 || !(ramp >= 0)) {
  console.error('usage: node test/soak/slow.ts [--connections N] [--ramp SECONDS]')
  process.exit(2)
}

const KINDS = ['head', 'body', 'read'] as const
type Kind = (typeof KINDS)[number]

interface SlowClient {
  readonly kind: Kind
  readonly socket: Socket
  /** Ms of `performance.now`. */
  readonly dueAt: number
  closedAt: number
}

const OPENING: Readonly<Record<Kind, string>> = {
  head: 'GET / HTTP/1.1\r\nHost: a\r\nX: ',
  body: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n',
  read: 'GET /?bytes=1073741824 HTTP/1.1\r\nHost: a\r\n\r\n',
}
const DUE_AFTER: Readonly<Record<Kind, number>> = {
  head: HEAD_TIMEOUT,
  body: RATE_WINDOW,
  read: BODY_TIMEOUT,
}

/** Opens a connection that goes on as slowly as it can. */
async function slowClient(port: number, kind: Kind): Promise<SlowClient> {
  // Reads go into a buffer of this size, so that no more than it leaves the kernel at once.
  let thirsty = false
  const buffer = Buffer.alloc(kind === 'read' ? SIP : 4_096)
  const flood = Buffer.alloc(65_536)
  const socket = connect({
    port,
    host: '127.0.0.1',
    onread: {
      buffer: () => (thirsty ? flood : buffer),
      callback: () => thirsty || kind !== 'read',
    },
  })
  await once(socket, 'connect')
  const client: SlowClient = {
    kind,
    socket,
    dueAt: performance.now() + DUE_AFTER[kind],
    closedAt: 0,
  }
  socket.write(OPENING[kind])
  const beat = setInterval(() => {
    if (kind !== 'read') socket.write('x')
    // One that reads sees the end only behind what the kernel still holds for it. If it was not closed, the rest of the GiB comes.
    else thirsty ||= performance.now() > client.dueAt + MOST_LATE - 3 * BEAT
    socket.resume()
  }, BEAT)
  const over = () => {
    clearInterval(beat)
    client.closedAt ||= performance.now()
  }
  socket.on('error', over).on('end', over).on('close', over)
  return client
}

interface Probes {
  readonly title: string
  readonly agent: Agent
  count: number
  bad: number
  slowest: number
}

/** A GET every 100 ms until `signal` fires. */
async function probe(port: number, probes: Probes, signal: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>()
  while (!signal.aborted) {
    const one = ask(port, probes).finally(() => running.delete(one))
    running.add(one)
    await pause(100)
  }
  await Promise.all(running)
}

async function ask(port: number, probes: Probes): Promise<void> {
  const startedAt = performance.now()
  const answered = await new Promise<boolean>(resolve => {
    get(
      {
        port,
        path: '/probe?bytes=9',
        agent: probes.agent,
        timeout: 10 * PROBE_WITHIN,
      },
      answer => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode === 200))
        answer.on('error', () => resolve(false))
      },
    )
      .on('error', () => resolve(false))
      .on('timeout', () => resolve(false))
  })
  const took = performance.now() - startedAt
  probes.count++
  probes.slowest = Math.max(probes.slowest, took)
  if (!answered || took > PROBE_WITHIN) probes.bad++
}

await using upstream = await startUpstream()
await using probed = await startUpstream()
await using subject = await startSubject({
  members: [upstream.port],
  probed: probed.port,
  limits: `{ head_timeout: ${HEAD_TIMEOUT}ms, body_timeout: ${BODY_TIMEOUT}ms }`,
})
const stop = new AbortController()
const probes: readonly Probes[] = [
  {
    title: 'on connections of their own',
    agent: new Agent(),
    count: 0,
    bad: 0,
    slowest: 0,
  },
  {
    title: 'on connections that stay',
    agent: new Agent({ keepAlive: true }),
    count: 0,
    bad: 0,
    slowest: 0,
  },
]
const probing = probes.map(one => probe(subject.port, one, stop.signal))
const ownDelay = monitorEventLoopDelay()
ownDelay.enable()

const clients: SlowClient[] = []
for (const startedAt = performance.now(); clients.length < connections; ) {
  const batch = Math.min(50, connections - clients.length)
  const opened = Array.from({ length: batch }, (_, i) =>
    slowClient(subject.port, KINDS[(clients.length + i) % 3] as Kind),
  )
  clients.push(...(await Promise.all(opened)))
  await pause(Math.max(0, startedAt + (ramp * 1_000 * clients.length) / connections - performance.now()))
}
const active = await subject.metric('gatepool_connections_active')
console.log(`${clients.length} slow clients, ${active} connections at the proxy`)

const last = Math.max(...clients.map(({ dueAt }) => dueAt)) + MOST_LATE
while (clients.some(({ closedAt }) => closedAt === 0) && performance.now() < last) await pause(100)
stop.abort()
await Promise.all(probing)

let late = 0
for (const kind of KINDS) {
  const all = clients.filter(client => client.kind === kind)
  const lateness = all.map(({ closedAt, dueAt }) => (closedAt === 0 ? Number.POSITIVE_INFINITY : closedAt - dueAt))
  late += lateness.filter(ms => ms > MOST_LATE).length
  const [soonest, latest] = [Math.min(...lateness), Math.max(...lateness)]
  console.log(`${kind}: ${all.length} clients, closed ${seconds(soonest)} to ${seconds(latest)} after their deadline`)
}
for (const { title, count, slowest, agent } of probes) {
  console.log(`${count} probes ${title}: slowest ${Math.round(slowest)} ms`)
  agent.destroy()
}
console.log(`(this process itself was late by up to ${Math.round(ownDelay.max / 1e6)} ms)`)
const bad = probes.reduce((sum, one) => sum + one.bad, 0)
console.log(`${late} clients closed too late or not at all, ${bad} probes not answered within ${PROBE_WITHIN} ms`)
for (const { socket } of clients) socket.destroy()
if (late > 0 || bad > 0) process.exitCode = 1

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
