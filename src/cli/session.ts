/**
 * One run of the command line: what its commands share, and how most of them go: ask, print, exit.
 */
import type { Command } from 'commander'
import { type Client, createClient, type Failure, type Got } from './client.ts'
import { type Environment, EXIT, type Io } from './io.ts'
import { type Paint, painter } from './print.ts'

export interface Session {
  readonly env: Environment
  readonly io: Io
  readonly paint: Paint
  /** Remembers the exit status. */
  ends(exit: number): void
}

/** Puts a command under `parent`. */
export type AddCommand = (parent: Command, session: Session) => void

export function createSession(env: Environment, io: Io, ends: (exit: number) => void): Session {
  return { env, io, paint: painter(io.color), ends }
}

export function fail({ io, ends }: Session, { exit, message }: Failure): void {
  io.err(`gatepool: ${message}\n`)
  ends(exit)
}

/** Asks, and prints the answer: for people as `words` puts it, with `json` as it came. */
export async function show<T>(
  session: Session,
  { json }: { readonly json?: boolean },
  ask: (client: Client) => Promise<Got<T> | Failure>,
  words: (body: T, now: number) => string,
): Promise<void> {
  const client = await createClient(session.env)
  if ('kind' in client) return fail(session, client)
  const got = await ask(client)
  if (got.kind === 'failure') return fail(session, got)
  session.io.out(json === true ? `${JSON.stringify(got.body, null, 2)}\n` : words(got.body, got.at))
  session.ends(EXIT.ok)
}
