/**
 * What a command has of the world: two streams to write to, its environment, somebody to ask, and the wish to stop.
 */
import { createInterface } from 'node:readline/promises'

/** Exit statuses; scripts rely on them. */
export const EXIT = { ok: 0, failure: 1, usage: 2, notFound: 3, unhealthy: 3, notAllowed: 4, unreachable: 5 } as const

export type Exit = (typeof EXIT)[keyof typeof EXIT]

export type Environment = Readonly<Record<string, string | undefined>>

export interface Io {
  /** Data, for whoever reads on. */
  out(text: string): void
  /** Words, for whoever watches. */
  err(text: string): void
  /** Data may be coloured. */
  readonly color: boolean
  /** Aborted when nobody wants more. */
  readonly signal: AbortSignal
  /** Asks whoever sits at the terminal; null: nobody does. */
  readonly confirm: ((question: string) => Promise<boolean>) | null
}

/** The streams of this process. */
export function processIo(env: Environment): Io {
  const { stdin, stdout, stderr } = process
  const enough = new AbortController()
  // `gatepool events --follow | head`: whoever read has gone, which is no mistake.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    enough.abort()
  })
  const confirm = async (question: string) => {
    using terminal = createInterface({ input: stdin, output: stderr })
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  }
  return {
    out: text => void stdout.write(text),
    err: text => void stderr.write(text),
    color: stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    signal: enough.signal,
    confirm: stdin.isTTY === true && stderr.isTTY === true ? confirm : null,
  }
}
