/**
 * What is written on a command line, as the admin API wants it. Nothing here asks anybody.
 */
import { InvalidArgumentError } from 'commander'

/** The name of a gateway, pool or route, as an argument. Nothing else may get into a path. */
export function nameArgument(text: string): string {
  if (/^[a-z0-9-]{1,32}$/.test(text)) return text
  throw new InvalidArgumentError('a name has 1 to 32 lower-case letters, digits and hyphens')
}

/** `home,nas`: names with commas between. Nothing at all is an empty list. */
export function namesArgument(text: string): string[] {
  return text === '' ? [] : text.split(',').map(name => nameArgument(name.trim()))
}

/** A whole number from `least` to `most`. */
export function countArgument(least: number, most: number): (text: string) => number {
  return text => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= least && value <= most) return value
    throw new InvalidArgumentError(`expected ${least} to ${most}`)
  }
}

/** A member: `nas`, or `nas=2` for one of weight 2. */
export function memberArgument(text: string): string | { readonly gateway: string; readonly weight: number } {
  const [name = '', weight, ...rest] = text.split('=')
  if (rest.length > 0) throw new InvalidArgumentError('expected GATEWAY or GATEWAY=WEIGHT')
  const gateway = nameArgument(name)
  return weight === undefined ? gateway : { gateway, weight: countArgument(1, 1000)(weight) }
}

export function membersArgument(text: string): ReturnType<typeof memberArgument>[] {
  return text === '' ? [] : text.split(',').map(one => memberArgument(one.trim()))
}

/** What a pool does when nobody can serve: `fail_open`, `hold`, `hold=30s` or `fallback=spare`. */
export function allDownArgument(text: string): Readonly<Record<string, string>> {
  const [action = '', what, ...rest] = text.split('=')
  if (rest.length === 0 && what === undefined && /^(fail_closed|fail_open|hold)$/.test(action)) return { action }
  if (rest.length === 0 && what !== undefined && action === 'hold') return { action, hold: what }
  if (rest.length === 0 && what !== undefined && action === 'fallback') return { action, pool: nameArgument(what) }
  throw new InvalidArgumentError('expected fail_closed, fail_open, hold, hold=TIME or fallback=POOL')
}

/** Which agent of a gateway. */
export function instanceArgument(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(text)) return text
  throw new InvalidArgumentError('an instance has 1 to 128 letters, digits and . _ : -')
}

/** Ms of `90s`, `5m` or `2h`. Loads the schema's own reading of it when it is needed, which `gatepool --help` should not wait for. */
export async function duration(text: string): Promise<number> {
  const { parseDuration } = await import('../config/units.ts')
  const ms = parseDuration(text)
  if (Number.isNaN(ms)) throw new InvalidArgumentError(`${text}: expected a time such as 90s, 5m or 2h`)
  return ms
}

/** `2h` from now, in ms since 1970, or a moment as ISO 8601 writes it. */
export async function moment(text: string): Promise<number | string> {
  return /^\d{4}-/.test(text) ? text : Date.now() + (await duration(text))
}

/** `2h` ago, in ms since 1970, or a moment as ISO 8601 writes it. */
export async function past(text: string): Promise<number | string> {
  return /^\d{4}-/.test(text) ? text : Date.now() - (await duration(text))
}

export interface Named {
  readonly name: string
  readonly title?: string
}

/**
 * `Home network` is named home-network and keeps its title; what is a name already is a name. `name` goes before what the title makes.
 */
export function named(text: string, name?: string): Named {
  const made = name ?? slug(text)
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(made)) {
    throw new InvalidArgumentError('no name can be made of this title: give one with --name')
  }
  return made === text ? { name: made } : { name: made, title: text }
}

const MOST_NAME = 32

function slug(title: string): string {
  // NFKD takes the accents off the letters, and what is no letter of a name becomes a hyphen.
  const letters = title.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  const words = letters.replace(/[^a-z0-9]+/g, '-').replace(/^-/, '')
  return words.slice(0, MOST_NAME).replace(/-$/, '')
}
