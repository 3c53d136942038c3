/** UDP clients: each waits for the echo of its datagram before it sends the next one. */
import { createSocket } from 'node:dgram'
import { percentile } from '../statistics.ts'
import type { Asked, LoadTool } from './load.ts'

export const udp: LoadTool<'udp'> = {
  name: 'own UDP clients',
  command: asked => ({ file: process.execPath, args: [import.meta.filename, JSON.stringify(asked)] }),
  read: stdout => JSON.parse(stdout),
}

/** Ms after which a datagram is taken for lost, and another one sent. */
const PATIENCE = 500

if (import.meta.main) {
  const asked: Asked<{ kind: 'udp'; message: number }> = JSON.parse(process.argv[2] ?? '')
  const latencies: number[] = []
  let failed = 0

  const clients = Array.from({ length: asked.connections }, () => {
    const socket = createSocket('udp4')
    const sent = Buffer.alloc(asked.work.message, 'x')
    let number = 0
    let sentAt = 0
    const send = () => {
      sentAt = performance.now()
      // A late echo of a datagram that was taken for lost has another number.
      sent.writeUInt32BE(++number)
      socket.send(sent)
    }
    socket.on('message', echoed => {
      if (echoed.length !== sent.length || echoed.readUInt32BE() !== number) return
      latencies.push(performance.now() - sentAt)
      send()
    })
    socket.on('error', () => {})
    socket.connect(asked.port, '127.0.0.1', send)
    return {
      socket,
      giveUp() {
        if (performance.now() - sentAt < PATIENCE) return
        failed++
        send()
      },
    }
  })
  const sweep = setInterval(() => {
    for (const { giveUp } of clients) giveUp()
  }, PATIENCE / 2)

  const start = performance.now()
  setTimeout(() => {
    const seconds = (performance.now() - start) / 1000
    clearInterval(sweep)
    for (const { socket } of clients) socket.close()
    const sorted = Float64Array.from(latencies).sort()
    const [p50, p99] = [percentile(sorted, 0.5), percentile(sorted, 0.99)]
    console.log(JSON.stringify({ requests: latencies.length, failed, seconds, p50, p99 }))
  }, asked.seconds * 1000)
}
