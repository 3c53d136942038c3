/**
 * Is somebody at a UDP port? A closed one says so by ICMP; whoever is there need not answer to an empty datagram, so silence passes.
 */
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { Place } from './check.ts'

/** Ms in which a closed port would have said so. */
const SILENCE = 1_000

/** Resolves with false when the port is closed; never rejects. */
export function answersDatagrams({ address, port }: Place, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', signal })
    const timer = setTimeout(() => end(true), SILENCE)
    const end = (passed: boolean) => {
      clearTimeout(timer)
      if (!signal.aborted) socket.close()
      resolve(passed)
    }
    socket.once('message', () => end(true))
    socket.once('error', () => end(false))
    signal.addEventListener('abort', () => end(false), { once: true })
    // Not as a callback: that would be called as well when there is no way to that address.
    socket.once('connect', () => socket.send(''))
    socket.connect(port, address)
  })
}
