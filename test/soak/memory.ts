/**
 * What connections cost in resident memory. Ends with exit status 1 when 1,000 readers of a 1 GiB answer, 10 KiB a second each, make gatepool grow
 * by 256 MiB or more. For 10,000 idle connections it tells the figure, beside HAProxy's where that is installed:
 *
 *     node test/soak/memory.ts --readers 1000 --seconds 30 --idle 10000
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { forgetPeak, peakMemory } from '../../bench/flow/processor.ts'
import { startDaemon } from './daemon.ts'
import { residentMemory, startSubject } from './subject.ts'
import { startUpstream } from './upstreams.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
/** Bytes a second of one reader. */
const PACE = 10 * KIB
const MOST_GROWTH = 256 * MIB
/** Share of its pace that a reader must have got; less when the kernel has no more memory for what waits between the sockets. */
const LEAST_SHARE = 0.5
/** Connections that are opened at once. */
const BATCH = 100
/** Files that a process needs besides its connections. */
const OTHER_FILES = 200

const { values } = parseArgs({
  options: {
    readers: { type: 'string' },
    seconds: { type: 'string' },
    idle: { type: 'string' },
  },
})
const readers = Number(values.readers ?? 1_000)
const duration = Number(values.seconds ?? 30)
const idle = Math.min(Number(values.idle ?? 10_000), openFilesLimit() - OTHER_FILES)
if (![readers, duration, idle].every(number => Number.isSafeInteger(number) && number >= 0)) {
  console.error('usage: node test/soak/memory.ts [--readers N] [--seconds S] [--idle N]')
  process.exit(2)
}

function openFilesLimit(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1_024)
}

/** Opens `count` connections, each to one of four near ends, so that ports do not run out. */
async function open(count: number, start: (localAddress: string) => Socket): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, (_, i) =>
      start(`127.0.0.${1 + (i % 4)}`),
    )
    await Promise.all(batch.map(socket => once(socket, 'connect')))
    sockets.push(...batch)
  }
  return sockets
}

/** Readers of one answer that is far longer than they will ever take. Answers the growth of the process, bytes. */
async function slowReaders(): Promise<boolean> {
  await using upstream = await startUpstream()
  // The kernel takes megabytes ahead for each reader and asks for more only when a third of them was read: for minutes nothing moves here.
  const limits = '{ max_connections: 20000, body_timeout: 1h }'
  await using subject = await startSubject({ members: [upstream.port], limits })
  // So that code is compiled and buffers are there that do not belong to a reader.
  for (let i = 0; i < 20; i++) await (await fetch(`http://127.0.0.1:${subject.port}/?bytes=${10 * MIB}`)).arrayBuffer()
  const before = subject.resident()
  forgetPeak(subject.pid)

  let taken = 0
  const sockets = await open(readers, localAddress => {
    const sip = Buffer.alloc(PACE)
    const callback = (size: number) => {
      taken += size
      return false
    }
    const socket = connect({ port: subject.port, host: '127.0.0.1', localAddress, onread: { buffer: sip, callback } })
    return socket.on('error', () => undefined)
  })
  const startedAt = performance.now()
  for (const socket of sockets) socket.write(`GET /?bytes=${GIB} HTTP/1.1\r\nHost: a\r\n\r\n`)
  for (let second = 1; second <= duration; second++) {
    await pause(Math.max(0, startedAt + second * 1_000 - performance.now()))
    for (const socket of sockets) socket.resume()
    if (second % 10 === 0) console.log(`${second} s: resident memory grew by ${mib(subject.resident() - before)}`)
  }
  const seconds = (performance.now() - startedAt) / 1_000
  const growth = peakMemory(subject.pid) - before
  // Asked of the proxy: what the kernel still holds for a reader hides from it that its connection was closed.
  const closed = readers - (await subject.metric('gatepool_connections_active'))
  const share = taken / (readers * PACE * duration)
  console.log(
    `${readers} readers for ${seconds.toFixed(0)} s: each took ${(taken / readers / seconds / KIB).toFixed(1)} KiB/s, ${closed} were closed; ` +
      `resident memory ${mib(before)} before, grew by at most ${mib(growth)}`,
  )
  for (const socket of sockets) socket.resetAndDestroy()
  await pause(1_000)
  const { heap } = await subject.collect()
  console.log(`a second after they left: resident memory ${mib(subject.resident())}, heap ${mib(heap)}`)
  return growth < MOST_GROWTH && share > LEAST_SHARE && closed === 0
}

interface Cost {
  /** Bytes a connection. */
  readonly each: number
  readonly before: number
}

/** Connections that had one request answered and now say nothing. */
async function idleConnections(port: number, pid: number): Promise<Cost> {
  const ask = (socket: Socket) => {
    socket.write('GET /?bytes=9 HTTP/1.1\r\nHost: a\r\n\r\n')
    return once(socket, 'data')
  }
  const start = (localAddress: string) => connect({ port, host: '127.0.0.1', localAddress })
  const warm = await open(BATCH, start)
  for (let i = 0; i < 20; i++) await Promise.all(warm.map(ask))
  for (const socket of warm) socket.destroy()
  await pause(1_000)
  const before = residentMemory(pid)
  const sockets = await open(idle, start)
  for (let i = 0; i < sockets.length; i += BATCH) await Promise.all(sockets.slice(i, i + BATCH).map(ask))
  const open_ = sockets.filter(socket => socket.writable && !socket.readableEnded).length
  if (open_ < idle) throw new Error(`only ${open_} of ${idle} connections were kept open`)
  await pause(2_000)
  const each = (residentMemory(pid) - before) / idle
  for (const socket of sockets) socket.destroy()
  return { each, before }
}

async function idleAtGatepool(upstream: number): Promise<void> {
  await using subject = await startSubject({
    members: [upstream],
    limits: '{ max_connections: 20000, keep_alive_timeout: 10m }',
  })
  const { each, before } = await idleConnections(subject.port, subject.pid)
  console.log(`gatepool: ${idle} idle connections cost ${(each / KIB).toFixed(1)} KiB each, beside ${mib(before)}`)
}

async function idleAtHaproxy(upstream: number): Promise<void> {
  await using daemon = await startDaemon('haproxy', port => haproxy(port, upstream))
  if (daemon === undefined) {
    console.log('haproxy is not installed here')
    return
  }
  const { each, before } = await idleConnections(daemon.port, daemon.pid)
  console.log(`haproxy: ${idle} idle connections cost ${(each / KIB).toFixed(1)} KiB each, beside ${mib(before)}`)
}

// It reckons with two files for each connection and would not start for want of them; idle ones need one.
const haproxy = (port: number, upstream: number) => `global
  nbthread 1
  maxconn ${idle + OTHER_FILES}
  no strict-limits
defaults
  mode http
  timeout connect 2s
  timeout client 10m
  timeout server 60s
  timeout http-keep-alive 10m
  http-reuse always
listen idle
  bind 127.0.0.1:${port} backlog 4096
  server one 127.0.0.1:${upstream}
`

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`
}

if (readers > 0 && !(await slowReaders())) process.exitCode = 1
if (idle > 0) {
  await using upstream = await startUpstream()
  await idleAtGatepool(upstream.port)
  await idleAtHaproxy(upstream.port)
}
