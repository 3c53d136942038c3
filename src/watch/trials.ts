/**
 * Passive health's own clock: ticks when time moves a record, and a trial of each upstream that is out and due for one.
 */
import type { Clock } from '../clock.ts'
import { CONNECT } from '../core/checks.ts'
import { gatewayOf, upstreamsOf } from '../core/member.ts'
import type { Upstream } from '../core/nouns.ts'
import { passiveAgenda, poolOf, targetOf, upstreamOf } from '../core/passive.ts'
import { judgedPort } from '../core/snapshot.ts'
import { decide } from '../core/verdicts.ts'
import type { State } from '../state.ts'
import { runCheck } from './check.ts'
import { answersDatagrams } from './datagram.ts'

/** Ms between two looks while something is pending. */
const LOOK = 1_000

export interface TrialOptions {
  readonly state: State
  readonly clock: Clock
}

/** Watches until it is disposed. */
export function watchTrials({ state, clock }: TrialOptions): Disposable {
  const { now } = clock
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
    const ok = upstream !== undefined && (await tried(state, upstream, abort.signal))
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

/**
 * The active checks of its pool, made once, where they are made of it: they ask for the port by which the pool is judged, and say nothing of
 * another. Else a connection, or a datagram.
 */
async function tried({ snapshot: { world } }: State, upstream: Upstream, signal: AbortSignal): Promise<boolean> {
  const { key, pool: name } = upstream
  const pool = poolOf(world, name)
  const gateway = gatewayOf(world, upstream.gateway)
  const checked = gateway === undefined ? [] : upstreamsOf(world, name, gateway, judgedPort(world, name))
  const active = checked.some(one => one.key === key) ? (pool?.active ?? []) : []
  if (active.length === 0 && key.endsWith('/udp')) return answersDatagrams(upstream, signal)
  const checks = active.length > 0 ? active : [CONNECT]
  const results = await Promise.all(checks.map(check => runCheck(check, upstream, signal)))
  const passed = results.map(result => result.passed)
  return decide(passed, pool?.require ?? 'all') === true
}
