/**
 * `gatepool demo`: the real program with two small gateways to kill, telling what happens. It leaves nothing behind.
 */
import { realClock } from '../clock.ts'
import type { Environment } from '../config/environment.ts'
import { CONTROL_C, readKeys } from './keys.ts'
import { type Narrator, narrate, type Terminal } from './narrate.ts'
import { choosePorts, type Ports } from './ports.ts'
import { COOLDOWN, type Stage, setStage } from './stage.ts'
import { tour } from './tour.ts'

/** Ms after which a gateway that ended is started again. */
const BACK_AFTER = 8_000

export interface DemoOptions {
  /** Shows a failover and the way back by itself, and ends. */
  readonly tour: boolean
  readonly env: Environment
  readonly io: DemoIo
}

interface DemoIo extends Terminal {
  err(text: string): void
  /** Aborted when nobody reads any more. */
  readonly signal: AbortSignal
}

/** Runs until it is stopped, or until the tour is over. Answers the exit status. */
export async function runDemo({ tour: isTour, env, io }: DemoOptions): Promise<number> {
  const ports = await choosePorts(env, { any: isTour })
  if (ports.kind === 'wrong') {
    io.err(`gatepool demo: ${ports.message}\n`)
    return 1
  }
  using stop = stopSignals(io.signal)
  return isTour
    ? await tour({ ports, terminal: io, clock: realClock(), stop: stop.first })
    : await demo(ports, io, stop)
}

interface Stop {
  /** Somebody wants it to end. */
  readonly first: AbortSignal
  /** And wants it at once. */
  readonly second: AbortSignal
  ask(): void
}

async function demo(ports: Extract<Ports, { kind: 'ports' }>, io: DemoIo, stop: Stop): Promise<number> {
  const clock = realClock()
  let narrator: Narrator | null = null
  const restarts = new Map<string, Disposable>()
  const onEnd = (name: 'home' | 'ds918', how: string) => {
    narrator?.say(`the process of ${name} has ended (${how}) and is started again in ${BACK_AFTER / 1_000} s`)
    restarts.set(
      name,
      clock.after(BACK_AFTER, () => void revive(name)),
    )
  }
  await using stage = await setStage({ ports, onEnd })
  const revive = async (name: 'home' | 'ds918') => {
    restarts.get(name)?.[Symbol.dispose]()
    try {
      await stage[name].revive()
      narrator?.say(`${name} runs again, as process ${stage[name].pid}`)
    } catch (error) {
      narrator?.say((error as Error).message)
    }
  }
  const toggle = (name: 'home' | 'ds918') => {
    if (stage[name].pid === undefined) void revive(name)
    else stage[name].kill()
  }
  using keys = readKeys(key => {
    if (key === '1') toggle('home')
    if (key === '2') toggle('ds918')
    if (key === 'q' || key === CONTROL_C) stop.ask()
  })

  io.out(introduction(stage, keys !== null))
  using told = narrate(stage.gatepool.state, io, clock.now)
  narrator = told
  stage.home.beatAt(stage.admin)
  stage.ds918.beatAt(stage.admin)
  await aborted(stop.first)
  for (const restart of restarts.values()) restart[Symbol.dispose]()
  narrator.say('stopping')
  await stage.gatepool.stop(stop.second)
  return 0
}

function introduction({ proxy, admin, gatepool, home, ds918, file }: Stage, hasKeys: boolean): string {
  const pinned = proxy.replace('127.0.0.1', 'nas.localhost')
  const url = admin === 'http://127.0.0.1:9900' ? '' : `GATEPOOL_URL=${admin} `
  const keys = 'keys: 1 kills home or starts it again, 2 does the same to ds918, q quits'
  return `
gatepool demo: the pool home-network has two gateways, home and, if home dies, ds918.

  proxy  ${proxy}    admin API  ${admin}
  home   process ${home.pid}, port ${home.port}      ds918  process ${ds918.pid}, port ${ds918.port}

Things to try:
  curl ${proxy}/          goes to whoever serves the pool
  curl ${pinned}/      a route pinned to ds918, with home as its stand-in
  kill -9 ${home.pid}                        home is gone; it is started again after ${BACK_AFTER / 1_000} s, and
                                      has its traffic back ${COOLDOWN / 1_000} s later
  ${url}GATEPOOL_TOKEN=${gatepool.token} npx gatepool status
  edit ${file}

${hasKeys ? keys : 'Control-C ends it.'}

`
}

/** Listens to the signals that end a program; the second one means at once. */
function stopSignals(closed: AbortSignal): Stop & Disposable {
  const first = new AbortController()
  const second = new AbortController()
  const ask = () => (first.signal.aborted ? second : first).abort()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, ask)
  closed.addEventListener('abort', ask)
  return {
    first: first.signal,
    second: second.signal,
    ask,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, ask)
    },
  }
}

/** Resolves once `signal` is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
