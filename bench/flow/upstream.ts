/**
 * The upstream that all proxies share: `node bench/flow/upstream.ts PORT`. It has to cost less than the proxies do, so it reads no more of a
 * request than it needs, and its answers are ready before anybody asks. It knows nothing of chunked requests: the loads send lengths. Datagrams
 * to the same port come back as they were.
 */
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'

export const SMALL = Buffer.from('hello from upstream\n')
export const MEBIBYTE = Buffer.alloc(1_048_576, 'gatepool bench. ')

const answer = (body: Buffer, last: boolean): Buffer =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 200 OK\r\nDate: Thu, 20 Nov 2025 12:00:00 GMT\r\n${last ? 'Connection: close\r\n' : ''}` +
        `Content-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  ])

const small = answer(SMALL, false)
const mebibyte = answer(MEBIBYTE, false)

const END_OF_HEAD = Buffer.from('\r\n\r\n')
const NO_LENGTH = Buffer.from('HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')

/** `/1m` answers 1 MiB, a request with a body how many bytes that had, anything else a line. */
function serve(socket: Socket): void {
  let held: Buffer | null = null
  let length = 0
  let missing = 0
  let last = false

  const respond = (ready: Buffer | null, body: Buffer) => {
    if (last) socket.end(answer(body, last))
    else socket.write(ready ?? answer(body, last))
  }
  const onData = (chunk: Buffer) => {
    const bytes: Buffer = held === null ? chunk : Buffer.concat([held, chunk])
    held = null
    let at = 0
    while (at < bytes.length) {
      if (missing > 0) {
        const taken = Math.min(missing, bytes.length - at)
        missing -= taken
        at += taken
        if (missing === 0) respond(null, Buffer.from(String(length)))
        continue
      }
      const end = bytes.indexOf(END_OF_HEAD, at)
      if (end === -1) {
        held = bytes.subarray(at)
        return
      }
      const head = bytes.toString('latin1', at, end + 2)
      at = end + END_OF_HEAD.length
      last = /\r\nconnection: *close\r/i.test(head)
      if (!head.startsWith('GET ')) {
        length = Number(/\r\ncontent-length: *(\d+)\r/i.exec(head)?.[1] ?? -1)
        missing = length
        if (length > 0) continue
        socket.end(NO_LENGTH)
        return
      }
      if (/\r\nupgrade: *websocket\r/i.test(head)) {
        socket.off('data', onData)
        echo(socket, head)
        if (at < bytes.length) socket.emit('data', bytes.subarray(at))
        return
      }
      if (head.startsWith('GET /1m ')) respond(mebibyte, MEBIBYTE)
      else respond(small, SMALL)
    }
  }
  socket.on('data', onData)
  socket.on('error', () => socket.destroy())
}

const WEBSOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Sends each message back as it came: what of RFC 6455 the load needs, messages in one frame of at most 64 KiB. */
function echo(socket: Socket, handshake: string): void {
  const key = /\r\nsec-websocket-key: *([^\r ]+)/i.exec(handshake)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}${WEBSOCKET}`).digest('base64')
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  let held: Buffer | null = null
  socket.on('data', (chunk: Buffer) => {
    let bytes: Buffer = held === null ? chunk : Buffer.concat([held, chunk])
    held = null
    for (;;) {
      const size = frameSize(bytes)
      if (size === 0 || bytes.length < size) break
      socket.write(unmasked(bytes.subarray(0, size)))
      bytes = bytes.subarray(size)
    }
    if (bytes.length > 0) held = bytes
  })
}

/** Bytes of the masked frame that `bytes` begins with, or 0 while that cannot be told. */
function frameSize(bytes: Buffer): number {
  if (bytes.length < 4) return 0
  const size = bytes.readUInt8(1) & 0x7f
  return size < 126 ? 6 + size : 8 + bytes.readUInt16BE(2)
}

/** The same frame as a server sends it: without the mask. */
function unmasked(frame: Buffer): Buffer {
  const head = (frame.readUInt8(1) & 0x7f) < 126 ? 2 : 4
  const from = head + 4
  const out = Buffer.allocUnsafe(frame.length - 4)
  frame.copy(out, 0, 0, head)
  out.writeUInt8(frame.readUInt8(1) & 0x7f, 1)
  for (let i = from; i < frame.length; i++) out[i - 4] = (frame[i] ?? 0) ^ (frame[head + ((i - from) & 3)] ?? 0)
  return out
}

if (import.meta.main) {
  const address = '127.0.0.1'
  const port = Number(process.argv[2])
  const datagrams = createSocket('udp4')
  datagrams.on('message', (bytes, from) => datagrams.send(bytes, from.port, from.address))
  // Listens to TCP last: whoever waits for that can count on both.
  datagrams.bind({ address, port, exclusive: true }, () => {
    createServer({ noDelay: true }, serve).listen({ host: address, port, backlog: 4096 })
  })
}
