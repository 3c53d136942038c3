/**
 * What a command has of the world: two streams to write to, its environment, and the wish to stop.
 */

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
}

/** The streams of this process. */
export function processIo(env: Environment): Io {
  const { stdout, stderr } = process
  const enough = new AbortController()
  // `gatepool events --follow | head`: whoever read has gone, which is no mistake.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    enough.abort()
  })
  return {
    out: text => void stdout.write(text),
    err: text => void stderr.write(text),
    color: stdout.isTTY === true && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    signal: enough.signal,
  }
}
