/**
 * Bytes both ways between a client and the upstream that was found for it, untouched. What ends one side ends the other in the same way: an
 * end is an end, a reset is a reset.
 */
import type { Socket } from 'node:net'
import { PAUSE, pour } from '../pour.ts'
import type { ReadBuffer } from '../read-buffer.ts'
import { reset } from '../reset.ts'
import { freeWritten } from './free-written.ts'
import type { TcpCounts } from './listener.ts'

/** Where the connection stands after one side has ended or gone. */
export type Course =
  /** Bytes may still come. */
  | 'open'
  /** What was written may still be taken; nothing else comes. */
  | 'closing'
  /** Close whatever is left. */
  | 'over'

export class Through {
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #buffer: ReadBuffer
  readonly #counts: TcpCounts
  #clientEnded = false
  #upstreamEnded = false
  #isClosing = false

  /** `buffer` is what the upstream is read into. */
  constructor(client: Socket, upstream: Socket, buffer: ReadBuffer, counts: TcpCounts) {
    this.#client = client
    this.#upstream = upstream
    this.#buffer = buffer
    this.#counts = counts
  }

  fromClient(chunk: Buffer): void {
    this.#counts.bytesToUpstream += chunk.length
    if ((pour(this.#upstream, '', chunk, 0, chunk.length, '') & PAUSE) !== 0) this.#client.pause()
    freeWritten(chunk, this.#upstream)
  }

  /** The first `size` of `bytes`. False pauses the upstream. */
  fromUpstream(bytes: Buffer, size: number): boolean {
    if (this.#isClosing) return false
    this.#counts.bytesToClient += size
    return this.#buffer.settle(pour(this.#client, '', bytes, 0, size, ''), bytes, size)
  }

  clientDrained(): void {
    this.#buffer.resume()
    if (!this.#isClosing) this.#upstream.resume()
  }

  upstreamDrained(): void {
    this.#client.resume()
  }

  clientEnded(): Course {
    this.#clientEnded = true
    if (this.#upstreamEnded) return this.#finish()
    this.#upstream.end()
    return 'open'
  }

  upstreamEnded(): Course {
    this.#upstreamEnded = true
    if (this.#clientEnded) return this.#finish()
    this.#client.end()
    return 'open'
  }

  /** Gone for good, however. */
  clientLeft(): Course {
    // The upstream may still take what it was sent.
    if (this.#isClosing) return this.#upstream.destroyed ? 'over' : 'closing'
    reset(this.#upstream)
    return 'over'
  }

  upstreamLeft(): Course {
    if (this.#isClosing) return this.#client.destroyed ? 'over' : 'closing'
    // One that had said all it had to say before is not taken for broken.
    if (this.#client.writableEnded) {
      this.#isClosing = true
      this.#client.destroySoon()
      return 'closing'
    }
    reset(this.#client)
    return 'over'
  }

  /** Both have said all they had to say. With nothing pending the kernel has all of it, and closing sends it before the end. */
  #finish(): Course {
    this.#isClosing = true
    if (this.#client.writableLength === 0 && this.#upstream.writableLength === 0) return 'over'
    this.#buffer.abandon()
    this.#client.destroySoon()
    this.#upstream.destroySoon()
    return 'closing'
  }
}
