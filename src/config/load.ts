/**
 * From a file to a configuration, or to every problem in it at once, each at its place. Bad input is an answer and never an exception.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import type { z } from 'zod'
import { type ErrorCode, errors } from '../errors.ts'
import { notAvailable } from './available.ts'
import { gateway, pool, route } from './definitions.ts'
import { type ReadDocument, readDocument } from './document.ts'
import { type Environment, fill, lookUp, overrides, type ReadText } from './environment.ts'
import { check, type Finding, type Path, pathText } from './findings.ts'
import { checkDefinitions, checkSections, type Entry, type Sections } from './references.ts'
import { type Config, config as configSchema, listener } from './schema.ts'
import { formatSize } from './units.ts'

/** Bytes of a configuration file: some ten thousand gateways. */
export const MAX_FILE = 8 * 2 ** 20

/** Bytes of a file that holds a secret. */
const MAX_SECRET = 64 * 2 ** 10

/** More problems than anybody reads at once. */
const MAX_PROBLEMS = 100

export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** `pools[0].members[1]`; empty when the file as a whole is meant. */
  readonly path: string
  readonly code: ErrorCode
  readonly message: string
}

export type Loaded =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }

/** Reads and checks the file at `path`; `env` fills its `${NAME}`s and goes before it where it may. */
export function loadConfig(path: string, env: Environment): Loaded {
  const read = readBounded(path, MAX_FILE)
  if ('text' in read) return parseConfig(read.text, path, env)
  const problem: Problem = {
    file: path,
    line: 1,
    column: 1,
    path: '',
    code: 'bad_request',
    message: `the file ${read.wrong}`,
  }
  return { kind: 'problems', problems: [problem] }
}

/** Text of at most `limit` bytes. Never asks how large the file is: a pipe or a device does not know. */
function readBounded(path: string, limit: number): ReturnType<ReadText> {
  try {
    const file = openSync(path, 'r')
    try {
      const buffer = new Uint8Array(limit + 1)
      let length = 0
      for (let read = -1; read !== 0 && length <= limit; length += read)
        read = readSync(file, buffer, length, buffer.length - length, null)
      if (length > limit) return { wrong: `is larger than ${formatSize(limit)}` }
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length)) }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    // Only the system's word for it: its message may hold more than it should.
    return { wrong: code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8 text' : `cannot be read (${code})` }
  }
}

/** The same for `text`, which calls itself `file` in messages. */
export function parseConfig(
  text: string,
  file: string,
  env: Environment,
  readText: ReadText = path => readBounded(path, MAX_SECRET),
): Loaded {
  const document = readDocument(text, value => fill(value, env, readText))
  const mistakes = document.mistakes.map(
    ({ line, column, message }): Problem => ({ file, line, column, path: '', code: 'bad_request', message }),
  )
  // What is there after a syntax error is not what was meant: anything said about it would only lead astray.
  if (mistakes.length > 0) return { kind: 'problems', problems: mistakes }

  const environment = override(document.value, env, readText)
  const { value, findings } = checkConfig(document, environment)
  const problems = [
    ...environment.findings.map(finding => place(finding, finding.message, file, document)),
    ...findings.map(finding => place(finding, words(finding, document, environment), file, document)),
  ]
  if (value !== undefined && problems.length === 0) return { kind: 'config', config: value }
  return { kind: 'problems', problems: firstOf(problems) }
}

/** `file:line:column: message`, one line each. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems
    .map(
      ({ file, line, column, path, message }) =>
        `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}\n`,
    )
    .join('')
}

interface Overridden {
  readonly input: unknown
  /** Path text → the variable that decides it. */
  readonly by: ReadonlyMap<string, string>
  readonly findings: readonly Finding[]
}

function override(input: unknown, env: Environment, readText: ReadText): Overridden {
  const by = new Map<string, string>()
  const findings: Finding[] = []
  let result = input
  for (const { name, path, section } of overrides(input)) {
    const found = lookUp(name, env, readText)
    if (found.kind === 'unset') continue
    if (found.kind === 'wrong') {
      findings.push({ path, code: 'bad_request', message: found.message })
      continue
    }
    if (section !== undefined) result = replaceIn(result, path.slice(0, 1), old => old ?? section)
    result = replaceIn(result, path, () => found.text)
    by.set(pathText(path), name)
  }
  return { input: result, by, findings }
}

/** A copy of `value` with the value at `path` replaced; what is not a section or a list on the way there is left alone. */
function replaceIn(value: unknown, path: Path, replacement: (old: unknown) => unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return replacement(value)
  if (Array.isArray(value))
    return value.map((entry, index) => (index === key ? replaceIn(entry, rest, replacement) : entry))
  if (value === undefined || value === null) return { [key]: replaceIn(undefined, rest, replacement) }
  if (typeof value !== 'object') return value
  return { ...value, [key]: replaceIn((value as Record<string, unknown>)[key], rest, replacement) }
}

interface Understood {
  readonly value: Config | undefined
  readonly findings: readonly Finding[]
}

function checkConfig(document: ReadDocument, { input: written }: Overridden): Understood {
  const input = withPlainValues(document, written)
  const checked = check(configSchema, input)
  const missing = notAvailable(input)
  if (checked.kind === 'value') {
    const { value } = checked
    return { value, findings: [...missing, ...checkDefinitions(value, value)] }
  }
  // What does not have its shape needs no second complaint.
  const others = missing.filter(({ path }) => !checked.findings.some(({ path: wrong }) => begins(path, wrong)))
  return { value: undefined, findings: [...checked.findings, ...others, ...checkSections(sectionsOf(input))] }
}

/**
 * The environment knows only text: where a number, or true or false, is expected and the environment filled the place in, its text is
 * taken for one.
 */
function withPlainValues(document: ReadDocument, input: unknown): unknown {
  if (!document.filled) return input
  const checked = check(configSchema, input)
  if (checked.kind === 'value') return input
  const filled = checked.findings.filter(
    ({ path, expected }) => (expected === 'number' || expected === 'boolean') && document.place(path).filled,
  )
  return filled.reduce((value, { path }) => replaceIn(value, path, asPlain), input)
}

function asPlain(text: unknown): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return typeof text === 'string' && /^-?\d{1,15}(\.\d+)?$/.test(text) ? Number(text) : text
}

/** The entries of each section one by one, so that one bad entry does not hide what is wrong with the references of the others. */
function sectionsOf(input: unknown): Sections {
  return {
    own: {},
    listeners: entries(listener, input, 'listeners', ['protocol']),
    gateways: entries(gateway, input, 'gateways', ['liveness']),
    pools: entries(pool, input, 'pools', []),
    routes: entries(route, input, 'routes', ['enabled', 'protocol', 'listener', 'match']),
  }
}

/**
 * What is wrong inside of an entry is told already and left out here, to see the rest of it: unless it is one of `vital`, whose
 * default would make the entry look like something that it is not.
 */
function entries<S extends z.ZodType>(
  schema: S,
  input: unknown,
  section: string,
  vital: readonly string[],
): Entry<z.output<S>>[] {
  const list = isObject(input) ? input[section] : undefined
  if (!Array.isArray(list)) return []
  return list.map((entry: unknown) => {
    if (!isObject(entry)) return { name: undefined, value: undefined }
    const name = typeof entry.name === 'string' ? entry.name : undefined
    const checked = check(schema, entry)
    if (checked.kind === 'value') return { name, value: checked.value }
    const wrong = new Set(checked.findings.map(({ path }) => path[0]))
    if (vital.some(key => wrong.has(key))) return { name, value: undefined }
    const rest = check(schema, Object.fromEntries(Object.entries(entry).filter(([key]) => !wrong.has(key))))
    return { name, value: rest.kind === 'value' ? rest.value : undefined }
  })
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const begins = (path: Path, start: Path): boolean => start.every((key, index) => path[index] === key)

function words({ path, code, message }: Finding, document: ReadDocument, { by }: Overridden): string {
  const variable = by.get(pathText(path))
  if (variable !== undefined) return `${variable}: ${message}`
  const { exact, filled } = document.place(path)
  // Such a message repeats a name, and this one may have been a secret.
  if (filled && code !== 'bad_request' && code !== 'not_available')
    return `${errors[code].title} (the environment filled this in)`
  return exact ? message : `missing: ${message}`
}

function place({ path, code }: Finding, message: string, file: string, document: ReadDocument): Problem {
  const { line, column } = document.place(path)
  return { file, line, column, path: pathText(path), code, message }
}

function firstOf(problems: Problem[]): Problem[] {
  const ordered = problems.sort((a, b) => a.line - b.line || a.column - b.column)
  const shown = ordered.slice(0, MAX_PROBLEMS)
  const next = ordered[MAX_PROBLEMS]
  if (next === undefined) return shown
  return [...shown, { ...next, path: '', message: `and ${ordered.length - MAX_PROBLEMS} more problems` }]
}
