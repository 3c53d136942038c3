/**
 * `gatepool demo`: the real program with two small gateways to kill, telling what happens. It leaves nothing behind.
 */
import { type Clock, realClock } from '../clock.ts'
import type { Environment } from '../config/environment.ts'
import type { SampleGateway } from './gateways.ts'
import { CONTROL_C, readKeys } from './keys.ts'
import { type Narrator, narrate, type Terminal } from './narrate.ts'
import { type Chosen, choosePorts } from './ports.ts'
import { COOLDOWN, POOL, type Stage, setStage } from './stage.ts'
import { tour } from './tour.ts'

/** Ms after which a gateway that ended is started again. */
const BACK_AFTER = 8_000
/** What runs at the end may finish; the configuration says within which time. */
const NEVER = AbortSignal.any([])

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
  using stop = stopSignals()
  const signal = AbortSignal.any([stop.signal, io.signal])
  const clock = realClock()
  if (isTour) return await tour({ ports, terminal: io, clock, stop: signal })
  return await demo({ ports, io, clock, stop: signal, ask: stop.ask })
}

interface Demo {
  readonly ports: Chosen
  readonly io: DemoIo
  readonly clock: Clock
  /** Aborted when it is to end. */
  readonly stop: AbortSignal
  /** Asks for that. */
  ask(): void
}

async function demo({ ports, io, clock, stop, ask }: Demo): Promise<number> {
  await using stage = await setStage(ports)
  using narrator = narrate(stage.gatepool.state, io, clock.now)
  using home = keepAlive(stage.home, narrator, clock)
  using ds918 = keepAlive(stage.ds918, narrator, clock)
  using keys = readKeys(key => {
    if (key === '1') home.toggle()
    if (key === '2') ds918.toggle()
    if (key === 'q' || key === CONTROL_C) ask()
  })
  io.out(introduction(stage, keys !== null))
  stage.home.beatAt(stage.admin)
  stage.ds918.beatAt(stage.admin)
  await aborted(stop)
  narrator.say('stopping')
  await stage.gatepool.stop(NEVER)
  return 0
}

interface Kept extends Disposable {
  /** Kills it, or brings it back at once. */
  toggle(): void
}

/** Brings a gateway back some time after it has ended, until disposed. */
function keepAlive(gateway: SampleGateway, { say }: Narrator, clock: Clock): Kept {
  let timer: Disposable | null = null
  const cancel = () => timer?.[Symbol.dispose]()
  const later = (what: string) => {
    say(`${what}; it is started again in ${BACK_AFTER / 1_000} s`)
    cancel()
    timer = clock.after(BACK_AFTER, () => void revive())
  }
  const revive = async () => {
    cancel()
    try {
      await gateway.revive()
      say(`${gateway.name} runs again, as process ${gateway.pid}`)
    } catch (error) {
      later((error as Error).message)
    }
  }
  gateway.onEnd(how => later(`the process of ${gateway.name} has ended (${how})`))
  return {
    toggle() {
      if (gateway.pid === undefined) void revive()
      else gateway.kill()
    },
    [Symbol.dispose]: cancel,
  }
}

function introduction({ proxy, admin, gatepool, home, ds918, file }: Stage, hasKeys: boolean): string {
  const url = admin === 'http://127.0.0.1:9900' ? '' : `GATEPOOL_URL=${admin} `
  const tries = [
    [`curl ${proxy}/`, 'whoever serves the pool answers'],
    [`curl ${proxy.replace('127.0.0.1', 'nas.localhost')}/`, 'a route pinned to ds918, with home as its stand-in'],
    [
      `kill -9 ${home.pid}`,
      `home dies; it is started again ${BACK_AFTER / 1_000} s later, and trusted ${COOLDOWN / 1_000} s after that`,
    ],
    [`${url}GATEPOOL_TOKEN=${gatepool.token} npx gatepool status`, 'who serves what'],
    [`edit ${file}`, 'what is saved is in force'],
  ] as const
  return `
gatepool demo: the pool ${POOL} has two gateways, home and, if home dies, ds918.

  proxy  ${proxy}
  admin  ${admin}
  home   process ${home.pid}, port ${home.port}
  ds918  process ${ds918.pid}, port ${ds918.port}

Things to try, in another terminal:
${tries.map(([command, what]) => `  ${command.padEnd(38)}  ${what}`).join('\n')}

${hasKeys ? 'Keys here: 1 kills home or brings it back, 2 does so with ds918, q quits.' : 'Control-C ends it.'}

`
}

/** Listens to the signals that end a program. */
function stopSignals(): Disposable & { readonly signal: AbortSignal; ask(): void } {
  const controller = new AbortController()
  const ask = () => controller.abort()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, ask)
  return {
    signal: controller.signal,
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
