/**
 * A flood of datagrams from many ports of 64 addresses, while 50 clients go on asking and being answered. Ends with exit status 1 when there are
 * ever more sessions than the cap, when resident memory grows by 128 MiB or more, or when an answered client loses more than the kernel dropped:
 *
 *     node test/soak/flood.ts --datagrams 1000000
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePorts } from '../../bench/flow/ports.ts'
import { Processes } from '../../bench/flow/processes.ts'
import { LAUNCHER } from '../support/launch.ts'
import { metric, residentMemory, said } from './subject.ts'

const MIB = 1024 * 1024
const MOST_GROWTH = 128 * MIB
const ADDRESSES = 64
/** Sockets that flood at once, and datagrams that each sends. */
const SOCKETS = 2_000
const EACH = 25
/** Datagrams that are sent at once: more would only be dropped by the kernel before anybody saw them. */
const BURST = 100
const CLIENTS = 50
const TOKEN = 'a-token-for-soaks'

const { values } = parseArgs({ options: { datagrams: { type: 'string' } } })
const datagrams = Number(values.datagrams ?? 1_000_000)
if (!Number.isSafeInteger(datagrams) || datagrams < 1) {
  console.error('usage: node test/soak/flood.ts [--datagrams N]')
  process.exit(2)
}

async function bound(address: string): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  socket.bind({ address, port: 0, exclusive: true })
  await once(socket, 'listening')
  return socket
}

/** Datagrams that the kernel has dropped on this host because a buffer was full. */
function dropped(): number {
  const [names = '', numbers = ''] = readFileSync('/proc/net/snmp', 'utf8').match(/^Udp: .*$/gm) ?? []
  return Number(numbers.split(' ')[names.split(' ').indexOf('RcvbufErrors')] ?? 0)
}

await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'gatepool-flood-'))
stack.defer(() => rmSync(folder, { recursive: true, force: true }))
const upstream = await bound('127.0.0.2')
stack.defer(() => void upstream.close())
upstream.on('message', (bytes, from) => {
  if (bytes[0] === 112) upstream.send(bytes, from.port, from.address)
})
const [port = 0] = await freePorts(1)
const file = join(folder, 'gatepool.yaml')
writeFileSync(
  file,
  `version: 1
store: { kind: embedded, path: ${JSON.stringify(join(folder, 'gatepool.db'))} }
admin: { listen: 127.0.0.1:0, token: ${TOKEN} }
logging: { level: error }
gateways: [{ name: a, address: 127.0.0.2 }]
pools: [{ name: p, members: [a] }]
routes: [{ name: udp, protocol: udp, listen: 127.0.0.1:${port}, gateway_port: ${upstream.address().port}, target: { pool: p } }]
`,
)
const processes = stack.use(new Processes(false))
const running = await processes.start(
  { file: process.execPath, args: [LAUNCHER, 'run', '-c', file], env: { NODE_OPTIONS: '' } },
  '',
)
const [, admin] = await said(running, /admin on (\S+:\d+)/)
const url = `http://${admin}/metrics`

// Clients that are answered: each asks again once it was, and counts what never was.
let asked = 0
let answered = 0
let isOver = false
const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, i) => bound(`127.0.3.${i + 1}`)))
const running50 = clients.map(async client => {
  while (!isOver) {
    asked++
    client.send(`ping ${asked}`, port, '127.0.0.1')
    const came = await Promise.race([once(client, 'message').then(() => true), pause(2_000, false)])
    if (came) answered++
    await pause(50)
  }
  client.close()
})
await pause(1_000)

const before = residentMemory(running.pid)
const droppedBefore = dropped()
let most = 0
let largest = before
const look = async () => {
  largest = Math.max(largest, residentMemory(running.pid))
  most = Math.max(most, await metric(url, 'gatepool_udp_sessions_active').catch(() => 0))
}
const watching = setInterval(() => void look(), 500)
const start = performance.now()
for (let sent = 0; sent < datagrams; ) {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, (_, i) => bound(`127.1.0.${(i % ADDRESSES) + 1}`)))
  for (let round = 0; round < EACH && sent < datagrams; round++) {
    for (const socket of sockets) {
      socket.send('flood', port, '127.0.0.1')
      if (++sent % BURST === 0) await pause(2)
      if (sent >= datagrams) break
    }
  }
  await pause(20)
  for (const socket of sockets) socket.close()
}
const seconds = (performance.now() - start) / 1000
isOver = true
await Promise.all(running50)
clearInterval(watching)
const kernel = dropped() - droppedBefore
const growth = largest - before
const lost = asked - answered
console.log(
  `${datagrams} datagrams in ${seconds.toFixed(0)} s; at most ${most} sessions; resident memory ${(before / MIB).toFixed(0)} MiB, ` +
    `${(growth / MIB).toFixed(0)} MiB more at most; clients asked ${asked} times and lost ${lost}, the kernel dropped ${kernel}`,
)
const wrong = [
  ...(most > 16_384 ? ['more sessions than the cap'] : []),
  ...(growth >= MOST_GROWTH ? ['too much memory'] : []),
  ...(lost > kernel ? ['answered clients lost more than the kernel dropped'] : []),
]
for (const text of wrong) console.error(text)
process.exitCode = wrong.length > 0 ? 1 : 0
