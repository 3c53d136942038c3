import { type Actions, cli } from '../../src/cli/cli.ts'
import type { Environment, Io } from '../../src/cli/io.ts'

export interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}

const NO_ACTIONS: Actions = { run: async () => 0, demo: async () => 0 }

/** Runs the command line in this process, with what it wrote. */
export async function runCli(
  argv: readonly string[],
  env: Environment = {},
  actions = NO_ACTIONS,
  confirm: Io['confirm'] = null,
): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    color: false,
    signal: new AbortController().signal,
    confirm,
  }
  const exit = await cli(argv, env, io, actions)
  return { exit, out: out.join(''), err: err.join('') }
}

/** The words of a command line, as a shell would take it: quotes hold words together, a comment ends it. */
export function unquoted(line: string): string[] {
  const words = [...line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)].map(([word]) => word)
  const end = words.findIndex(word => word.startsWith('#'))
  return (end < 0 ? words : words.slice(0, end)).map(word => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
}
