/**
 * Active checks: who is checked, when, and one at a time each. What the results mean is decided in `core/checks.ts`.
 */
import type { Clock } from '../clock.ts'
import { probed } from '../core/changes.ts'
import { type ActiveCheck, checksOf, limitOf, nextCheck } from '../core/checks.ts'
import { NO_POOL } from '../core/homes.ts'
import { gatewayOf, upstreamsOf } from '../core/member.ts'
import type { Snapshot, Upstream } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { isRefusal } from '../errors.ts'
import type { Ledger } from '../ledger.ts'
import type { State } from '../state.ts'
import { runCheck } from './check.ts'

export interface ChecksOptions {
  readonly state: State
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: () => number
  readonly onResult: (upstream: Upstream, passed: boolean) => void
}

interface Loop {
  readonly upstream: Upstream
  readonly place: number
  readonly check: ActiveCheck
  readonly ended: AbortController
  timer: Disposable | null
}

/** Checks until it is disposed. */
export function watchChecks({ state, ledger, clock, random, onResult }: ChecksOptions): Disposable {
  const { now } = clock
  const loops = new Map<string, Loop>()
  let seen: Snapshot | null = null

  const arm = (loop: Loop, ms: number) => {
    loop.timer = clock.after(ms, () => void once(loop))
  }

  const once = async (loop: Loop) => {
    const { upstream, place, check, ended } = loop
    const last = () => own(state.snapshot.world.sight.checks, upstream.key)?.[place] ?? null
    const startedAt = now()
    const result = await runCheck({ ...check, timeout: limitOf(last(), check) }, upstream, ended.signal)
    if (ended.signal.aborted) return
    onResult(upstream, result.passed)
    state.apply({ kind: 'checked', upstream, check: place, ...result, at: now() })
    arm(loop, nextCheck(last(), check, now() - startedAt, random()))
    const change = probed(upstream.gateway)
    if (change(state.snapshot.world, now()) === null) return
    // What cannot be committed now is asked again with the next result; until it can, this replica acts on what it found.
    if (isRefusal(await ledger.commit(change, 'system'))) state.apply({ kind: 'unagreed', upstream, at: now() })
  }

  const follow = () => {
    const { snapshot } = state
    if (seen !== null && snapshot.pools === seen.pools && snapshot.pinned === seen.pinned) return
    seen = snapshot
    const wanted = wantedLoops(snapshot)
    for (const [key, loop] of loops) if (!wanted.has(key)) end(key, loop)
    for (const [key, one] of wanted) {
      if (loops.has(key)) continue
      const loop: Loop = { ...one, ended: new AbortController(), timer: null }
      loops.set(key, loop)
      // Soon, since nothing is known yet, and not all in one moment.
      loop.timer = clock.after(random() * Math.min(one.check.fast_interval, one.check.interval), () => void once(loop))
    }
  }

  const end = (key: string, { ended, timer }: Loop) => {
    ended.abort()
    timer?.[Symbol.dispose]()
    loops.delete(key)
  }

  const unsubscribe = state.onChange(follow)
  follow()

  return {
    [Symbol.dispose]() {
      unsubscribe()
      for (const [key, loop] of loops) end(key, loop)
    },
  }
}

type Wanted = Pick<Loop, 'upstream' | 'place' | 'check'>

/** By what they check and how, so that a loop whose check is another now begins anew. */
function wantedLoops({ world, pools, pinned }: Snapshot): ReadonlyMap<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  const add = (pool: string, name: string) => {
    const gateway = gatewayOf(world, name)
    if (gateway?.enabled !== true) return
    const checks = checksOf(world, pool, gateway)
    if (checks.length === 0) return
    for (const upstream of upstreamsOf(world, pool, gateway, own(pools, pool)?.port)) {
      for (const [place, check] of checks.entries()) {
        wanted.set(JSON.stringify([upstream.key, place, check]), { upstream, place, check })
      }
    }
  }
  for (const { name, enabled, members } of world.definitions.value.pools) {
    if (enabled) for (const { gateway } of members) add(name, gateway)
  }
  for (const { gateway, plan } of Object.values(pinned)) if (plan.pool === null) add(NO_POOL, gateway)
  return wanted
}
