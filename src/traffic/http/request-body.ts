/**
 * The body of a running request on its way to the upstream: its end is found, its framing is written anew, and as long as it is small it
 * is held, so that it can be sent again. Nothing is gathered beyond that.
 */
import type { Socket } from 'node:net'
import { type Refusal, refuse } from '../../errors.ts'
import { PAUSE, pour, SMALL_PART } from '../pour.ts'
import {
  CHUNK_END,
  type ChunkReader,
  chunkLine,
  createChunkReader,
  LAST_CHUNK,
  readChunks,
  resetChunkReader,
} from './chunks.ts'
import { type FieldChanges, withoutDropped } from './field-changes.ts'
import type { RequestHead } from './request-head.ts'

/** Bytes of a body that are held for another try. */
const MOST_HELD = 64 * 1024
/** Ms over which the rate of a body is judged. */
const RATE_WINDOW = 10_000

const tooLarge = refuse('body_too_large', 'the body is larger than this listener takes')
const tooSlow = refuse('request_timeout', 'the body arrives too slowly')

export class RequestBody {
  /** All of it has come. */
  done = true
  /** Everything that came is still here. */
  held = true
  refusal: Refusal | null = null
  /** False: with what was read last the upstream has enough for now. */
  writable = true
  /** What the route does to fields, and so to trailers. */
  changes: FieldChanges | null = null

  readonly #most: number
  readonly #rate: number
  #kind: RequestHead['body'] = 'none'
  #left = 0
  #size = 0
  #chunks: ChunkReader | null = null
  /** What came so far in the framing it is sent in, as latin1. */
  #text = ''
  #windowEnds = 0
  #windowBytes = 0

  /** `most` bytes at most, 0 for any number; `rate` bytes a second at least, 0 for any. */
  constructor(most: number, rate: number) {
    this.#most = most
    this.#rate = rate
  }

  begin(kind: RequestHead['body'], length: number, now: number): void {
    this.#kind = kind
    this.#left = length
    this.#size = 0
    this.#text = ''
    this.held = true
    this.changes = null
    this.refusal = kind === 'length' && this.#most > 0 && length > this.#most ? tooLarge : null
    this.done = kind === 'none' || (kind === 'length' && length === 0)
    if (kind === 'chunked') {
      this.#chunks ??= createChunkReader()
      resetChunkReader(this.#chunks)
    }
    this.restartWindow(now)
  }

  /** The rate is judged from `now` on: it was not the client who kept the body waiting. */
  restartWindow(now: number): void {
    this.#windowEnds = now + RATE_WINDOW
    this.#windowBytes = 0
  }

  /** So much waits to be sent that no more should be read. */
  get heldUp(): boolean {
    return this.#text.length > MOST_HELD
  }

  /** Everything of it is here and, as far as is known, will be when the rest has come. */
  get holdable(): boolean {
    return this.held && this.#text.length + Math.max(0, this.#left) <= MOST_HELD
  }

  /**
   * Takes in `bytes[from…]` as far as they belong to this body and answers the offset behind them. What can be sent goes to `socket`; null:
   * nothing can yet, and it is held.
   */
  read(bytes: Buffer, from: number, socket: Socket | null, now: number): number {
    this.writable = true
    const to = this.#kind === 'chunked' ? this.#readChunks(bytes, from, socket) : this.#readLength(bytes, from, socket)
    this.#judgeRate(to - from, now)
    return to
  }

  /** What has to be sent first on a new connection. From then on it is held only if it may be sent again. */
  takeHeld(mayBeSentAgain: boolean): string {
    const text = this.#text
    if (!mayBeSentAgain || text.length > MOST_HELD) this.release()
    return text
  }

  /** Lets go of what is held: it will not be sent again. */
  release(): void {
    this.held = false
    this.#text = ''
  }

  #readLength(bytes: Buffer, from: number, socket: Socket | null): number {
    if (this.done || this.refusal !== null) return from
    const to = Math.min(bytes.length, from + this.#left)
    this.#left -= to - from
    this.done = this.#left === 0
    if (to > from) this.#send('', bytes, from, to, '', socket)
    return to
  }

  #readChunks(bytes: Buffer, from: number, socket: Socket | null): number {
    const chunks = this.#chunks as ChunkReader
    // Small chunks are gathered: a write for each byte would cost us far more than it costs whoever sends them so.
    let small = ''
    for (let at = from; ; at = chunks.at) {
      switch (readChunks(chunks, bytes, at, bytes.length)) {
        case 'data': {
          const size = chunks.dataEnd - chunks.dataStart
          this.#size += size
          if (this.#most > 0 && this.#size > this.#most) {
            this.refusal = tooLarge
            return bytes.length
          }
          small += chunkLine(size)
          if (size <= SMALL_PART) small += bytes.toString('latin1', chunks.dataStart, chunks.dataEnd) + CHUNK_END
          else {
            this.#send(small, bytes, chunks.dataStart, chunks.dataEnd, CHUNK_END, socket)
            small = ''
          }
          continue
        }
        case 'more':
          if (small !== '') this.#send(small, bytes, 0, 0, '', socket)
          return bytes.length
        case 'done':
          this.done = true
          small += `${LAST_CHUNK}${withoutDropped(chunks.trailers, this.changes)}\r\n`
          this.#send(small, bytes, 0, 0, '', socket)
          return chunks.at
        case 'refused':
          this.refusal = chunks.refusal
          return bytes.length
      }
    }
  }

  #send(before: string, bytes: Buffer, from: number, to: number, after: string, socket: Socket | null): void {
    if (socket === null || this.held) {
      this.#text += before + bytes.toString('latin1', from, to) + after
      if (socket !== null && this.#text.length > MOST_HELD) this.release()
    }
    if (socket !== null && (pour(socket, before, bytes, from, to, after) & PAUSE) !== 0) this.writable = false
  }

  #judgeRate(bytes: number, now: number): void {
    if (this.#rate === 0 || this.done || this.refusal !== null) return
    this.#windowBytes += bytes
    if (now < this.#windowEnds) return
    if (this.#windowBytes < (this.#rate * RATE_WINDOW) / 1000) this.refusal = tooSlow
    this.restartWindow(now)
  }
}
