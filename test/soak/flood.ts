/**
 * A flood of datagrams from many ports of 64 addresses, while 50 clients go on asking and being answered. Ends with exit status 1 when there are
 * ever more sessions than the cap, when resident memory grows by 128 MiB or more, or when gatepool read a request of an answered client that was
 * not answered:
 *
 *     node test/soak/flood.ts --datagrams 1000000 --each 25
 *
 * What was lost is accounted for datagram by datagram. The kernel says how many it dropped at gatepool's socket, so that it is known how many
 * were read there; those of the flood and those of the clients have different lengths, so that it is known from the bytes which they were.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startL4Program } from '../support/l4-program.ts'

const MIB = 1024 * 1024
const MOST_GROWTH = 128 * MIB
const ADDRESSES = 64
/** Sockets that flood at once. */
const SOCKETS = 2_000
/** Datagrams that are sent at once: more would only be dropped by the kernel before anybody saw them. */
const BURST = 100
const CLIENTS = 50
/** All of the same length. */
const FLOOD = 'flood'
const request = (number: number) => `ping ${String(number).padStart(12, '0')}`
const REQUEST = request(0).length

const { values } = parseArgs({ options: { datagrams: { type: 'string' }, each: { type: 'string' } } })
const datagrams = Number(values.datagrams ?? 1_000_000)
/** Datagrams from each port. */
const each = Number(values.each ?? 25)
if (![datagrams, each].every(number => Number.isSafeInteger(number) && number > 0)) {
  console.error('usage: node test/soak/flood.ts [--datagrams N] [--each N]')
  process.exit(2)
}

async function bound(address: string): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  socket.bind({ address, port: 0, exclusive: true })
  await once(socket, 'listening')
  return socket
}

/** What the kernel says of the sockets of this host that are bound to a port, of any address: bytes that wait, and datagrams that it dropped. */
function socketsOf(local: number): { readonly waiting: number; readonly dropped: number } {
  let waiting = 0
  let dropped = 0
  for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n').slice(1)) {
    const [, address = '', , , queues = ''] = line.trim().split(/\s+/)
    if (Number.parseInt(address.split(':')[1] ?? '', 16) !== local) continue
    waiting += Number.parseInt(queues.split(':')[1] ?? '', 16)
    dropped += Number(line.trim().split(/\s+/).at(-1))
  }
  return { waiting, dropped }
}

await using stack = new AsyncDisposableStack()
const upstream = await bound('127.0.0.2')
stack.defer(() => void upstream.close())
upstream.setRecvBufferSize(4 * MIB)
upstream.on('message', (bytes, from) => {
  if (bytes.length === REQUEST) upstream.send(bytes, from.port, from.address)
})
const program = stack.use(await startL4Program('udp', upstream.address().port))
const { port } = program

// Clients that are answered: each asks again once it was, or gives the request up.
let asked = 0
let answered = 0
let isOver = false
const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => bound(`127.0.3.${i + 1}`)))
for (const client of clients) client.on('message', () => answered++)
const asking = clients.map(async client => {
  while (!isOver) {
    client.send(request(++asked), port, '127.0.0.1')
    await Promise.race([once(client, 'message'), pause(2_000)])
    await pause(50)
  }
})
await pause(1_000)

const before = program.resident()
let most = 0
let largest = before
const look = async () => {
  largest = Math.max(largest, program.resident())
  most = Math.max(most, await program.metric('gatepool_udp_sessions_active').catch(() => 0))
}
const watching = setInterval(() => void look(), 500)
const start = performance.now()
for (let sent = 0; sent < datagrams; ) {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, (_, i) => bound(`127.1.0.${(i % ADDRESSES) + 1}`)))
  for (let round = 0; round < each && sent < datagrams; round++) {
    for (const socket of sockets) {
      socket.send(FLOOD, port, '127.0.0.1')
      if (++sent % BURST === 0) await pause(2)
      if (sent >= datagrams) break
    }
  }
  await pause(20)
  for (const socket of sockets) socket.close()
}
const seconds = (performance.now() - start) / 1000
isOver = true
await Promise.all(asking)
clearInterval(watching)
while (socketsOf(port).waiting > 0) await pause(50)
await pause(500)

const { dropped } = socketsOf(port)
const behind = socketsOf(upstream.address().port).dropped
const [bytes, refused] = await Promise.all([
  program.metric('gatepool_l4_bytes_total', 'direction="to_upstream"'),
  program.metric('gatepool_udp_datagrams_dropped_total', 'reason="limited"'),
])
for (const client of clients) client.close()
// Those that were read and passed on, of which so many bytes were requests of clients and not of the flood.
const passed = datagrams + asked - dropped - refused
const read = (bytes - passed * FLOOD.length) / (REQUEST - FLOOD.length)
const growth = largest - before
console.log(
  `${datagrams} datagrams from ${Math.ceil(datagrams / each)} ports in ${seconds.toFixed(0)} s; at most ${most} sessions; ` +
    `resident memory ${(before / MIB).toFixed(0)} MiB, ${(growth / MIB).toFixed(0)} MiB more at most`,
)
console.log(
  `clients asked ${asked} times: the kernel dropped ${asked - read} of that at gatepool's socket (${dropped} of all), ` +
    `${read} were read and ${answered} answered; it dropped ${behind} at the upstream's`,
)
const wrong = [
  ...(most > 16_384 ? ['more sessions than the cap'] : []),
  ...(growth >= MOST_GROWTH ? ['too much memory'] : []),
  ...(!Number.isInteger(read) ? ['the accounts do not agree'] : []),
  ...(read - answered > behind ? [`${read - answered} requests were read and not answered`] : []),
]
for (const text of wrong) console.error(text)
process.exitCode = wrong.length > 0 ? 1 : 0
