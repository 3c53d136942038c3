/**
 * One client connection: reads request heads one after the other, gives each to the exchange, and closes so that the last answer arrives.
 * Requests are served one at a time and in order; what a client sends ahead waits.
 *
 * When its socket has gone the object serves another client with another socket (`open`): made anew for each, it and what it owns cost
 * a quarter of what a short connection takes in user space, most of it for the collector.
 */
import type { Socket } from 'node:net'
import { reset } from '../reset.ts'
import { Exchange } from './exchange.ts'
import type { HttpListener } from './listener.ts'
import type { Peer } from './peer.ts'
import {
  createRequestHead,
  type HeadLimits,
  openRequestHead,
  type RequestHead,
  readRequestHead,
  resetRequestHead,
} from './request-head.ts'

/** Ms in which a client may take the answer to a request that it had not finished sending. */
const LINGER = 5_000
/** Bytes of such a request that are thrown away meanwhile. */
const MOST_LINGER = 1024 * 1024

type Phase =
  /** Between requests. */
  | 'idle'
  /** In a request head. */
  | 'head'
  /** The exchange has the connection: a request runs, or a tunnel is open. */
  | 'exchange'
  /** The last answer is written; only to be closed. */
  | 'closing'
  | 'gone'

export class ClientConnection {
  socket: Socket
  peer: Peer
  /** Of the listener, as they were when this was made. */
  readonly headLimits: HeadLimits
  /** When the sweep has to look after it (ms of the coarse clock). */
  deadline = Number.POSITIVE_INFINITY
  /** The client has ended its side. */
  ended = false

  readonly #listener: HttpListener
  readonly #head: RequestHead
  readonly #exchange: Exchange
  #phase: Phase = 'idle'
  /** Bytes that came and were not used yet: part of a head, or what was sent ahead. */
  #waiting: Buffer | null = null
  #lingered = 0

  constructor(listener: HttpListener, socket: Socket, peer: Peer) {
    this.#listener = listener
    this.headLimits = listener.headLimits
    this.socket = socket
    this.peer = peer
    this.#head = createRequestHead(this.headLimits, this.peer)
    this.#exchange = new Exchange(this, listener, this.#head)
    this.#listen()
  }

  /** Another client's: nothing of the last one may be seen. */
  open(socket: Socket, peer: Peer): void {
    this.socket = socket
    this.peer = peer
    openRequestHead(this.#head, this.peer)
    this.#exchange.open()
    this.ended = false
    this.#phase = 'idle'
    this.#waiting = null
    this.#lingered = 0
    this.#listen()
  }

  #listen(): void {
    const { socket } = this
    this.arm(this.#listener.limits.head_timeout)
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /** The next deadline, `ms` from now; 0: none. */
  arm(ms: number): void {
    this.deadline = ms === 0 ? Number.POSITIVE_INFINITY : this.#listener.coarseNow() + ms
  }

  /** The deadline is over. */
  expire(): void {
    if (this.#phase === 'head')
      this.#exchange.refuse('request_timeout', 'the head of the request did not arrive in time')
    else if (this.#phase === 'exchange') this.#exchange.expire()
    else this.close()
  }

  /** The listener goes: a connection on which nothing runs is closed, any other after its request. */
  drain(): void {
    // One that is paused has not been read to the end of what it sent ahead.
    if (this.#phase === 'idle' && this.#waiting === null) this.#closeGently(this.socket.isPaused())
    else if (this.#phase === 'exchange') this.#exchange.drain()
  }

  /** Closes it now, whatever runs. */
  close(): void {
    if (this.#phase === 'gone') return
    if (this.#phase === 'exchange') this.#exchange.onClientLeft()
    this.socket.destroy()
    this.#leave()
  }

  /** Closes it now since everything is closed. */
  cut(): void {
    if (this.#phase === 'exchange') this.#exchange.takeLeave()
    this.close()
  }

  /** Ends our side once what was written has left, and takes no notice of what the client still sends. */
  endGently(): void {
    this.#closeGently(true)
  }

  /** Closes it with a reset: its answer is not whole. */
  reset(): void {
    reset(this.socket)
    this.#leave()
  }

  /** Closes it once what was written has left: a client that does not take it is not waited for without end. */
  closeAfterWrites(): void {
    this.#phase = 'closing'
    this.#waiting = null
    this.arm(this.#listener.limits.body_timeout)
    // With nothing pending the kernel has all of it, and closing sends it before the end: no shutdown of our own is needed for that.
    if (this.socket.writableLength === 0) this.close()
    else this.socket.destroySoon()
  }

  /** Bytes of the next request wait, and no more are read until it is its turn. */
  keep(bytes: Buffer): void {
    this.#waiting = this.#waiting === null ? bytes : Buffer.concat([this.#waiting, bytes])
    this.socket.pause()
  }

  /** What waits goes into a tunnel. */
  takeWaiting(): Buffer | null {
    const bytes = this.#waiting
    this.#waiting = null
    return bytes
  }

  /**
   * An answer is written whole. `reuse`: the next request may come. `close`: none may, and all of this one was read. `unread`: something
   * that the client sent was not.
   */
  finished(how: 'reuse' | 'close' | 'unread'): void {
    if (how !== 'reuse' || (this.ended && this.#waiting === null)) {
      this.#closeGently(how === 'unread')
      return
    }
    resetRequestHead(this.#head)
    this.#phase = 'idle'
    if (this.socket.writableNeedDrain) {
      // Further answers would pile up here: it must take this one first.
      this.arm(this.#listener.limits.body_timeout)
      this.socket.pause()
    } else this.#next()
  }

  /** On to the next request. */
  #next(): void {
    this.arm(this.#listener.limits.keep_alive_timeout)
    // In a turn of its own, so that many requests sent ahead do not pile up on the stack.
    if (this.#waiting !== null) process.nextTick(serveWaiting, this)
    else if (this.socket.isPaused()) this.socket.resume()
  }

  /** Takes up what the client sent ahead. */
  serveWaiting(): void {
    if (this.#phase !== 'idle' || this.#waiting === null) return
    const bytes = this.#waiting
    this.#waiting = null
    this.#read(bytes)
    this.#readAhead()
  }

  /** In a head the rest has to be read; while a request runs an end or a reset has to be noticed. */
  #readAhead(): void {
    if (this.#phase === 'head' && this.ended) this.close()
    else if (this.#phase === 'head') this.socket.resume()
    else if (this.#phase === 'exchange' && this.ended) this.#exchange.onClientEnd()
    else if (this.#phase === 'exchange' && this.#waiting === null && !this.#exchange.heldUp) this.socket.resume()
  }

  // Of the socket; functions of the object, so that a new socket needs no new ones.

  readonly #onData = (chunk: Buffer): void => {
    switch (this.#phase) {
      case 'idle':
      case 'head':
        this.#read(this.#waiting === null ? chunk : Buffer.concat([this.#waiting, chunk]))
        return
      case 'exchange':
        this.#exchange.onClientData(chunk)
        return
      default:
        // A refused request may still be on its way: it is thrown away, within bounds, so that the answer arrives.
        this.#lingered += chunk.length
        if (this.#lingered > MOST_LINGER) this.close()
    }
  }

  readonly #onEnd = (): void => {
    this.ended = true
    if (this.#phase === 'exchange') this.#exchange.onClientEnd()
    else if (this.#phase === 'head' || this.socket.writableLength === 0) this.close()
    else this.closeAfterWrites()
  }

  readonly #onDrain = (): void => {
    if (this.#phase === 'exchange') this.#exchange.onClientDrain()
    else if (this.#phase === 'idle') this.#next()
  }

  readonly #onError = (): void => this.close()

  /** The last that a socket tells. */
  readonly #onClose = (): void => {
    this.close()
    this.#listener.spare(this)
  }

  /** Reads a head from `bytes`; the body and whatever follows are then the exchange's. */
  #read(bytes: Buffer): void {
    if (this.#phase === 'idle') {
      this.#phase = 'head'
      this.arm(this.#listener.limits.head_timeout)
    }
    const progress = readRequestHead(this.#head, bytes, 0, bytes.length)
    this.#waiting = progress === 'more' ? bytes : null
    if (progress === 'refused') this.#exchange.refuse(this.#head.refusal.code, this.#head.refusal.detail)
    else if (progress === 'done') {
      this.#phase = 'exchange'
      this.#exchange.serve(bytes)
    }
  }

  /** With everything read the socket may close behind the answer; else a reset could cut the answer off (RFC 9112 9.6). */
  #closeGently(unread: boolean): void {
    if (this.ended || (!unread && this.#waiting === null)) {
      this.closeAfterWrites()
      return
    }
    this.#phase = 'closing'
    this.#waiting = null
    const { body_timeout } = this.#listener.limits
    this.arm(this.socket.writableLength > 0 ? Math.max(LINGER, body_timeout) : LINGER)
    this.socket.end()
    this.socket.resume()
  }

  #leave(): void {
    if (this.#phase === 'gone') return
    this.#phase = 'gone'
    this.#waiting = null
    this.deadline = Number.POSITIVE_INFINITY
    this.#listener.left(this)
  }
}

function serveWaiting(connection: ClientConnection): void {
  connection.serveWaiting()
}
