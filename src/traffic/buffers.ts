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

export type BodyBufferSize = typeof SMALL | typeof MEDIUM | typeof LARGE

export const bodyBufferSizes = { small: SMALL, medium: MEDIUM, large: LARGE } as const

export const sharedBuffer = Buffer.allocUnsafeSlow(SHARED_SIZE)

const free: ReadonlyMap<number, Buffer[]> = new Map([SMALL, MEDIUM, LARGE].map(size => [size, []]))

export function takeBuffer(size: BodyBufferSize): Buffer {
  return free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size)
}

/** Only a buffer that no write holds any more. */
export function giveBuffer(buffer: Buffer): void {
  const list = free.get(buffer.length)
  if (list !== undefined && list.length < MOST_FREE) list.push(buffer)
}
