/**
 * Read buffers of upstream connections. One is shared by all connections and never handed to a write; a connection that relays a long
 * body has its own, from a free list, and gets another whenever a write has to keep the last one.
 */

const SHARED_SIZE = 64 * 1024
/** After a stall: what a reader that cannot keep up may park. */
const SMALL = 16 * 1024
const MEDIUM = 64 * 1024
/** For bodies that flow: fewer reads and writes per MiB. */
const LARGE = 256 * 1024
/** Free buffers kept per size. */
const MOST_FREE = 32
/** Large buffers that stalled readers hold, all of them together; beyond it bodies flow in medium ones. */
const MOST_PARKED = 32

export type BodyBufferSize = typeof SMALL | typeof MEDIUM | typeof LARGE

export const bodyBufferSizes = { small: SMALL, medium: MEDIUM } as const

export const sharedBuffer = Buffer.allocUnsafeSlow(SHARED_SIZE)

const free: ReadonlyMap<number, Buffer[]> = new Map([SMALL, MEDIUM, LARGE].map(size => [size, []]))

export function takeBuffer(size: BodyBufferSize): Buffer {
  return free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size)
}

let largeParked = 0

/** A reader that has stalled holds it now. */
export function parkBuffer({ length }: Buffer): void {
  if (length === LARGE) largeParked++
}

/** The stall is over. */
export function unparkBuffer({ length }: Buffer): void {
  if (length === LARGE) largeParked--
}

/** What a body that fills its buffers reads with. */
export function flowingSize(): BodyBufferSize {
  return largeParked < MOST_PARKED ? LARGE : MEDIUM
}

/** Only a buffer that no write holds any more. */
export function giveBuffer(buffer: Buffer): void {
  const list = free.get(buffer.length)
  if (list !== undefined && list.length < MOST_FREE) list.push(buffer)
}
