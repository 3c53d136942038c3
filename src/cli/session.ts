/**
 * One run of the command line: what its commands share, and how most of them go: ask, print, exit.
 */
import type { Command } from 'commander'
import { type Client, createClient, type Got } from './client.ts'
import { type Environment, EXIT, type Io } from './io.ts'
import { type Paint, painter, plain } from './print.ts'
import type { Failure } from './refused.ts'

export interface Session {
  readonly env: Environment
  readonly io: Io
  readonly paint: Paint
  /** Remembers the exit status. */
  ends(exit: number): void
}

/** Puts a command under `parent`. */
export type AddCommand = (parent: Command, session: Session) => void

export interface Json {
  readonly json?: boolean
}

export interface Sure {
  readonly yes?: boolean
}

export function createSession(env: Environment, io: Io, ends: (exit: number) => void): Session {
  return { env, io, paint: painter(io.color), ends }
}

/**
 * A command that asks the admin API: with `--json`, and with `examples` (what follows `gatepool`) at the end of its help.
 */
export function command(parent: Command, name: string, description: string, ...examples: string[]): Command {
  return withExamples(parent.command(name).description(description).option('--json', 'for scripts'), ...examples)
}

export function withExamples(to: Command, ...examples: string[]): Command {
  const lines = examples.map(example => `  $ gatepool ${example}`)
  return to.addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`)
}

/** The option of what destroys. */
export function withYes(to: Command): Command {
  return to.option('-y, --yes', 'do not ask')
}

export function fail({ io, ends }: Session, { exit, message }: Failure): void {
  io.err(`gatepool: ${message}\n`)
  ends(exit)
}

type Ask<T> = (client: Client) => Promise<Got<T> | Failure>

/** Asks, and prints the answer: for people as `words` puts it, with `json` as it came. */
export async function show<T>(
  session: Session,
  { json }: Json,
  ask: Ask<T>,
  words: (body: T, now: number) => string,
): Promise<void> {
  const got = await asked(session, ask)
  if (got === null) return
  session.io.out(json === true ? pretty(got.body) : words(got.body, got.at))
  session.ends(EXIT.ok)
}

/** Asks for a change, and says that it is done: words for people, and with `json` the answer if there is one. */
export async function change<T>(
  session: Session,
  { json }: Json,
  ask: Ask<T>,
  words: (body: T, now: number) => string,
): Promise<void> {
  const got = await asked(session, ask)
  if (got === null) return
  if (json !== true) session.io.err(`${words(got.body, got.at).split('\n').map(plain).join('\n')}\n`)
  else if (got.body !== null) session.io.out(pretty(got.body))
  warn(session, got.body)
  session.ends(EXIT.ok)
}

/** True when what destroys may begin: it was said before, or whoever sits at the terminal says so now. */
export async function sure(session: Session, { yes }: Sure, question: string): Promise<boolean> {
  if (yes === true) return true
  const { io, ends } = session
  if (io.confirm === null) {
    io.err(`gatepool: ${question} Nobody is here to ask: say --yes\n`)
    ends(EXIT.usage)
    return false
  }
  if (await io.confirm(question)) return true
  io.err('gatepool: nothing was changed\n')
  ends(EXIT.failure)
  return false
}

async function asked<T>(session: Session, ask: Ask<T>): Promise<Got<T> | null> {
  const client = await createClient(session.env)
  const got = 'kind' in client ? client : await ask(client)
  if (got.kind === 'got') return got
  fail(session, got)
  return null
}

export const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** What is taken, but does not work at the moment. */
export function warn({ io }: Session, body: unknown): void {
  if (typeof body !== 'object' || body === null || !('warnings' in body) || !Array.isArray(body.warnings)) return
  for (const warning of body.warnings) io.err(`warning: ${plain(String(warning))}\n`)
}
