/** Upstreams that do exactly as a script says, and show the exact bytes they got. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import { RawPeer, until } from './raw-peer.ts'

/** What an upstream does on one connection. That it is cut off in the middle is no error. */
export type Script = (peer: RawPeer) => unknown

export interface RawUpstream extends AsyncDisposable {
  readonly port: number
  /** Every connection so far, in order. */
  readonly connections: readonly RawPeer[]
  /** Everything that came on any connection. */
  readonly received: string
  /** The connection with that number, once it is there. */
  connection(index: number): Promise<RawPeer>
}

/** The first connection runs the first script and so on; the last script is also for all that follow. */
export function rawUpstream(...scripts: readonly Script[]): Promise<RawUpstream> {
  return rawUpstreamAt('127.0.0.1', 0, ...scripts)
}

/** The same at an address and a port; 0: a free one. Rejects when it is taken. */
export async function rawUpstreamAt(host: string, port: number, ...scripts: readonly Script[]): Promise<RawUpstream> {
  const connections: RawPeer[] = []
  const server = createServer({ allowHalfOpen: true }, socket => {
    const peer = new RawPeer(socket)
    const script = scripts[Math.min(connections.length, scripts.length - 1)]
    connections.push(peer)
    void (async () => script?.(peer))().catch(() => undefined)
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    get received() {
      return connections.map(({ received }) => received).join('')
    },
    async connection(index) {
      await until(() => connections.length > index, `connection ${index} is there`)
      return connections[index] as RawPeer
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const { socket } of connections) socket.destroy()
      if (server.listening) await once(server, 'close')
    },
  }
}

/** Members on 127.0.0.2, 127.0.0.3 and so on, all on the same port: what routes of other protocols than HTTP need. One for each script. */
export async function rawMembers(...scripts: readonly Script[]): Promise<readonly RawUpstream[]> {
  for (;;) {
    const members: RawUpstream[] = []
    try {
      for (const script of scripts)
        members.push(await rawUpstreamAt(`127.0.0.${members.length + 2}`, members[0]?.port ?? 0, script))
      return members
    } catch {
      // The port is free on the first of them only.
      for (const member of members) await member[Symbol.asyncDispose]()
    }
  }
}

/** Answers every request on a connection with the same bytes. */
export function answering(answer: string | Buffer): Script {
  return async peer => {
    for (;;) {
      await peer.request()
      peer.send(answer)
    }
  }
}

/** An answer with a body of known length. */
export function ok(body: string, ...fields: readonly string[]): string {
  return ['HTTP/1.1 200 OK', ...fields, `Content-Length: ${body.length}`, '', body].join('\r\n')
}

/** A port on which nobody listens. */
export async function refusingPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * A port whose connections are never established: somebody listens there, but its queue is full and is never emptied. It lives in a thread
 * that stands still, since a server that runs would accept.
 */
export async function silentPort(): Promise<{ readonly port: number } & AsyncDisposable> {
  const worker = new Worker(
    `const { createServer } = require('node:net')
     const { parentPort } = require('node:worker_threads')
     const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
    { eval: true },
  )
  const [port] = (await once(worker, 'message')) as [number]
  const queued = Array.from({ length: 3 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
  await Promise.all(queued.slice(0, 2).map(socket => once(socket, 'connect')))
  return {
    port,
    async [Symbol.asyncDispose]() {
      for (const socket of queued) socket.destroy()
      await worker.terminate()
    },
  }
}
