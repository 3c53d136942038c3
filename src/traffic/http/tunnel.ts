/**
 * An upgraded connection: from the upstream's 101 on bytes go both ways, until both sides have ended or one is gone. What ends one side
 * ends the other in the same way.
 */
import type { Poured } from '../pour.ts'
import { Relay } from '../relay.ts'
import type { ClientConnection } from './client.ts'
import type { UpstreamConnection } from './upstream.ts'

export class Tunnel {
  readonly #client: ClientConnection
  readonly #upstream: UpstreamConnection
  readonly #timeout: number
  readonly #relay: Relay

  /** `timeout`: ms that it may be idle; 0: for ever. */
  constructor(client: ClientConnection, upstream: UpstreamConnection, timeout: number) {
    this.#client = client
    this.#upstream = upstream
    this.#timeout = timeout
    this.#relay = new Relay(client.socket, upstream.socket)
  }

  /** Opens it with the head of the 101. What the client sent behind its request has waited for this. */
  open(head: string): void {
    const { socket, ended } = this.#client
    // Everything else has a deadline; here only the kernel notices a peer that is gone without a word.
    socket.setKeepAlive(true)
    socket.write(head, 'latin1')
    this.#client.arm(this.#timeout)
    socket.resume()
    const waiting = this.#client.takeWaiting()
    if (waiting !== null) this.#relay.fromClient(waiting)
    if (ended) this.#relay.clientEnded()
  }

  fromClient(chunk: Buffer): void {
    this.#client.arm(this.#timeout)
    this.#relay.fromClient(chunk)
  }

  fromUpstream(bytes: Buffer, from: number, to: number): Poured {
    this.#client.arm(this.#timeout)
    return this.#relay.fromUpstream(bytes, from, to)
  }

  upstreamDrained(): void {
    this.#relay.upstreamDrained()
  }

  /** True: both have ended, and the tunnel is over. */
  clientEnded(): boolean {
    this.#relay.clientEnded()
    return this.#closeIfOver()
  }

  /** True: both have ended, and the tunnel is over. */
  upstreamEnded(): boolean {
    this.#relay.upstreamEnded()
    return this.#closeIfOver()
  }

  /** The client is gone, and the tunnel is over. */
  clientLeft(): void {
    this.#upstream.reset()
  }

  /** The upstream is gone, and the tunnel is over. One that had said all it had to say before is not taken for broken. */
  upstreamLeft(): void {
    if (this.#client.socket.writableEnded) this.#client.closeAfterWrites()
    else this.#client.reset()
  }

  #closeIfOver(): boolean {
    if (!this.#relay.over) return false
    this.#upstream.close()
    this.#client.closeAfterWrites()
    return true
  }
}
