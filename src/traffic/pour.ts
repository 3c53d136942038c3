/**
 * Writes bytes of a read buffer to a socket with as few copies and system calls as possible, and says what became of the buffer.
 */
import type { Socket } from 'node:net'
import { sharedBuffer } from './buffers.ts'

/** Bytes up to which a part is written as one string with what surrounds it: one copy is cheaper than a second write. */
export const SMALL_PART = 16 * 1024

/** What became of the bytes of a read, as bits. */
export const TAKEN = 0
/** A write still holds the buffer: it must not be read into again. */
export const KEPT = 1
/** The socket has enough for now: read nothing more until it drains. */
export const PAUSE = 2
export type Poured = number

/** Writes `before`, `bytes[from, to)` and `after` (latin1) in one go. */
export function pour(socket: Socket, before: string, bytes: Buffer, from: number, to: number, after: string): Poured {
  if (to - from <= SMALL_PART || bytes === sharedBuffer) {
    const text = bytes.toString('latin1', from, to)
    const goOn = socket.write(before === '' && after === '' ? text : before + text + after, 'latin1')
    // `write` judges by the length of the text, also of one that the kernel took whole.
    return goOn || socket.writableLength === 0 ? TAKEN : PAUSE
  }
  const part = bytes.subarray(from, to)
  if (before === '' && after === '') socket.write(part)
  else {
    socket.cork()
    if (before !== '') socket.write(before, 'latin1')
    socket.write(part)
    if (after !== '') socket.write(after, 'latin1')
    socket.uncork()
  }
  // Nothing pending means that the kernel took it all within the call, so the buffer is free again.
  if (socket.writableLength === 0) return TAKEN
  return socket.writableNeedDrain ? KEPT | PAUSE : KEPT
}
