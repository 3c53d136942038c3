/**
 * The options of `create` and `set`: the usual fields by options of their own, every other one by `--field`.
 */
import { type Command, InvalidArgumentError } from 'commander'

export interface FieldOption {
  /** Where it goes, `match.host` and the like. */
  readonly key: string
  /** As commander takes it: `--cooldown <time>`. */
  readonly flags: string
  readonly description: string
  /** From its text to what the API takes; absent: as it is. */
  readonly parse?: (text: string) => unknown
}

export const title: FieldOption = { key: 'title', flags: '--title <text>', description: 'free text for people' }

/** Adds an option for each of `fields`, and `--field`. */
export function withFields(command: Command, fields: readonly FieldOption[]): Command {
  for (const { flags, description, parse } of fields) {
    if (parse === undefined) command.option(flags, description)
    else command.option(flags, description, parse)
  }
  return command.option(
    '-f, --field <key=value>',
    'any other field, such as passive.max_fails=5; null takes it away',
    (text: string, before: readonly string[]) => [...before, text],
    [],
  )
}

/** The same with `--enable` and `--disable`, for gateways, pools and routes. */
export function withSwitches(command: Command): Command {
  return command.option('--enable', 'let it take part').option('--disable', 'take it out without deleting it')
}

/** An object with the fields that were said. Throws commander's own error for what cannot be read. */
export async function fieldsSaid(
  options: Readonly<Record<string, unknown>>,
  fields: readonly FieldOption[],
): Promise<Record<string, unknown>> {
  const said: Record<string, unknown> = {}
  for (const { key, flags } of fields) {
    const value = options[attribute(flags)]
    if (value !== undefined) put(said, key.split('.'), value)
  }
  if (options.enable === true) said.enabled = true
  if (options.disable === true) said.enabled = false
  const written = options.field as readonly string[]
  if (written.length > 0) {
    const { parse } = await import('yaml')
    for (const one of written) {
      const at = one.indexOf('=')
      if (at < 1) throw new InvalidArgumentError(`--field ${one}: expected KEY=VALUE`)
      put(said, one.slice(0, at).split('.'), readYaml(parse, one, at))
    }
  }
  return said
}

/** The same for what is there already: something has to be said. */
export async function changesSaid(
  options: Readonly<Record<string, unknown>>,
  fields: readonly FieldOption[],
): Promise<Record<string, unknown>> {
  const said = await fieldsSaid(options, fields)
  if (Object.keys(said).length === 0) throw new InvalidArgumentError('say what to change: --help tells the options')
  return said
}

/** How commander names an option: `--lb-policy <name>` is lbPolicy. */
function attribute(flags: string): string {
  const [, long = ''] = /--([\w-]+)/.exec(flags) ?? []
  return long.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function readYaml(parse: (text: string) => unknown, field: string, at: number): unknown {
  try {
    return parse(field.slice(at + 1))
  } catch {
    throw new InvalidArgumentError(`--field ${field}: the value is not YAML`)
  }
}

function put(into: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (!/^[a-z][a-z0-9_]*$/.test(key)) throw new InvalidArgumentError(`--field: ${JSON.stringify(key)} is no field`)
  if (rest.length === 0) into[key] = value
  else {
    const inner = into[key]
    const next = typeof inner === 'object' && inner !== null ? { ...inner } : {}
    into[key] = next
    put(next, rest, value)
  }
}
