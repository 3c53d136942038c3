/**
 * Passive health's own clock: ticks when time moves a record, and a trial connection to each upstream that is out and due for one.
 */
import { connect } from 'node:net'
import type { Clock } from '../clock.ts'
import type { Upstream } from '../core/nouns.ts'
import { passiveAgenda, targetOf, upstreamOf } from '../core/passive.ts'
import type { State } from '../state.ts'

/** Ms that a trial may take to connect. */
const TRIAL_TIMEOUT = 2_000
/** Ms between two looks while something is pending. */
const LOOK = 1_000

export interface TrialOptions {
  readonly state: State
  readonly clock: Clock
  /** Ms since 1970. */
  readonly now: () => number
}

/** Watches until it is disposed. */
export function watchTrials({ state, clock, now }: TrialOptions): Disposable {
  const running = new Map<string, AbortController>()
  let timer: Disposable | null = null
  let ended = false

  const look = () => {
    timer = null
    if (ended) return
    if (passiveAgenda(state.snapshot, now()).next <= now()) state.apply({ kind: 'tick', at: now() })
    for (const key of passiveAgenda(state.snapshot, now()).trials) if (!running.has(key)) void attempt(key)
    arm()
  }

  const arm = () => {
    const at = now()
    const { trials, next } = passiveAgenda(state.snapshot, at)
    timer?.[Symbol.dispose]()
    timer = null
    const waits = trials.some(key => !running.has(key))
      ? 0
      : Math.min(next - at, running.size > 0 ? LOOK : Number.POSITIVE_INFINITY)
    if (waits < Number.POSITIVE_INFINITY) timer = clock.after(Math.max(waits, 1), look)
  }

  const attempt = async (key: string) => {
    const upstream = upstreamOf(state.snapshot.world, key)
    const abort = new AbortController()
    running.set(key, abort)
    // An address that is gone cannot be tried; it counts as failed until definitions or names drop the record.
    const ok = upstream !== undefined && (await connects(upstream, abort.signal))
    running.delete(key)
    if (ended) return
    state.apply({ kind: 'trial', upstream: targetOf(key), ok, at: now() })
    arm()
  }

  const unsubscribe = state.onChange(() => {
    if (!ended) arm()
  })
  arm()

  return {
    [Symbol.dispose]() {
      ended = true
      unsubscribe()
      timer?.[Symbol.dispose]()
      for (const abort of running.values()) abort.abort()
    },
  }
}

/** Does a TCP connection to the upstream come about in time? */
function connects({ address, port }: Upstream, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: address, port, signal, timeout: TRIAL_TIMEOUT })
    const end = (ok: boolean) => {
      socket.destroy()
      resolve(ok)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}
