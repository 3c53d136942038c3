/**
 * What a connection whose bytes are relayed reads into: the shared buffer as long as they come in small parts, one of its own while they
 * flow, another one whenever a write has to keep the last. See `buffers.ts`.
 */
import {
  type BodyBufferSize,
  bodyBufferSizes,
  flowingSize,
  giveBuffer,
  parkBuffer,
  sharedBuffer,
  takeBuffer,
  unparkBuffer,
} from './buffers.ts'
import { KEPT, PAUSE, type Poured, SMALL_PART } from './pour.ts'

/** Ms after a stall during which a connection reads with small buffers. */
const STALLED_FOR = 1_000

export class ReadBuffer {
  /** Ms of the coarse clock. */
  readonly #now: () => number
  #own: Buffer | null = null
  #handedOver: Buffer | null = null
  #fullReads = 0
  #stalledUntil = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** For the next read. */
  get next(): Buffer {
    return this.#own ?? sharedBuffer
  }

  /** After a read of `size` bytes into `bytes` that went on: which buffer the next read uses. False: there is to be none until `resume`. */
  settle(poured: Poured, bytes: Buffer, size: number): boolean {
    const pause = (poured & PAUSE) !== 0
    if ((poured & KEPT) !== 0 && bytes === this.#own) {
      // Without a pause nobody says when the write is through: the buffer goes with it.
      if (pause) {
        this.#handedOver = bytes
        parkBuffer(bytes)
      }
      this.#own = null
    }
    if (pause) {
      this.#stalledUntil = this.#now() + STALLED_FOR
      this.#fullReads = 0
    } else if (size >= bytes.length) this.#fullReads++
    const wanted = this.#size(size)
    if (this.#own !== null && this.#own.length !== wanted) {
      giveBuffer(this.#own)
      this.#own = null
    }
    if (wanted > 0) this.#own ??= takeBuffer(wanted as BodyBufferSize)
    return !pause
  }

  /** The writes of before the pause are through. */
  resume(): void {
    if (this.#handedOver === null) return
    unparkBuffer(this.#handedOver)
    giveBuffer(this.#handedOver)
    this.#handedOver = null
  }

  /** The last read of what was relayed went into `bytes`: small reads follow. */
  rest(poured: Poured, bytes: Buffer): void {
    if (this.#own !== null && !((poured & KEPT) !== 0 && bytes === this.#own)) giveBuffer(this.#own)
    this.#own = null
    this.#fullReads = 0
  }

  /** It may still be read into until the connection is closed: lets go of it to nobody. */
  abandon(): void {
    this.#own = null
  }

  /** The connection is gone. One that a write still holds goes with the write; the other is free. */
  release(): void {
    if (this.#own !== null) giveBuffer(this.#own)
    if (this.#handedOver !== null) unparkBuffer(this.#handedOver)
    this.#own = this.#handedOver = null
  }

  /** For the read behind one of `size` bytes; 0: the shared buffer, since small parts are copied anyway and a quiet stream parks nothing. */
  #size(size: number): BodyBufferSize | 0 {
    if (this.#now() < this.#stalledUntil) return bodyBufferSizes.small
    if (size <= SMALL_PART) return 0
    return this.#fullReads > 2 ? flowingSize() : bodyBufferSizes.medium
  }
}
