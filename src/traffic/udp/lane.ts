/**
 * The way of one session to one upstream: a connected socket, so that the kernel takes answers from nobody else and tells when the port is
 * closed. Keeps what was not answered yet, within bounds, so that it can be sent elsewhere. Closed, it may be opened again with a socket of
 * its own: an old socket could still bring answers for somebody else.
 */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Slot } from '../slots.ts'

/** Datagrams, and bytes of them together, that are kept for another upstream. */
const MOST_KEPT = 4
const MOST_KEPT_BYTES = 4 * 1024

/** Bytes that wait for a link that is slower than the client; each session may have so many, beside what the kernel keeps. */
const MOST_QUEUED = 64 * 1024

/** What this process lacks, and no upstream can help. */
const OURS: ReadonlySet<string | undefined> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN'])
/** Of one datagram: too large for the way there, or held back by a rule of this host. */
const UNSENT: ReadonlySet<string | undefined> = new Set(['EMSGSIZE', 'EPERM'])

export interface LaneOwner {
  onAnswer(lane: Lane, bytes: Buffer): void
  /** A datagram could not be sent, and would not be by another lane. */
  onLost(): void
  /** Nobody is at that port, or there is no way to it (`refused`); or we have no socket to spare. */
  onBroken(lane: Lane, why: 'refused' | 'ours'): void
}

export class Lane {
  slot: Slot
  /** Unanswered datagrams that are not kept. */
  lost = 0

  readonly #owner: LaneOwner
  /**
   * As texts of a character for each byte: of a short datagram that is a tenth of what a buffer takes, and in a flood every session keeps
   * one. What was read stands at the beginning of 64 KiB, and could not be kept as it is in any case. Null: none.
   */
  #kept: string[] | null = null
  #keptBytes = 0
  #socket: Socket | null = null

  constructor(slot: Slot, owner: LaneOwner) {
    this.slot = slot
    this.#owner = owner
    this.open(slot)
  }

  /** To another upstream, or to the same by another socket. */
  open(slot: Slot): void {
    this.slot = slot
    this.lost = 0
    const { address, port } = slot.upstream
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', lookup: literalLookup })
    this.#socket = socket
    socket.on('error', this.#onSent)
    socket.on('message', this.#onMessage)
    // With a look-up that answers at once it is connected when this returns.
    socket.connect(port, address)
  }

  /** Sends `bytes`, behind `header` in the same datagram if there is one. Only `bytes` are kept. */
  send(bytes: Buffer, header: Buffer | null): void {
    const socket = this.#socket
    if (socket === null) return
    if (socket.getSendQueueSize() > MOST_QUEUED) {
      this.#owner.onLost()
      return
    }
    this.#keep(bytes)
    try {
      socket.send(header === null ? bytes : [header, bytes], this.#onSent)
    } catch {
      // There is no way to that address, so that it was never connected: the error that says so is under way.
      return
    }
    // With nothing queued the kernel has it. The collector sees five bytes and comes late for the page behind them.
    const { buffer, length } = bytes
    if (buffer instanceof ArrayBuffer && buffer.byteLength === length && socket.getSendQueueSize() === 0)
      buffer.transfer(0)
  }

  /** Something was sent and nothing came back yet. */
  get isWaiting(): boolean {
    return this.#kept !== null || this.lost > 0
  }

  /** What was not answered, in the order in which it was sent; it is forgotten here. */
  takeKept(): readonly Buffer[] {
    const kept = this.#kept ?? []
    this.#forget()
    return kept.map(text => Buffer.from(text, 'latin1'))
  }

  close(): void {
    this.#socket?.close()
    this.#socket = null
    this.#forget()
  }

  #keep(bytes: Buffer): void {
    if (bytes.length > MOST_KEPT_BYTES) {
      this.lost++
      return
    }
    const text = bytes.toString('latin1')
    this.#keptBytes += bytes.length
    // Made with what it nearly always holds: pushing to an empty array makes room for seventeen.
    if (this.#kept === null) this.#kept = [text]
    else this.#kept.push(text)
    while (this.#kept.length > MOST_KEPT || this.#keptBytes > MOST_KEPT_BYTES) {
      this.#keptBytes -= this.#kept.shift()?.length ?? 0
      this.lost++
    }
  }

  #forget(): void {
    this.#kept = null
    this.#keptBytes = 0
  }

  // Of the socket; functions of the object, so that a new socket needs no new ones.

  readonly #onMessage = (bytes: Buffer): void => {
    if (this.#socket === null) return
    this.#forget()
    this.lost = 0
    this.#owner.onAnswer(this, bytes)
  }

  /** Of a send and of the socket. */
  readonly #onSent = (error: NodeJS.ErrnoException | null): void => {
    if (error === null) return
    const { code, syscall } = error
    // What a socket had still queued when it was closed.
    if (code === 'ECANCELED') return
    if (UNSENT.has(code) || (syscall === 'send' && OURS.has(code))) {
      this.#owner.onLost()
      return
    }
    // In a turn of its own: with no descriptor left it breaks while it is being made.
    const socket = this.#socket
    process.nextTick(() => {
      if (socket !== null && socket === this.#socket) this.#owner.onBroken(this, OURS.has(code) ? 'ours' : 'refused')
    })
  }
}

/** Addresses are literal here, and looking them up would only wait. */
export function literalLookup(
  host: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, host, isIPv6(host) ? 6 : 4)
}
