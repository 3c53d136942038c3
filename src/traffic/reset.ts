import type { Socket } from 'node:net'

/** Closes `socket` at once with a reset (RFC 9293 3.5): the other side must not take what it has for whole. */
export function reset(socket: Socket): void {
  // While an end is on its way libuv refuses to reset, and Node then forgets the handle without closing it.
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
