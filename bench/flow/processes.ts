/**
 * The processes of a bench: each on the cores that it was told, and every one of them ended with the bench, however that ends.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Running {
  readonly pid: number
  /** What it wrote to stdout so far. */
  readonly stdout: () => string
  /** The last lines of what it wrote, for an error message. */
  readonly lastWords: () => string
  /** Resolves with its exit status, null after a signal. */
  readonly ended: Promise<number | null>
  readonly hasEnded: () => boolean
  /** SIGTERM, and a second later SIGKILL. */
  readonly stop: () => Promise<void>
}

/** Bytes of output that are kept of a process. */
const KEPT = 65_536
const PATIENCE = 1_000

export class Processes implements AsyncDisposable {
  readonly #running = new Set<Running>()
  readonly #prefix: readonly string[]
  readonly #onExit = () => {
    for (const { pid, hasEnded } of this.#running) if (!hasEnded()) process.kill(pid, 'SIGKILL')
  }

  /** `cores`: may processes be pinned? */
  constructor(cores: boolean) {
    this.#prefix = [
      // A bench that is killed itself cannot clean up: then the kernel does.
      ...(works('setpriv', '--pdeathsig', 'KILL', 'true') ? ['setpriv', '--pdeathsig', 'KILL'] : []),
      ...(cores ? ['taskset', '--cpu-list'] : []),
    ]
    process.on('exit', this.#onExit)
  }

  /** Starts a program. `core`: as taskset takes them, `1` or `0,2-3`; not looked at where processes are not pinned. */
  async start({ file, args, env }: Command, core: string): Promise<Running> {
    const pinned = this.#prefix.at(-1) === '--cpu-list' ? [core] : []
    const [first = file, ...rest] = [...this.#prefix, ...pinned, file, ...args]
    // setpriv and taskset become the program: the pid is the program's own.
    const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    const running = follow(child)
    await once(child, 'spawn')
    this.#running.add(running)
    void running.ended.then(() => this.#running.delete(running))
    return running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map(({ stop }) => stop()))
    process.off('exit', this.#onExit)
  }
}

function follow(child: ChildProcess): Running {
  let stdout = ''
  let all = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-KEPT)
    all = (all + text).slice(-KEPT)
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    all = (all + text).slice(-KEPT)
  })
  const { promise: ended, resolve } = Promise.withResolvers<number | null>()
  // Not `exit`: by `close` all of the output has been read.
  child.on('close', resolve)
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  return {
    get pid() {
      return child.pid ?? 0
    },
    stdout: () => stdout,
    lastWords: () => all.trim().split('\n').slice(-6).join('\n'),
    ended,
    hasEnded,
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
      await ended
      clearTimeout(timer)
    },
  }
}

/** Whether a program is there and does what it is asked. */
export function works(file: string, ...args: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore', timeout: 10_000 }).status === 0
}

/** The first line that a program writes, null when it is not installed. */
export function firstLine(file: string, ...args: string[]): string | null {
  const { error, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000 })
  if (error !== undefined) return null
  return (stdout || stderr).split('\n', 1)[0]?.trim() ?? ''
}
