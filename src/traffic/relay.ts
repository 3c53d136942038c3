/**
 * Bytes both ways between a client and an upstream, untouched: half-closes are kept, back-pressure goes through, and nobody's end is
 * taken for more than it is. Shared by every protocol that ends up as a tunnel.
 */
import type { Socket } from 'node:net'
import { type Poured, pour } from './pour.ts'

export class Relay {
  readonly #client: Socket
  readonly #upstream: Socket

  constructor(client: Socket, upstream: Socket) {
    this.#client = client
    this.#upstream = upstream
  }

  /** A chunk that the client's stream gave away. */
  fromClient(chunk: Buffer): void {
    if (!this.#upstream.write(chunk)) this.#client.pause()
  }

  /** Bytes of the upstream's read buffer. */
  fromUpstream(bytes: Buffer, from: number, to: number): Poured {
    return pour(this.#client, '', bytes, from, to, '')
  }

  clientEnded(): void {
    this.#upstream.end()
  }

  upstreamEnded(): void {
    this.#client.end()
  }

  /** The upstream can take more. */
  upstreamDrained(): void {
    this.#client.resume()
  }

  /** Both sides have ended theirs. */
  get over(): boolean {
    return this.#client.writableEnded && this.#upstream.writableEnded
  }
}
