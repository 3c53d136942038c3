/**
 * The way of one session to one upstream: a connected socket, so that the kernel takes answers from nobody else and tells when the port is
 * closed. Keeps what was not answered yet, within bounds, so that it can be sent elsewhere.
 */
import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Slot } from '../slots.ts'

/** Datagrams, and bytes of them together, that are kept for another upstream. */
const MOST_KEPT = 4
const MOST_KEPT_BYTES = 4 * 1024

const REFUSED: ReadonlySet<string | undefined> = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'])

export interface LaneOwner {
  onAnswer(lane: Lane, bytes: Buffer): void
  /** Nobody is at that port (`refused`), or we have no socket to spare. */
  onBroken(lane: Lane, why: 'refused' | 'ours'): void
}

export class Lane {
  readonly slot: Slot
  /** Unanswered datagrams that are not kept. */
  lost = 0

  readonly #owner: LaneOwner
  readonly #socket: Socket
  readonly #sent = (error: Error | null) => {
    if (error !== null) this.#onError(error)
  }
  #kept: Buffer[] = []
  #keptBytes = 0
  #isOpen = true

  constructor(slot: Slot, owner: LaneOwner) {
    this.slot = slot
    this.#owner = owner
    const { address, port } = slot.upstream
    const type = isIPv6(address) ? 'udp6' : 'udp4'
    this.#socket = createSocket({ type, lookup: literalLookup })
    this.#socket.on('error', error => this.#onError(error))
    this.#socket.on('message', bytes => this.#onMessage(bytes))
    // With a look-up that answers at once it is connected when this returns.
    this.#socket.connect(port, address)
  }

  /** Sends `bytes`, behind `header` in the same datagram if there is one. Only `bytes` are kept. */
  send(bytes: Buffer, header: Buffer | null): void {
    if (!this.#isOpen) return
    this.#keep(bytes)
    this.#socket.send(header === null ? bytes : [header, bytes], this.#sent)
    // With nothing queued the kernel has it. The collector sees five bytes and comes late for the page behind them.
    const { buffer, length } = bytes
    if (buffer instanceof ArrayBuffer && buffer.byteLength === length && this.#socket.getSendQueueSize() === 0)
      buffer.transfer(0)
  }

  /** Something was sent and nothing came back yet. */
  get isWaiting(): boolean {
    return this.#kept.length > 0 || this.lost > 0
  }

  /** What was not answered, in the order in which it was sent; it is forgotten here. */
  takeKept(): readonly Buffer[] {
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    return kept
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.close()
  }

  #keep(bytes: Buffer): void {
    // A copy: what was read stands at the beginning of 64 KiB, and keeping it would cost whole pages for each session of a flood.
    const copy = Buffer.allocUnsafeSlow(bytes.length)
    bytes.copy(copy)
    this.#kept.push(copy)
    this.#keptBytes += copy.length
    while (this.#kept.length > MOST_KEPT || this.#keptBytes > MOST_KEPT_BYTES) {
      this.#keptBytes -= this.#kept.shift()?.length ?? 0
      this.lost++
    }
  }

  #onMessage(bytes: Buffer): void {
    if (!this.#isOpen) return
    if (this.#kept.length > 0) this.takeKept()
    this.lost = 0
    this.#owner.onAnswer(this, bytes)
  }

  #onError({ code }: NodeJS.ErrnoException): void {
    if (code === 'EMSGSIZE') {
      // Too large for the way there: nobody's fault, and no use elsewhere.
      this.#keptBytes -= this.#kept.pop()?.length ?? 0
      this.lost++
      return
    }
    // In a turn of its own: with no descriptor left it breaks while it is being made.
    process.nextTick(() => {
      if (this.#isOpen) this.#owner.onBroken(this, REFUSED.has(code) ? 'refused' : 'ours')
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
