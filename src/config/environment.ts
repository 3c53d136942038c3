/**
 * What the environment says: `${NAME}` inside the file, and the few settings that `GATEPOOL_…` variables decide over the file's head.
 * Each variable can also come from a file, named by the variable with `_FILE` behind it: that is how container platforms hand secrets in.
 */
export type Environment = Readonly<Record<string, string | undefined>>

/** Reads a small text file, or says in words why it cannot. */
export type ReadText = (path: string) => { readonly text: string } | { readonly wrong: string }

export type Lookup =
  | { readonly kind: 'value'; readonly text: string }
  | { readonly kind: 'unset' }
  | { readonly kind: 'wrong'; readonly message: string }

/** The value of variable `name`. No answer holds what a file contains, apart from the value itself. */
export function lookUp(name: string, env: Environment, readText: ReadText): Lookup {
  const direct = env[name]
  const file = env[`${name}_FILE`]
  if (file === undefined || file === '')
    return direct === undefined ? { kind: 'unset' } : { kind: 'value', text: direct }
  if (direct !== undefined)
    return { kind: 'wrong', message: `both ${name} and ${name}_FILE are set: only one of them can be meant` }
  const read = readText(file)
  if ('wrong' in read) return { kind: 'wrong', message: `the file that ${name}_FILE names ${read.wrong}` }
  // An editor ends the file with a line break that nobody means.
  return { kind: 'value', text: read.text.replace(/\r?\n$/, '') }
}

export interface Filled {
  readonly text: string
  /** Something was put in: what the text says now must not be repeated in a message. */
  readonly filled: boolean
  readonly problems: readonly string[]
}

/** `$$`, `${NAME}` or `${NAME:-default}`; a `${` that is none of them is caught by the last. */
const REFERENCE = /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g

/** Puts the environment into `text`. `$$` is a plain `$`; the default stands in for a variable that is not set, or empty. */
export function fill(text: string, env: Environment, readText: ReadText): Filled {
  if (!text.includes('$')) return { text, filled: false, problems: [] }
  const problems: string[] = []
  let filled = false
  const result = text.replace(REFERENCE, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole === '$$') return '$'
    if (name === undefined) {
      problems.push('expected ${NAME} or ${NAME:-default}; a plain $ before { is written $$')
      return ''
    }
    filled = true
    const found = lookUp(name, env, readText)
    if (found.kind === 'wrong') problems.push(found.message)
    else if (found.kind === 'value' && (found.text !== '' || fallback === undefined)) return found.text
    else if (fallback === undefined)
      problems.push(`the environment variable ${name} is not set, and neither is ${name}_FILE`)
    return fallback ?? ''
  })
  return { text: result, filled, problems }
}

export interface Override {
  readonly name: string
  /** Where in the file its value belongs. */
  readonly path: readonly [section: string, ...keys: string[]]
  /** What that section is when the file has none. */
  readonly section?: Readonly<Record<string, string>>
}

/** The variables that go before the file. `input` is the file's content: which kind of store it has decides where a path belongs. */
export function overrides(input: unknown): readonly Override[] {
  const isRedis = inside(inside(input, 'store'), 'kind') === 'redis'
  return [
    { name: 'GATEPOOL_CLUSTER', path: ['cluster'] },
    { name: 'GATEPOOL_REPLICA', path: ['replica'] },
    { name: 'GATEPOOL_STORE_PATH', path: ['store', isRedis ? 'cache' : 'path'], section: { kind: 'embedded' } },
    { name: 'GATEPOOL_ADMIN_LISTEN', path: ['admin', 'listen'] },
    { name: 'GATEPOOL_ADMIN_TOKEN', path: ['admin', 'token'] },
    { name: 'GATEPOOL_LOG_LEVEL', path: ['logging', 'level'] },
  ]
}

const inside = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
