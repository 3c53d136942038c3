/** A way to a Redis that can be cut: then nothing comes through in either direction, and nobody is told. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Scope } from './launch.ts'

export interface Gate {
  /** For `store.url`. */
  readonly url: string
  cut(): void
  mend(): void
}

/** A way to the server that listens at `path`. */
export async function openGate(t: Scope, path: string): Promise<Gate> {
  const ends = new Set<Socket>()
  let isCut = false
  const server = createServer(near => {
    const far = connect(path)
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(end)
      end.on('data', bytes => other.write(bytes))
      end.on('error', () => {})
      end.on('close', () => {
        ends.delete(end)
        // As in a network that is cut, one side does not hear of the end of the other.
        if (!isCut) other.destroy()
      })
      if (isCut) end.pause()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const end of ends) end.destroy()
  })
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      isCut = true
      for (const end of ends) end.pause()
    },
    mend() {
      isCut = false
      for (const end of ends) end.resume()
    },
  }
}
