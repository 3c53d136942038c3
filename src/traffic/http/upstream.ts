/**
 * One connection to an upstream: dials, reads answers strictly, and hands what it understood to the client connection that it serves.
 * Reads come by `onread` into a shared buffer; while a long body flows the connection has a buffer of its own (see `buffers.ts`).
 */
import type { Socket } from 'node:net'
import type { AttemptEnd } from '../../core/after.ts'
import { sharedBuffer } from '../buffers.ts'
import { type Poured, TAKEN } from '../pour.ts'
import { ReadBuffer } from '../read-buffer.ts'
import { reset } from '../reset.ts'
import type { Slot } from '../slots.ts'
import { dialEnd, type Wire } from '../wire.ts'
import { type ChunkReader, createChunkReader, readChunks, resetChunkReader } from './chunks.ts'
import type { IdleConnections } from './idle.ts'
import { createResponseHead, type ResponseHead, readResponseHead, resetResponseHead } from './response-head.ts'

/** In bytes and in fields, for a response head. */
const MOST_HEAD = 64 * 1024
const MOST_FIELDS = 256
/** Ms that an idle connection is kept when the upstream does not say for how long. */
const IDLE_FOR = 4_000
/** Interim answers to one request: whoever sends more is not going to answer. */
const MOST_INTERIM = 64
/** Ms in which an upstream may take what was written before its connection was closed. */
const LINGER = 5_000

/** The client connection that an upstream connection serves. */
export interface Served {
  /** The request was a HEAD. */
  readonly toHead: boolean
  onConnected(): void
  /** The response head is complete, an interim one too. False: go no further, the connection is not this client's any more. */
  onHead(head: ResponseHead): boolean
  /** That was all of this read: what was gathered has to leave. */
  onFlush(): Poured
  /** Body bytes `[from, to)`, valid only during the call unless it answers `KEPT`. */
  onBody(bytes: Buffer, from: number, to: number): Poured
  /** The answer is complete. `trailers`: field lines, each with its CR LF. */
  onDone(trailers: string): void
  /** Bytes of an upgraded connection. */
  onTunnel(bytes: Buffer, from: number, to: number): Poured
  /** The upstream ended its side of an upgraded connection. */
  onTunnelEnd(): void
  /** The attempt is over. Not called after `onDone`. */
  onFailed(end: AttemptEnd): void
  /** More may be written to the upstream. */
  onDrain(): void
}

type Phase = 'connecting' | 'idle' | 'head' | 'body' | 'tunnel' | 'gone'

export class UpstreamConnection {
  readonly slot: Slot
  readonly socket: Socket
  /** Place among the idle ones; -1: it is not. */
  place = -1
  /** Ms (coarse clock). */
  idleUntil = 0
  /** Requests sent on it. */
  served = 0

  readonly #idle: IdleConnections
  readonly #now: () => number
  readonly #head: ResponseHead
  #chunks: ChunkReader | null = null
  #phase: Phase = 'connecting'
  #client: Served | null = null
  /** A head that came in pieces. */
  #partial: Buffer | null = null
  #interim = 0
  #bodyLeft = 0
  readonly #buffer: ReadBuffer
  #connectTimer: NodeJS.Timeout | null = null

  constructor(
    slot: Slot,
    idle: IdleConnections,
    wire: Wire,
    now: () => number,
    client: Served,
    connectTimeout: number,
  ) {
    this.slot = slot
    this.#idle = idle
    this.#now = now
    this.#client = client
    this.#head = createResponseHead(MOST_HEAD, MOST_FIELDS)
    this.#buffer = new ReadBuffer(now)
    this.socket = wire.dial(slot.upstream, {
      buffer: () => this.#buffer.next,
      callback: (size, bytes) => this.#onRead(bytes as Buffer, size),
    })
    this.socket.on('connect', () => this.#onConnect())
    this.socket.on('drain', () => this.#client?.onDrain())
    this.socket.on('end', () => this.#onEnd())
    this.socket.on('error', error => this.#onError(error as NodeJS.ErrnoException))
    this.socket.on('close', () => this.#onClose())
    // A connect is not part of every request, so it may have a timer of its own.
    this.#connectTimer = setTimeout(() => this.fail('connect_timeout'), connectTimeout)
  }

  get usable(): boolean {
    return this.#phase === 'idle' && this.socket.writable
  }

  get connecting(): boolean {
    return this.#phase === 'connecting'
  }

  /** Makes it serve `client`: a request is about to be written. */
  begin(client: Served): void {
    this.#client = client
    this.#phase = 'head'
    this.served++
    this.#interim = 0
    resetResponseHead(this.#head)
  }

  /** The client can take more. */
  resume(): void {
    this.#buffer.resume()
    if (this.#phase !== 'gone') this.socket.resume()
  }

  /** Puts it back among the idle ones, or closes it when it cannot serve again. */
  release(): void {
    this.#client = null
    if (this.#phase === 'idle' && this.socket.writable && !this.socket.readableEnded) {
      const said = this.#head.keepAliveTimeout
      this.idleUntil = this.#now() + (said < 0 ? IDLE_FOR : (said - 1) * 1000)
      if (this.idleUntil > this.#now() && this.#idle.put(this)) return
    }
    this.destroy()
  }

  /** Closes it for good. Nobody is told. */
  destroy(): void {
    this.#client = null
    this.#leave()
    this.socket.destroy()
  }

  /** Closes it once everything written has left. Nobody is told. */
  close(): void {
    this.#client = null
    this.#buffer.abandon()
    this.#leave()
    this.socket.destroySoon()
    this.socket.setTimeout(LINGER, () => this.socket.destroy())
  }

  /** Closes it with a reset. Nobody is told. */
  reset(): void {
    this.#client = null
    this.#leave()
    reset(this.socket)
  }

  /** The attempt on it is over: closes it and tells the client. */
  fail(end: AttemptEnd): void {
    const client = this.#client
    this.destroy()
    client?.onFailed(end)
  }

  #leave(): void {
    if (this.#phase === 'gone') return
    this.#phase = 'gone'
    this.#idle.remove(this)
    if (this.#connectTimer !== null) clearTimeout(this.#connectTimer)
    this.#connectTimer = null
    this.#partial = null
    this.#buffer.release()
  }

  #onConnect(): void {
    if (this.#phase !== 'connecting') return
    if (this.#connectTimer !== null) clearTimeout(this.#connectTimer)
    this.#connectTimer = null
    this.#client?.onConnected()
  }

  #onEnd(): void {
    switch (this.#phase) {
      case 'tunnel':
        this.#client?.onTunnelEnd()
        return
      case 'body':
        if (this.#head.body === 'close') {
          this.#finish(TAKEN, sharedBuffer, '', false)
          return
        }
        this.fail('body_cut')
        return
      case 'head':
        this.fail('closed')
        return
      default:
        this.destroy()
    }
  }

  #onError(error: NodeJS.ErrnoException): void {
    const { code } = error
    if (this.#phase === 'connecting') this.fail(dialEnd(code))
    else if (this.#phase === 'body') this.fail('body_cut')
    else this.fail(code === 'ECONNRESET' || code === 'EPIPE' ? 'reset' : 'closed')
  }

  #onClose(): void {
    if (this.#phase !== 'gone') this.fail(this.#phase === 'body' ? 'body_cut' : 'closed')
  }

  /** False pauses the socket. */
  #onRead(bytes: Buffer, size: number): boolean {
    switch (this.#phase) {
      case 'head':
        return this.#readHead(bytes, size)
      case 'body':
        return this.#readBody(bytes, 0, size)
      case 'tunnel':
        return this.#settle(this.#client?.onTunnel(bytes, 0, size) ?? TAKEN, bytes, size)
      default:
        // Nobody asked for anything: whatever this is, it must not meet the next request (response queue poisoning).
        this.destroy()
        return false
    }
  }

  #readHead(read: Buffer, size: number): boolean {
    let bytes = read
    let end = size
    if (this.#partial !== null) {
      bytes = Buffer.concat([this.#partial, read.subarray(0, size)])
      end = bytes.length
      this.#partial = null
    }
    let start = 0
    for (;;) {
      const client = this.#client
      if (client === null) return false
      const progress = readResponseHead(this.#head, bytes, start, end, client.toHead)
      if (progress === 'more') {
        // The buffer is shared: what is not understood yet is copied out of it.
        this.#partial = Buffer.from(bytes.subarray(start, end))
        return true
      }
      if (progress === 'refused') {
        this.fail('malformed')
        return false
      }
      const { status, end: headEnd } = this.#head
      start += headEnd
      if (!client.onHead(this.#head)) return false
      if (status === 101) return this.#openTunnel(bytes, start, end)
      if (status >= 200) return this.#beginBody(bytes, start, end)
      if (++this.#interim > MOST_INTERIM) {
        this.fail('malformed')
        return false
      }
      resetResponseHead(this.#head)
      if (start === end) return true
    }
  }

  #openTunnel(bytes: Buffer, start: number, end: number): boolean {
    this.#phase = 'tunnel'
    if (start === end) return true
    return this.#settle(this.#client?.onTunnel(bytes, start, end) ?? TAKEN, bytes, end - start)
  }

  #beginBody(bytes: Buffer, start: number, end: number): boolean {
    const { body, contentLength } = this.#head
    if (body === 'none' || (body === 'length' && contentLength === 0)) {
      this.#phase = 'body'
      this.#finish(TAKEN, bytes, '', start < end)
      return true
    }
    this.#phase = 'body'
    if (body === 'length') this.#bodyLeft = contentLength
    else if (body === 'chunked') {
      this.#chunks ??= createChunkReader()
      resetChunkReader(this.#chunks)
    }
    return this.#readBody(bytes, start, end)
  }

  #readBody(bytes: Buffer, start: number, end: number): boolean {
    const { body } = this.#head
    if (body === 'chunked') return this.#readChunked(bytes, start, end)
    const to = body === 'close' ? end : Math.min(end, start + this.#bodyLeft)
    this.#bodyLeft -= to - start
    const poured = start === to ? TAKEN : (this.#client?.onBody(bytes, start, to) ?? TAKEN)
    if (body === 'close' || this.#bodyLeft > 0) return this.#settle(poured | this.#flush(), bytes, to - start)
    this.#finish(poured, bytes, '', to < end)
    return true
  }

  #readChunked(bytes: Buffer, start: number, end: number): boolean {
    const chunks = this.#chunks as ChunkReader
    let poured: Poured = TAKEN
    for (let at = start; ; at = chunks.at) {
      switch (readChunks(chunks, bytes, at, end)) {
        case 'data':
          poured |= this.#client?.onBody(bytes, chunks.dataStart, chunks.dataEnd) ?? TAKEN
          continue
        case 'more':
          return this.#settle(poured | this.#flush(), bytes, end - start)
        case 'done':
          this.#finish(poured, bytes, chunks.trailers, chunks.at < end)
          return true
        case 'refused':
          this.fail('body_cut')
          return false
      }
    }
  }

  #flush(): Poured {
    return this.#client?.onFlush() ?? TAKEN
  }

  /** After a read whose bytes went on. False pauses. */
  #settle(poured: Poured, bytes: Buffer, size: number): boolean {
    if (this.#phase === 'gone') return false
    return this.#buffer.settle(poured, bytes, size)
  }

  /** The answer is complete with this read; `more`: bytes came behind it, so the connection must never be used again. */
  #finish(poured: Poured, bytes: Buffer, trailers: string, more: boolean): void {
    const client = this.#client
    this.#buffer.rest(poured, bytes)
    if (more || !this.#head.persistent) this.#leave()
    else this.#phase = 'idle'
    client?.onDone(trailers)
  }
}
