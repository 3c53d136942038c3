/**
 * Dials an upstream: the one seam that plain TCP fulfils today, and TLS and tunnels later.
 */
import { connect, type OnReadOpts, type Socket } from 'node:net'
import type { Upstream } from '../core/nouns.ts'

export interface Wire {
  /**
   * Starts to connect. Bytes come by `onread` (no stream buffer, no allocation per read); `connect`, `end`, `error` and `close` come
   * as events of the socket. Half-open is allowed: an upstream that ends first does not end us.
   */
  dial(upstream: Upstream, onread: OnReadOpts): Socket
}

export const tcpWire: Wire = {
  dial: ({ address, port }, onread) => connect({ host: address, port, noDelay: true, allowHalfOpen: true, onread }),
}

/**
 * `wire`, and `took` is told how many ms each connect that came about has taken. A dial is not part of every request, so that a closure for
 * each is no cost.
 */
export function timedWire(wire: Wire, took: (upstream: Upstream, ms: number) => void): Wire {
  return {
    dial(upstream, onread) {
      const from = performance.now()
      // Once only, it comes by itself: `once` would cost a wrapper and its removal.
      return wire.dial(upstream, onread).on('connect', () => took(upstream, performance.now() - from))
    },
  }
}

/** What this process lacks, and no upstream can help. */
const OURS: ReadonlySet<string | undefined> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EADDRNOTAVAIL',
  'EAGAIN',
])

/** How an attempt to dial ended whose socket failed with the system's error `code`. */
export function dialEnd(code: string | undefined): 'connect_refused' | 'connect_timeout' | 'not_dialled' {
  if (OURS.has(code)) return 'not_dialled'
  return code === 'ETIMEDOUT' ? 'connect_timeout' : 'connect_refused'
}
