/**
 * The page of every command, made from the tree of commands itself: it says what `--help` says.
 */
import type { Command } from 'commander'
import { createProgram } from './cli.ts'
import type { Io } from './io.ts'
import { createSession } from './session.ts'

const HEAD = `# The command line

Made from the commands by \`npm run generate\`: do not edit it here. \`gatepool COMMAND --help\` says the same.
`

/** Columns of a help text on the page. */
const WIDTH = 100

/** `docs/reference/cli.md`. */
export function cliReference(): string {
  const texts: string[] = []
  const io: Io = {
    out: text => void texts.push(text),
    err: () => {},
    color: false,
    signal: new AbortController().signal,
    confirm: null,
  }
  const actions = { run: async () => 0, demo: async () => 0 }
  const program = createProgram(
    createSession({}, io, () => {}),
    actions,
  )
  return [HEAD, ...every(program).map(command => section(command, texts))].join('\n')
}

/** A command and all below it, in the order in which help shows them. */
export function every(command: Command): Command[] {
  return [command, ...command.commands.flatMap(every)]
}

/** `gatepool pool show`. */
export function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`
}

function section(command: Command, texts: string[]): string {
  texts.length = 0
  command.configureOutput({ ...command.configureOutput(), getOutHelpWidth: () => WIDTH })
  command.outputHelp()
  const heading = command.parent === null ? '' : `## ${fullName(command)}\n\n`
  return `${heading}\`\`\`text\n${texts.join('').trim()}\n\`\`\`\n`
}
