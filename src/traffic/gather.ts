/**
 * Under load, what is written to different sockets within one turn of the event loop leaves together at its end: the kernel's reading and
 * writing paths run one after the other and not by turns, and whoever waits on another core is woken less often. With few requests under
 * way a turn has nothing to gather, and its end would cost more than it brings (decision 18).
 */
import type { Socket } from 'node:net'

/** Requests under way at an upstream from which on turns are long enough. */
export const MANY = 16
/** Bytes up to which a write is gathered: larger ones have their own ways with buffers. */
export const MOST_GATHERED = 8 * 1024

const corked: Socket[] = []

/** What is written to `socket` from now on leaves at the end of this turn, or with its end. */
export function gather(socket: Socket): void {
  if (socket.writableCorked > 0) return
  socket.cork()
  if (corked.push(socket) === 1) setImmediate(letGo)
}

function letGo(): void {
  for (const socket of corked) socket.uncork()
  corked.length = 0
}
