/**
 * What a shell needs to complete a command line, made from the tree of commands itself.
 */
import { Argument, type Command } from 'commander'
import { EXIT } from './io.ts'
import { type AddCommand, withExamples } from './session.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

export const addCompletion: AddCommand = (parent, { io, ends }) => {
  withExamples(parent.command('completion'), 'completion bash > /etc/bash_completion.d/gatepool')
    .description('the completion of a shell: source it, or put it where the shell looks')
    .addArgument(new Argument('<shell>', 'for which').choices(SHELLS))
    .action((shell: Shell) => {
      io.out(scripts[shell](placesOf(parent)))
      ends(EXIT.ok)
    })
}

interface Word {
  readonly word: string
  readonly description: string
}

/** Where a command line may be: at `pool members`, what may follow. */
interface Place {
  /** The commands so far, without `gatepool` itself. */
  readonly path: string
  /** Commands that may follow, and words that an argument may be. */
  readonly words: readonly Word[]
  readonly options: readonly (Word & { readonly short: string | undefined; readonly takesValue: boolean })[]
}

function placesOf(command: Command, path: readonly string[] = []): Place[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command).map(one => ({ word: one.name(), description: one.description() }))
  const choices = command.registeredArguments.flatMap(({ argChoices = [], description }) =>
    argChoices.map(word => ({ word, description })),
  )
  const options = help.visibleOptions(command).map(({ long, short, description, required, optional }) => ({
    word: long ?? '',
    short,
    description,
    takesValue: required || optional,
  }))
  const inner = command.commands.flatMap(one => placesOf(one, [...path, one.name()]))
  return [{ path: path.join(' '), words: [...commands, ...choices], options }, ...inner]
}

const scripts: Readonly<Record<Shell, (places: readonly Place[]) => string>> = {
  bash: places => `# bash completion for gatepool, made by: gatepool completion bash
_gatepool() {
  local path= word next
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case $next in
      ${patternOf(places)}) path=$next ;;
    esac
  done
  local words=
  case $path in
${places.map(place => `    ${quote(place.path)}) words=${quote(allWords(place).join(' '))} ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _gatepool gatepool
`,
  zsh: places => `#compdef gatepool
# zsh completion for gatepool, made by: gatepool completion zsh
_gatepool() {
  local path_= word next
  local -a words_
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${path_:+$path_ }$word"
    case $next in
      ${patternOf(places)}) path_=$next ;;
    esac
  done
  case $path_ in
${places.map(place => `    ${quote(place.path)}) words_=(${described(place).map(quote).join(' ')}) ;;`).join('\n')}
  esac
  _describe gatepool words_ || _files
}
if [ "$funcstack[1]" = _gatepool ]; then _gatepool; else compdef _gatepool gatepool; fi
`,
  fish: places => `# fish completion for gatepool, made by: gatepool completion fish
function __gatepool_at
    set -l at
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case ${places
              .slice(1)
              .map(({ path }) => quote(path.includes(' ') ? path : ` ${path}`))
              .join(' ')}
                set at (string trim -- "$at $word")
        end
    end
    test "$at" = "$argv[1]"
end
complete -c gatepool -f
${places.flatMap(fishLines).join('\n')}
`,
}

/** Every path as a pattern of \`case\`; none is empty, so none is lost. */
const patternOf = (places: readonly Place[]): string =>
  places
    .slice(1)
    .map(({ path }) => quote(path))
    .join(' | ')

const allWords = ({ words, options }: Place): string[] => [...words, ...options].map(({ word }) => word)

/** zsh takes a colon for the end of the word. */
const described = ({ words, options }: Place): string[] =>
  [...words, ...options].map(({ word, description }) => `${word}:${description}`)

function fishLines({ path, words, options }: Place): string[] {
  const at = `complete -c gatepool -n ${quote(`__gatepool_at ${quote(path)}`)}`
  return [
    ...words.map(({ word, description }) => `${at} -a ${quote(word)} -d ${quote(description)}`),
    ...options.map(({ word, short, description, takesValue }) => {
      const letter = short === undefined ? '' : ` -s ${short.slice(1)}`
      return `${at} -l ${word.slice(2)}${letter}${takesValue ? ' -r' : ''} -d ${quote(description)}`
    }),
  ]
}

/** One word for any of the shells. */
const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
