/**
 * `gatepool demo --tour`: a failover and the way back while requests flow, and what became of the requests.
 */
import type { Clock } from '../clock.ts'
import type { FactKind } from '../core/events.ts'
import type { State } from '../state.ts'
import { createLoad, type Load } from './load.ts'
import { type Narrator, narrate, type Terminal } from './narrate.ts'
import type { Chosen } from './ports.ts'
import { COOLDOWN, POOL, type Stage, setStage } from './stage.ts'

/** Answers that show who serves. */
const SHOWN = 40
/** Ms that a step may take, beyond the times that the configuration sets. */
const PATIENCE = 6_000

export interface TourOptions {
  readonly ports: Chosen
  readonly terminal: Terminal
  readonly clock: Clock
  /** Ends the tour early. */
  readonly stop: AbortSignal
}

/** Why a tour ends early, in words. */
class TourEnded extends Error {}

/** Answers the exit status: 0 if every step happened in time and no request failed. */
export async function tour({ ports, terminal, clock, stop }: TourOptions): Promise<number> {
  await using stage = await setStage(ports)
  await using load = createLoad(stage.proxy, clock)
  using narrator = narrate(stage.gatepool.state, terminal, clock.now)
  const ended = await steps(stage, load, narrator, clock, stop).then(
    () => null,
    (error: unknown) => {
      if (error instanceof TourEnded) return error.message
      throw error
    },
  )
  await load.stop()
  terminal.out(`\n${ended === null ? '' : `The tour ended early: ${ended}.\n`}${summary(load)}`)
  await stage.gatepool.stop(stop)
  return ended === null && load.failures === 0 ? 0 : 1
}

async function steps(stage: Stage, load: Load, narrator: Narrator, clock: Clock, stop: AbortSignal): Promise<void> {
  const { gatepool, home, ds918, proxy, admin } = stage
  const fact = (kind: FactKind, subject: string) => nextFact(gatepool.state, kind, subject)
  const soon = (what: string, happened: Promise<unknown>, ms = PATIENCE) => within(ms, what, happened, clock, stop)

  narrator.title(`1  home and ds918 begin to beat, and requests flow to ${proxy}`)
  const alive = Promise.all([fact('first_alive', 'home'), fact('first_alive', 'ds918')])
  home.beatAt(admin)
  ds918.beatAt(admin)
  await soon('the first heartbeats', alive)
  load.start()
  await soon('answers of home', load.answers('home', SHOWN))

  narrator.title(`2  kill -9 ${home.pid}: home dies, and ds918 takes over`)
  const moved = fact('pool_failover_activated', POOL)
  const down = fact('gateway_down', 'home')
  home.kill()
  await soon('the failover', moved)
  await soon('answers of ds918', load.answers('ds918', SHOWN))
  await soon('the end of the heartbeats of home', down)

  narrator.title(`3  home is started again, and has to stay for ${COOLDOWN / 1_000} s before it is trusted`)
  const returning = fact('down_to_cooldown', 'home')
  const restored = fact('pool_failover_restored', POOL)
  await soon('the start of home', home.revive())
  await soon('the return of home', returning)
  using _ = countDown(gatepool.state, narrator, clock)
  await soon('the failback', restored, COOLDOWN + PATIENCE)
  await soon('answers of home', load.answers('home', SHOWN))
}

/** Resolves with the next such fact. Asked for before what leads to it, so that it cannot be missed. */
function nextFact(state: State, kind: FactKind, subject: string): Promise<void> {
  return new Promise(resolve => {
    const stop = state.onFact(fact => {
      if (fact.kind !== kind || fact.subject !== subject) return
      stop()
      resolve()
    })
  })
}

/** Waits for `happened`; rejects with TourEnded after `ms`, or once `stop` is aborted. */
async function within(ms: number, what: string, happened: Promise<unknown>, clock: Clock, stop: AbortSignal) {
  const early = Promise.withResolvers<never>()
  const onStop = () => early.reject(new TourEnded('it was stopped'))
  using _ = clock.after(ms, () => early.reject(new TourEnded(`${what} did not come within ${ms / 1_000} s`)))
  stop.addEventListener('abort', onStop)
  if (stop.aborted) onStop()
  try {
    await Promise.race([happened, early.promise])
  } finally {
    stop.removeEventListener('abort', onStop)
  }
}

/** Tells each second how long the first in order still has to wait. */
function countDown(state: State, { say }: Narrator, clock: Clock): Disposable {
  const tell = () => {
    const first = state.snapshot.pools[POOL]?.members[0]
    if (first?.state !== 'returning' || first.back_at === null) return
    const left = Math.ceil((first.back_at - clock.now()) / 1_000)
    if (left > 0) say(`${first.gateway} takes over in ${left} s`)
  }
  tell()
  return clock.every(1_000, tell)
}

function summary({ requests, failures, firstFailure, longest, answered }: Load): string {
  const by = [...answered].map(([gateway, count]) => `${count} by ${gateway}`).join(', ')
  const why = firstFailure === null ? '' : ` (the first: ${firstFailure})`
  return `${requests} requests, ${failures} failures${why}; answered: ${by || 'none'}; nobody waited longer than ${longest} ms\n`
}
