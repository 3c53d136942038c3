/**
 * The demo's gateways as processes: started, killed, and started again on the same port.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'

/** The program of a gateway, which is TypeScript in a checkout and compiled in a package, as this file is. */
const PROGRAM = join(import.meta.dirname, `sample-gateway${extname(import.meta.filename)}`)

export interface SampleGateway extends AsyncDisposable {
  readonly name: string
  /** Where it answers HTTP, on its host. */
  readonly port: number
  /** Its process; undefined while it has none. */
  readonly pid: number | undefined
  /** Makes it beat at the admin API at `url`, now and after each start. */
  beatAt(url: string): void
  /** `kill -9`. */
  kill(): void
  /** Starts it where it was; does nothing while it runs. Rejects when it cannot be started. */
  revive(): Promise<void>
  /** Calls `listener` each time that its process has ended by itself, with the signal's name or `status 1`. */
  onEnd(listener: (how: string) => void): void
}

/** Starts the gateway `name` on a free port of `host`. It beats with `token`. */
export async function startGateway(name: string, token: string, host = '127.0.0.1'): Promise<SampleGateway> {
  const listeners: ((how: string) => void)[] = []
  let child: ChildProcess | null = null
  let starting: Promise<number> | null = null
  let admin: string | null = null
  let disposed = false

  const start = async (port: number): Promise<number> => {
    const env = { GATEWAY_NAME: name, GATEWAY_HOST: host, GATEWAY_PORT: String(port), GATEPOOL_TOKEN: token }
    // Detached: Control-C goes to the whole group of a terminal, and what still runs needs its gateway to be finished.
    const started = fork(PROGRAM, { env, execArgv: [], detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const ended = once(started, 'exit').then(([status, signal]) => String(signal ?? `status ${status}`))
    const told = await Promise.race([once(started, 'message'), ended])
    if (typeof told === 'string') throw new Error(`gateway ${name} could not be started (${told})`)
    child = started
    void ended.then(how => {
      child = null
      if (!disposed) for (const listener of listeners) listener(how)
    })
    tell()
    return (told[0] as { port: number }).port
  }

  const tell = () => {
    // Its process may be gone already, and its end is told by then.
    if (admin !== null) child?.send({ admin }, () => {})
  }

  const port = await start(0)
  return {
    name,
    port,
    get pid() {
      return child?.pid
    },
    beatAt(url) {
      admin = url
      tell()
    },
    kill() {
      child?.kill('SIGKILL')
    },
    async revive() {
      if (child !== null || disposed) return
      starting ??= start(port).finally(() => {
        starting = null
      })
      await starting
    },
    onEnd: listener => void listeners.push(listener),
    async [Symbol.asyncDispose]() {
      disposed = true
      await starting?.catch(() => undefined)
      if (child === null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}
