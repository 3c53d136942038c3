/** Ends of UDP in tests: a peer that keeps what came, and servers that answer it. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { within } from './raw-peer.ts'

export interface Datagrams extends AsyncDisposable {
  readonly socket: Socket
  readonly port: number
  /** Everything that came and was not taken yet, as latin1. */
  readonly received: string[]
  /** The next datagram. */
  next(): Promise<string>
  send(text: string | Buffer, port: number, host?: string): void
  /** Closes at once: the port refuses from now on. */
  close(): void
}

/** A socket at `host`; `answer` says what each datagram is answered with, null: nothing. */
export async function datagrams(
  host = '127.0.0.1',
  port = 0,
  answer: (text: string, from: RemoteInfo) => string | null = () => null,
): Promise<Datagrams> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const received: string[] = []
  const waiting: (() => void)[] = []
  let isOpen = true
  socket.on('message', (bytes, from) => {
    const text = bytes.toString('latin1')
    received.push(text)
    const said = answer(text, from)
    if (said !== null) socket.send(Buffer.from(said, 'latin1'), from.port, from.address)
    waiting.shift()?.()
  })
  socket.on('error', () => undefined)
  socket.bind({ port, address: host, exclusive: true })
  await Promise.race([once(socket, 'listening'), once(socket, 'error')])
  const close = () => {
    if (isOpen) socket.close()
    isOpen = false
  }
  return {
    socket,
    port: socket.address().port,
    received,
    async next() {
      while (received.length === 0) {
        const { promise, resolve } = Promise.withResolvers<void>()
        waiting.push(resolve)
        await within(promise, 'a datagram')
      }
      return received.shift() ?? ''
    },
    send: (text, to, at = '127.0.0.1') =>
      socket.send(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, to, at),
    close,
    async [Symbol.asyncDispose]() {
      close()
    },
  }
}

/** Members on 127.0.0.2, 127.0.0.3 and so on, all on the same port, each answering with its number and what it got. */
export async function datagramMembers(count: number): Promise<readonly Datagrams[]> {
  for (;;) {
    const members: Datagrams[] = []
    try {
      for (let i = 0; i < count; i++)
        members.push(await datagrams(`127.0.0.${i + 2}`, members[0]?.port ?? 0, text => `${i} ${text}`))
      return members
    } catch {
      for (const member of members) member.close()
    }
  }
}
