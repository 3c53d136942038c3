/**
 * WebSocket clients on bare sockets: the frame that they send is always the same and its echo is known by its length, so that the client
 * costs less than any proxy between.
 */
import { connect } from 'node:net'
import { percentile } from '../statistics.ts'
import type { Asked, LoadTool } from './load.ts'

export const websocket: LoadTool<'websocket'> = {
  name: 'own WebSocket clients',
  command: asked => ({ file: process.execPath, args: [import.meta.filename, JSON.stringify(asked)] }),
  read: stdout => JSON.parse(stdout),
}

export const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: tv.example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
/** What RFC 6455 section 1.3 has a server answer to that key. */
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** A text message as a client sends it, masked (with zeros, which changes nothing), and as it comes back. Up to 125 bytes. */
export function frames(message: number): { readonly sent: Buffer; readonly echoed: Buffer } {
  const text = Buffer.alloc(message, 'x')
  return {
    sent: Buffer.concat([Buffer.from([0x81, 0x80 | message, 0, 0, 0, 0]), text]),
    echoed: Buffer.concat([Buffer.from([0x81, message]), text]),
  }
}

if (import.meta.main) {
  const asked: Asked<{ kind: 'websocket'; message: number }> = JSON.parse(process.argv[2] ?? '')
  const { sent, echoed } = frames(asked.work.message)
  const latencies: number[] = []
  let failed = 0
  const start = performance.now()

  const sockets = Array.from({ length: asked.connections }, () => {
    const socket = connect({ host: '127.0.0.1', port: asked.port, noDelay: true }, () => socket.write(HANDSHAKE))
    let opening = ''
    let missing = 0
    let sentAt = 0
    const send = () => {
      missing = echoed.length
      sentAt = performance.now()
      socket.write(sent)
    }
    socket.on('data', chunk => {
      if (missing === 0) {
        opening += chunk.toString('latin1')
        if (opening.endsWith('\r\n\r\n')) send()
        return
      }
      missing -= chunk.length
      if (missing > 0) return
      latencies.push(performance.now() - sentAt)
      send()
    })
    socket.on('error', () => {})
    socket.on('close', () => failed++)
    return socket
  })

  setTimeout(() => {
    const seconds = (performance.now() - start) / 1000
    for (const socket of sockets) socket.removeAllListeners('close').destroy()
    const sorted = Float64Array.from(latencies).sort()
    const [p50, p99] = [percentile(sorted, 0.5), percentile(sorted, 0.99)]
    console.log(JSON.stringify({ requests: latencies.length, failed, seconds, p50, p99 }))
  }, asked.seconds * 1000)
}
