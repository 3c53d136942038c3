/**
 * What is made from the schema for people and their editors: the page of every key, and the JSON Schema. So neither can differ from
 * what is accepted.
 */
import { stringify } from 'yaml'
import { z } from 'zod'
import { notAvailable } from './available.ts'
import { config } from './schema.ts'

const HEAD = `# yaml-language-server: $schema=./schema.json
#
# Every key with its default. Made from the schema by \`npm run generate\`: do not edit it here.
# A key behind a # has no default, or is one of several forms, or asks for something that this version does not run yet.
#
# Durations are 250ms, 90s, 5m, 1h, 2d, or a bare number of seconds; sizes are 64KiB, 10MiB, or a bare number of bytes.
# \${NAME} is a variable of the environment, \${NAME:-default} one that may be missing; where NAME_FILE is set instead, the file
# that it names is read. GATEPOOL_CLUSTER, GATEPOOL_REPLICA, GATEPOOL_STORE_PATH, GATEPOOL_ADMIN_LISTEN, GATEPOOL_ADMIN_TOKEN and GATEPOOL_LOG_LEVEL,
# with or without _FILE, go before what the file says.
`

/** JSON Schema (2020-12) of what may be written in the file. */
export function jsonSchema(): Record<string, unknown> {
  return { title: 'gatepool configuration', ...z.toJSONSchema(config, { io: 'input' }) }
}

/** The page of every key, itself a configuration that loads. */
export function referenceYaml(): string {
  const sections = Object.entries(config.shape).map(([key, schema]) => keyLines(key, schema, [key], 0))
  return `${[HEAD, ...sections.map(lines => lines.map(render).join(''))].join('\n')}`
}

interface Line {
  /** Steps of two spaces. */
  readonly depth: number
  readonly text: string
  readonly note: string
  /** The depth at which a # stands before it; absent: it is in force. */
  readonly hiddenAt?: number
}

const NOT_YET = ' (not in this version)'

/** Where the notes begin. */
const NOTE_COLUMN = 46

function render({ depth, text, note, hiddenAt }: Line): string {
  const indent = (steps: number): string => '  '.repeat(steps)
  const code = hiddenAt === undefined ? indent(depth) + text : `${indent(hiddenAt)}# ${indent(depth - hiddenAt)}${text}`
  return note === '' ? `${code}\n` : `${code.padEnd(NOTE_COLUMN)}  # ${note}\n`
}

const hide = (lines: readonly Line[], depth: number): Line[] => lines.map(line => ({ ...line, hiddenAt: depth }))

/** Keys from the top of the file; `*` stands for the entry of a list. */
type Way = readonly string[]

/** True when this version runs `value` at `way`. */
function isAvailable(way: Way, value: unknown): boolean {
  const input = way.reduceRight<unknown>((inner, key) => (key === '*' ? [inner] : { [key]: inner }), value)
  return notAvailable(input).length === 0
}

interface Field {
  /** Without what makes it optional. */
  readonly schema: z.core.$ZodType
  readonly optional: boolean
  /** What stands for it when it is not said: its default, or an example. As it would be written. */
  readonly value: unknown
  readonly description: string
}

function fieldOf(outer: z.core.$ZodType): Field {
  let schema = outer
  let fallback: unknown
  let meta: z.core.GlobalMeta = z.globalRegistry.get(schema) ?? {}
  while (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    if (!(schema instanceof z.ZodOptional)) fallback = schema.def.defaultValue
    schema = schema.def.innerType
    meta = { ...z.globalRegistry.get(schema), ...meta }
  }
  const [example] = Array.isArray(meta.examples)
    ? meta.examples
    : schema instanceof z.ZodLiteral
      ? schema.def.values
      : []
  return {
    schema,
    optional: outer instanceof z.ZodOptional,
    value: fallback ?? example,
    description: meta.description ?? '',
  }
}

const isSection = (schema: z.core.$ZodType): schema is z.ZodObject | z.ZodUnion =>
  schema instanceof z.ZodObject ||
  (schema instanceof z.ZodUnion && schema.options.every(option => option instanceof z.ZodObject))

/** The forms that a section may have: one, or one for each kind of it. */
const formsOf = (schema: z.ZodObject | z.ZodUnion): z.ZodObject[] =>
  schema instanceof z.ZodObject ? [schema] : schema.options.filter(option => option instanceof z.ZodObject)

/** All lines of one key: in force if it has a default that this version runs, hidden otherwise. */
function keyLines(key: string, outer: z.core.$ZodType, way: Way, depth: number): Line[] {
  const { schema, optional, value, description } = fieldOf(outer)
  const head = (text: string, available: boolean): Line => {
    const note = available ? description : description + NOT_YET
    return { depth, text, note }
  }
  if (isSection(schema)) {
    const available = isAvailable(way, {})
    const [first = [], ...others] = formsOf(schema).map(form => sectionLines(form, way, depth + 1))
    const lines = [head(`${key}:`, available), ...(available ? first : withoutNotYet(first))]
    return [
      ...(optional || !available ? hide(lines, depth) : lines),
      ...others.flatMap(form => hide([{ depth, text: `${key}:`, note: '' }, ...form], depth)),
    ]
  }
  if (schema instanceof z.ZodArray && isSection(schema.element)) {
    const available = isAvailable(way, [{}])
    const entries = formsOf(schema.element).flatMap(form => entryLines(sectionLines(form, [...way, '*'], depth + 2)))
    // The sections at the top are what a file is for: they are shown with an entry.
    if (depth === 0) return [head(`${key}:`, available), ...entries]
    const example = [{ depth, text: `${key}:`, note: '' }, ...(available ? entries : withoutNotYet(entries))]
    return [head(`${key}: []`, available), ...hide(example, depth)]
  }
  const available = isAvailable(way, value)
  const line = head(
    `${key}: ${stringify(value, { collectionStyle: 'flow', flowCollectionPadding: true }).trimEnd()}`,
    available,
  )
  return optional || !available ? hide([line], depth) : [line]
}

/** Inside of what is not available, one word at its head is enough. */
const withoutNotYet = (lines: readonly Line[]): Line[] =>
  lines.map(line => ({ ...line, note: line.note.replace(NOT_YET, '') }))

function sectionLines(section: z.ZodObject, way: Way, depth: number): Line[] {
  return Object.entries(section.shape).flatMap(([key, schema]) => keyLines(key, schema, [...way, key], depth))
}

/** The lines of an entry, its first one behind a dash. */
function entryLines([first, ...others]: readonly Line[]): Line[] {
  return first === undefined ? [] : [{ ...first, depth: first.depth - 1, text: `- ${first.text}` }, ...others]
}
