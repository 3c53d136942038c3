/** Whether a proxy does what is about to be measured. A fast wrong answer is none. */
import { createSocket } from 'node:dgram'
import { request as ask, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { ACCEPT, frames, HANDSHAKE } from './loads/websocket.ts'
import type { HttpRequest, Row } from './rows.ts'
import { MEBIBYTE, SMALL } from './upstream.ts'

/** Ms for one answer. */
const PATIENCE = 5_000
/** Requests to a pair of members, so that both get their turns. */
const PAIR_TRIES = 16

/** What is wrong with a proxy's answer to `row` at `port` of 127.0.0.1, in words, or null. */
export async function fault(row: Row, port: number): Promise<string | null> {
  try {
    switch (row.work.kind) {
      case 'websocket':
        return await websocketFault(port, row.work.message)
      case 'udp':
        return await udpFault(port, row.work.message)
      case 'http':
        return row.front === 'pair' ? await pairFault(port, row.work.request) : await httpFault(port, row.work.request)
    }
  } catch (error) {
    return (error as Error).message
  }
}

/** With one member dead requests may fail, which the measurement counts; not all of them. */
async function pairFault(port: number, request: HttpRequest): Promise<string | null> {
  let last: string | null = null
  for (let i = 0; i < PAIR_TRIES; i++) {
    last = await httpFault(port, request)
    if (last === null) return null
  }
  return last
}

async function httpFault(port: number, { method, path, fields, body }: HttpRequest): Promise<string | null> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = { ...Object.fromEntries(fields), ...(body > 0 ? { 'Content-Length': body } : {}) }
  const signal = AbortSignal.timeout(PATIENCE)
  ask({ host: '127.0.0.1', port, method, path, headers, agent: false, signal }, resolve)
    .on('error', reject)
    .end('x'.repeat(body))
  const response = await promise
  const answer = Buffer.concat(await response.toArray())
  if (response.statusCode !== 200) return `answered ${response.statusCode}`
  const wanted = body > 0 ? Buffer.from(String(body)) : path === '/1m' ? MEBIBYTE : SMALL
  return answer.equals(wanted) ? null : `answered other bytes than the upstream sent (${answer.length} of them)`
}

async function websocketFault(port: number, message: number): Promise<string | null> {
  const { sent, echoed } = frames(message)
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => socket.write(HANDSHAKE))
  const timer = setTimeout(() => resolve('did not answer in time'), PATIENCE)
  let bytes = Buffer.alloc(0)
  let head = ''
  socket.on('data', chunk => {
    bytes = Buffer.concat([bytes, chunk])
    if (head === '') {
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      head = bytes.toString('latin1', 0, end)
      bytes = bytes.subarray(end + 4)
      if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(ACCEPT)) {
        resolve(`did not open the WebSocket: ${head.split('\r\n', 1)}`)
        return
      }
      socket.write(sent)
    }
    if (bytes.length >= echoed.length) resolve(bytes.equals(echoed) ? null : 'echoed other bytes than it was sent')
  })
  socket.on('error', ({ message }) => resolve(message))
  socket.on('close', () => resolve('closed the connection'))
  const found = await promise
  clearTimeout(timer)
  socket.destroy()
  return found
}

async function udpFault(port: number, message: number): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>()
  const sent = Buffer.alloc(message, 'gatepool bench. ')
  const socket = createSocket('udp4')
  const timer = setTimeout(() => resolve('did not answer in time'), PATIENCE)
  socket.on('message', echoed => resolve(echoed.equals(sent) ? null : 'echoed other bytes than it was sent'))
  socket.on('error', ({ message }) => resolve(message))
  socket.connect(port, '127.0.0.1', () => socket.send(sent))
  const found = await promise
  clearTimeout(timer)
  socket.close()
  return found
}
