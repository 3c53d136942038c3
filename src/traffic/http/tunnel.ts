/**
 * An upgraded connection: from the upstream's 101 on bytes go both ways, until both sides have ended, one is gone, or its pool wants it
 * closed. What ends one side ends the other in the same way; a WebSocket that we close is told so between two frames (RFC 6455 5.5.1).
 */
import type { Upstream } from '../../core/nouns.ts'
import type { Poured } from '../pour.ts'
import { Relay } from '../relay.ts'
import type { Session } from '../sessions.ts'
import type { ClientConnection } from './client.ts'
import type { UpstreamConnection } from './upstream.ts'
import { closeFrame, SERVICE_RESTART, WebSocketFrames } from './websocket-frames.ts'

/** Ms that a WebSocket is given to come to the end of the frame that the upstream is sending. */
const FRAME_ENDS = 1_000
/** Ms between two looks at a client that has ended its side: nothing is read from it, so nothing else tells that it has gone altogether. */
const LOOKED_AFTER = 1_000

export interface TunnelOptions {
  readonly target: string
  /** Ms that it may be idle; 0: for ever. */
  readonly timeout: number
  readonly isWebSocket: boolean
  /** Called once, when it is over. */
  readonly onOver: () => void
}

export class Tunnel implements Session {
  readonly target: string
  readonly upstream: Upstream

  readonly #client: ClientConnection
  readonly #connection: UpstreamConnection
  readonly #relay: Relay
  readonly #timeout: number
  readonly #onOver: () => void
  /** What the upstream sends; null when it is no WebSocket. */
  readonly #frames: WebSocketFrames | null
  /** Waits for the end of a frame to close it there. */
  #ending = false
  #looks: NodeJS.Timeout | null = null

  constructor(client: ClientConnection, connection: UpstreamConnection, options: TunnelOptions) {
    this.target = options.target
    this.upstream = connection.slot.upstream
    this.#client = client
    this.#connection = connection
    this.#relay = new Relay(client.socket, connection.socket)
    this.#timeout = options.timeout
    this.#onOver = options.onOver
    this.#frames = options.isWebSocket ? new WebSocketFrames() : null
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
    if (ended) this.clientEnded()
  }

  fromClient(chunk: Buffer): void {
    this.#isUsed()
    this.#relay.fromClient(chunk)
  }

  fromUpstream(bytes: Buffer, from: number, to: number): Poured {
    this.#isUsed()
    const frames = this.#frames
    const end = frames === null ? to : frames.follow(bytes, from, to, this.#ending)
    const poured = this.#relay.fromUpstream(bytes, from, end)
    if (this.#ending && frames?.isBetween) this.#close()
    return poured
  }

  upstreamDrained(): void {
    this.#relay.upstreamDrained()
  }

  clientEnded(): void {
    this.#relay.clientEnded()
    if (this.#closeIfOver()) return
    const { socket } = this.#client
    this.#looks = setInterval(() => {
      // Writing nothing fails all the same once a reset has come.
      if (socket.writableLength === 0) socket.write('')
    }, LOOKED_AFTER).unref()
  }

  upstreamEnded(): void {
    this.#relay.upstreamEnded()
    this.#closeIfOver()
  }

  /** The client is gone. */
  clientLeft(): void {
    this.#connection.reset()
    this.#over()
  }

  /** The upstream is gone. One that had said all it had to say before is not taken for broken. */
  upstreamLeft(): void {
    if (this.#client.socket.writableEnded) this.#client.closeAfterWrites()
    else this.#client.reset()
    this.#over()
  }

  /** Closes it: its pool wants that, or it has been idle for too long. */
  end(): void {
    if (this.#frames === null || this.#frames.isBetween) this.#close()
    else if (!this.#ending) {
      this.#ending = true
      this.#client.arm(FRAME_ENDS)
    }
  }

  /** The deadline is over. */
  expire(): void {
    if (this.#ending) this.#close()
    else this.end()
  }

  /** Tells a WebSocket that it is closed, if that can be said where its frames are now. */
  sayClose(): void {
    const { socket } = this.#client
    const frames = this.#frames
    if (frames?.isBetween && !frames.closing && socket.writable) socket.write(closeFrame(SERVICE_RESTART))
  }

  #isUsed(): void {
    if (!this.#ending) this.#client.arm(this.#timeout)
  }

  #close(): void {
    this.sayClose()
    this.#connection.close()
    this.#client.endGently()
    this.#over()
  }

  #closeIfOver(): boolean {
    if (!this.#relay.over) return false
    this.#connection.close()
    this.#client.closeAfterWrites()
    this.#over()
    return true
  }

  #over(): void {
    if (this.#looks !== null) clearInterval(this.#looks)
    this.#onOver()
  }
}
