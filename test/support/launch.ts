import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** The `gatepool` command of the checkout. */
export const LAUNCHER = join(import.meta.dirname, '../../src/cli/gatepool.js')

/** tap puts itself into every Node that a test starts; before a command, this takes it out again. */
export const WITHOUT_TAP = ['-u', 'NODE_OPTIONS'] as const

/** What a test starts goes with it; whoever is no test, as a soak, ends it by the same means. */
export type Scope = Pick<Test, 'teardown'>

/** Ms that a line may be waited for unless a test says otherwise. */
const PATIENCE = 30_000

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  /** Everything that was written. */
  readonly out: string
  readonly err: string
}

export interface Launched {
  readonly child: ChildProcess
  /** The first line of stdout that `wanted` takes and that was not answered before; rejects after `ms`. */
  line(wanted: (line: string) => boolean, what: string, ms?: number): Promise<string>
  /** When the program and everything that holds its stdout or stderr has ended. */
  readonly ended: Promise<Ended>
}

export interface LaunchOptions {
  readonly env?: Record<string, string>
  readonly launcher?: string
  /** Modules of the test that are loaded into the process before gatepool. */
  readonly preload?: readonly string[]
  /** A command that runs it, where it is not to run as this process does (`ip netns exec …`). */
  readonly through?: readonly string[]
}

/** Runs a command of gatepool; at the end of the test its process is killed if it is still there. */
export function launch(t: Scope, args: readonly string[], options: LaunchOptions = {}): Launched {
  const { env = {}, launcher = LAUNCHER, preload = [], through = [] } = options
  const preloaded = preload.map(module => `--import=${module}`)
  // Nothing else of the environment: somebody's settings for gatepool are not meant for a test.
  const child = spawn('env', [...WITHOUT_TAP, ...through, process.execPath, ...preloaded, launcher, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const came = new EventEmitter()
  const lines: { text: string; taken: boolean }[] = []
  const err: string[] = []
  createInterface(child.stdout).on('line', text => {
    lines.push({ text, taken: false })
    came.emit('line')
  })
  child.stderr.setEncoding('utf8').on('data', text => err.push(text))
  const ended = once(child, 'close').then(
    ([code, signal]): Ended => ({
      code,
      signal,
      out: lines.map(({ text }) => `${text}\n`).join(''),
      err: err.join(''),
    }),
  )
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })

  return {
    child,
    ended,
    async line(wanted, what, ms = PATIENCE) {
      const signal = AbortSignal.any([AbortSignal.timeout(ms), endSignal(ended)])
      for (;;) {
        const found = lines.find(({ text, taken }) => !taken && wanted(text))
        if (found !== undefined) {
          found.taken = true
          return found.text
        }
        try {
          await once(came, 'line', { signal })
        } catch {
          throw new Error(`no ${what} in:\n${lines.map(({ text }) => text).join('\n')}\n${err.join('')}`)
        }
      }
    },
  }
}

function endSignal(ended: Promise<Ended>): AbortSignal {
  const controller = new AbortController()
  void ended.then(() => controller.abort())
  return controller.signal
}

/** A folder that goes with the test. */
export function folder(t: Scope): string {
  const path = mkdtempSync(join(tmpdir(), 'gatepool-test-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}
