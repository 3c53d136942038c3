/**
 * What is wrong with a value, and where in it. One language for everything that is checked against the schema, whether it came from
 * the file or through the API; `load.ts` turns paths into lines and columns.
 *
 * No message repeats a value: it may be a secret that stands in the wrong place. Names and keys may appear.
 */
import { z } from 'zod'
import type { ErrorCode } from '../errors.ts'
import { didYouMean, quote } from './suggest.ts'

export type Path = readonly (string | number)[]

export interface Finding {
  readonly path: Path
  readonly code: ErrorCode
  readonly message: string
  /** The type that belongs there, when what is there has another one. */
  readonly expected?: string
}

/** `pools[0].members[1].weight`; keys of strangers are shortened. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    const key = /^[\w-]{1,40}$/.test(part) ? part : quote(part)
    return text === '' ? key : `${text}.${key}`
  }, '')
}

export type Checked<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'findings'; readonly findings: readonly Finding[] }

/** `input` as `schema` understands it, with its defaults, or everything that is wrong with it. */
export function check<S extends z.ZodType>(schema: S, input: unknown): Checked<z.output<S>> {
  const result = schema.safeParse(input, { error: explain })
  if (result.success) return { kind: 'value', value: result.data }
  return { kind: 'findings', findings: result.error.issues.flatMap(issue => findingsOf(issue, [])) }
}

function findingsOf(issue: z.core.$ZodIssue, above: Path): Finding[] {
  const path = [...above, ...issue.path.map(part => (typeof part === 'number' ? part : String(part)))]
  const finding = (message: string, at: Path = path): Finding => ({ path: at, code: 'bad_request', message })
  switch (issue.code) {
    case 'unrecognized_keys':
      // One line for each key, see `explain`.
      return issue.message.split('\n').map((line, index) => finding(line, [...path, issue.keys[index] ?? '']))
    case 'invalid_union': {
      const meant = meantBranch(issue.errors)
      return meant === undefined ? [finding(issue.message)] : meant.flatMap(inner => findingsOf(inner, path))
    }
    case 'invalid_key':
      // What is wrong with the key as a value.
      return [finding(issue.issues[0]?.message ?? issue.message)]
    case 'invalid_type':
      return [{ ...finding(issue.message), expected: issue.expected }]
    default:
      return [finding(issue.message)]
  }
}

/**
 * The only form of a union whose keys are those that were written, or else the only one whose outside fits and whose inside does not;
 * undefined: nobody can tell which form was meant.
 */
function meantBranch(branches: readonly z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const inside = branches.filter(issues =>
    issues.every(issue => issue.path.length > 0 || issue.code === 'unrecognized_keys'),
  )
  const known = inside.filter(issues => issues.every(issue => issue.path.length > 0))
  if (known.length === 1) return known[0]
  return inside.length === 1 ? inside[0] : undefined
}

/** Unknown keys of one section that are told. */
const MAX_KEYS = 100

const NOUNS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with keys',
  record: 'a section with keys',
}

/** The words for an issue whose schema has none of its own. */
const explain: z.core.$ZodErrorMap = issue => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${NOUNS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return oneOf(issue.values, issue.input)
    case 'unrecognized_keys': {
      const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : []
      return issue.keys
        .slice(0, MAX_KEYS)
        .map(key => `unknown key ${quote(key)}${didYouMean(key, known)}`)
        .join('\n')
    }
    case 'invalid_union':
      return issue.discriminator === undefined ? 'does not have any of the forms it may have' : wrongKind(issue)
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    default:
      return 'is not in the form it must have'
  }
}

/** The key that says which form a section has says none of them. */
function wrongKind(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>): string {
  const { input, discriminator = '', options = [] } = issue
  return oneOf(
    Array.isArray(options) ? options : [],
    (input as Record<string, unknown> | null | undefined)?.[discriminator],
  )
}

function oneOf(values: readonly z.core.util.Primitive[], input: unknown): string {
  const words = values.map(String)
  const hint = typeof input === 'string' ? didYouMean(input, words) : ''
  return words.length === 1 ? `expected ${words[0]}` : `expected one of ${words.join(', ')}${hint}`
}

function bound(origin: string, comparison: string, limit: number | bigint): string {
  if (origin === 'string') return `must have ${comparison} ${limit} characters`
  if (origin === 'array') return `must have ${comparison} ${limit} entries`
  return `must be ${comparison} ${limit}`
}
