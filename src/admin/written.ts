/**
 * Definitions as clients write them: from bodies and patches to definitions, or to everything that is wrong with them, each problem at
 * its place in what was sent.
 */
import { z } from 'zod'
import { notAvailable } from '../config/available.ts'
import {
  definitions as definitionsSchema,
  gateway,
  pool,
  route,
  settings as settingsSchema,
} from '../config/definitions.ts'
import { check, type Finding, type Path, pathText } from '../config/findings.ts'
import { checkDefinitions, type OwnListeners } from '../config/references.ts'
import type { Config } from '../config/schema.ts'
import type { Check } from '../core/edits.ts'
import type { Item, Kind } from '../core/edits-objects.ts'
import type { Definitions, Settings } from '../core/nouns.ts'
import { type Refusal, refuse } from '../errors.ts'

/** Problems told at once. */
const MOST_FINDINGS = 50

/** Everything that was found, or the first so many; a wrong shape goes before what a right one would mean. */
export function refuseFindings(findings: readonly Finding[], place: (path: Path) => Path): Refusal {
  const problems = findings
    .slice(0, MOST_FINDINGS)
    .map(({ path, code, message }) => ({ at: pathText(place(path)), code, message }))
  const first = problems.find(({ code }) => code === 'bad_request') ?? problems[0]
  if (first === undefined) return refuse('bad_request', 'it does not have its shape')
  return refuse(first.code, `${first.at}: ${first.message}`, { problems })
}

const inBody = (path: Path): Path => ['body', ...path]

const schemas = { gateway, pool, route } as const
const SECTIONS = { gateway: 'gateways', pool: 'pools', route: 'routes' } as const

/** An object that was sent, in the form in which it is kept; refused where it asks for what this version does not run. */
export function available<K extends Kind>(kind: K, object: Item<K>): Item<K> | Refusal {
  const missing = notAvailable({ [SECTIONS[kind]]: [z.encode<z.ZodType>(schemas[kind], object)] })
  return missing.length === 0 ? object : refuseFindings(missing, ([, , ...path]) => inBody(path))
}

/** A body that is to take the place of the object `name`. */
export function replacement<K extends Kind>(
  kind: K,
  name: string,
  body: Omit<Item<K>, 'name'> & { readonly name?: string | undefined },
): Item<K> | Refusal {
  if (body.name !== undefined && body.name !== name) return renamed(name)
  // In the order of the schema: what is compared later is the text.
  return available(kind, { name, ...body } as Item<K>)
}

/** `object` with a JSON merge patch (RFC 7396) applied to its written form: null takes a field back to its default. */
export function patched<K extends Kind>(kind: K, object: Item<K>, patch: unknown): Item<K> | Refusal {
  const written = z.encode<z.ZodType>(schemas[kind], object)
  const checked = check(schemas[kind], merge(written, patch))
  if (checked.kind === 'findings') return refuseFindings(checked.findings, inBody)
  const after = checked.value as Item<K>
  return after.name === object.name ? available(kind, after) : renamed(object.name)
}

export function patchedSettings(settings: Settings, patch: unknown): Settings | Refusal {
  const merged = merge(z.encode(settingsSchema, settings), patch)
  const checked = check(settingsSchema, merged)
  if (checked.kind === 'findings') return refuseFindings(checked.findings, inBody)
  const missing = notAvailable({ settings: merged })
  return missing.length === 0 ? checked.value : refuseFindings(missing, ([, ...path]) => inBody(path))
}

/** Definitions as a whole that were sent. */
export function availableDefinitions(definitions: Definitions): Definitions | Refusal {
  const missing = notAvailable(writtenDefinitions(definitions))
  return missing.length === 0 ? definitions : refuseFindings(missing, inBody)
}

/** Without what the store keeps beside them. */
export function bare({ settings, gateways, pools, routes }: Definitions): Definitions {
  return { settings, gateways, pools, routes }
}

function writtenDefinitions(definitions: Definitions): unknown {
  return z.encode(definitionsSchema, bare(definitions))
}

function renamed(name: string): Refusal {
  const path = ['name']
  return refuseFindings([{ path, code: 'bad_request', message: `a name never changes: this is ${name}` }], inBody)
}

/** No definition is nested so deep; whoever sends more is told by the schema. */
const MOST_DEPTH = 16

function merge(target: unknown, patch: unknown, depth = 0): unknown {
  if (!isObject(patch) || depth > MOST_DEPTH) return patch
  const merged = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, merge(merged.get(key), value, depth + 1))
  }
  return Object.fromEntries(merged)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Where a finding is in what was sent, if it is in there: one about the object `object` (`pool:NAME` and the like), at `inside` of it,
 * and at `path` of the whole document.
 */
export type Places = (object: string, inside: Path, path: Path) => Path | undefined

/** What was sent is `subject`, or what `part` makes of the places in it. */
export const sent =
  (subject: string, part: (inside: Path) => Path = inside => inside): Places =>
  (object, inside) =>
    object === subject ? inBody(part(inside)) : undefined

export const sentWhole: Places = (_object, _inside, path) => inBody(path)
export const notSent: Places = () => undefined

/**
 * How definitions are checked as a whole. `file` is what this replica's file says of listeners. What was wrong before (a listener that
 * the file has no more, say) is nobody's fault now, and does not keep people from changing something else.
 */
export function checker(file: () => OwnListeners & Pick<Config, 'listeners'>, places: Places): Check {
  return (next, before) => {
    const found = checkDefinitions(next, file())
    if (found.length === 0) return null
    const known = new Set(checkDefinitions(before, file()).map(finding => identity(finding, before)))
    const added = found.filter(finding => !known.has(identity(finding, next)))
    return added.length === 0 ? null : refuseFindings(added, path => named(path, next, places))
  }
}

function identity({ path, code, message }: Finding, definitions: Definitions): string {
  return JSON.stringify([named(path, definitions, notSent), code, message])
}

/** `pools.main.members[0]` instead of `pools[2].members[0]`: clients know names, not places in a document that they did not send. */
function named(path: Path, definitions: Definitions, places: Places): Path {
  const [section, index, ...rest] = path
  for (const [kind, key] of Object.entries(SECTIONS)) {
    const name = section === key && typeof index === 'number' ? definitions[key][index]?.name : undefined
    if (name !== undefined) return places(`${kind}:${name}`, rest, path) ?? [key, name, ...rest]
  }
  return path
}
