/**
 * An upstream for soaks, a process of its own so that it can be killed or stopped. It listens on 127.0.0.1, tells its port by a line on
 * stdout, and appends the X-Id of every request whose body it has read to a file, before it answers:
 *
 *     node test/soak/upstream.ts [PORT] [FILE]
 *
 * `/?bytes=N` answers N bytes; `&chunked` without saying so before, `&cut` only half of them and then a reset, `&late=MS` after a while,
 * `&status=S` with that status, `&never` not at all. Whoever offers another protocol gets it: an echo.
 */
import { openSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const [port = '0', file] = process.argv.slice(2)
const ids = file === undefined ? null : openSync(file, 'a')
const CONTENT = Buffer.alloc(64 * 1024, 'gatepool ')

const server = createServer({ requestTimeout: 0 }, (request, response) => {
  request.resume()
  request.on('error', () => undefined)
  request.on('end', () => {
    // Written by the time it is answered, even if this process is killed right behind it.
    if (ids !== null) writeSync(ids, `${request.headers['x-id']}\n`)
    void answer(request, response)
  })
})
server.on('upgrade', (request, socket) => {
  socket.on('error', () => socket.destroy())
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\n\r\n`)
  socket.pipe(socket)
})
server.on('clientError', (_, socket) => socket.destroy())
server.listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 }, () => {
  console.log((server.address() as AddressInfo).port)
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = new URLSearchParams(request.url?.split('?')[1])
  if (asked.has('never')) return
  if (asked.has('late')) await pause(Number(asked.get('late')))
  const bytes = Number(asked.get('bytes') ?? 0)
  response.writeHead(Number(asked.get('status') ?? 200), asked.has('chunked') ? {} : { 'Content-Length': bytes })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  let left = asked.has('cut') ? Math.floor(bytes / 2) : bytes
  const pour = () => {
    while (left > 0 && !response.destroyed) {
      const size = Math.min(left, CONTENT.length)
      left -= size
      if (!response.write(size === CONTENT.length ? CONTENT : CONTENT.subarray(0, size))) return
    }
    if (asked.has('cut')) response.socket?.resetAndDestroy()
    else response.end()
  }
  response.on('drain', pour)
  pour()
}
