/** What is different between two definitions, for people who are about to apply one of them. */
import type { Written } from './sparse.ts'

export interface Difference {
  readonly kind: 'added' | 'removed' | 'changed'
  /** `pool:home-network`, or `settings`. */
  readonly object: string
  /** What was changed: field → before and after; empty for what comes or goes as a whole. */
  readonly fields: Readonly<Record<string, { readonly before?: unknown; readonly after?: unknown }>>
}

const SECTIONS = [
  ['gateway', 'gateways'],
  ['pool', 'pools'],
  ['route', 'routes'],
] as const

type Fields = Readonly<Record<string, unknown>>

/** From `before` to `after`, both with all their defaults; removed first within a kind, then in order. */
export function differences(before: Written, after: Written): Difference[] {
  const settings = changedFields(before.settings ?? {}, after.settings ?? {})
  const objects = SECTIONS.flatMap(([kind, section]): Difference[] => {
    const [old, now] = [byName(before[section] ?? []), byName(after[section] ?? [])]
    const gone = [...old.keys()].filter(name => !now.has(name))
    const rest = [...now].flatMap(([name, value]): Difference[] => {
      const was = old.get(name)
      if (was === undefined) return [{ kind: 'added', object: `${kind}:${name}`, fields: {} }]
      const fields = changedFields(was, value)
      return Object.keys(fields).length === 0 ? [] : [{ kind: 'changed', object: `${kind}:${name}`, fields }]
    })
    return [...gone.map((name): Difference => ({ kind: 'removed', object: `${kind}:${name}`, fields: {} })), ...rest]
  })
  return Object.keys(settings).length === 0
    ? objects
    : [{ kind: 'changed', object: 'settings', fields: settings }, ...objects]
}

function byName(objects: readonly Fields[]): Map<string, Fields> {
  return new Map(objects.map(object => [String(object.name), object]))
}

function changedFields(before: Fields, after: Fields): Difference['fields'] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return Object.fromEntries(
    keys.flatMap(key =>
      JSON.stringify(before[key]) === JSON.stringify(after[key])
        ? []
        : [[key, { before: before[key], after: after[key] }]],
    ),
  )
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const

/** A line for each object, and below it one for each field. */
export function differenceWords(all: readonly Difference[]): string {
  const value = (one: unknown) => (one === undefined ? 'nothing' : typeof one === 'string' ? one : JSON.stringify(one))
  return all
    .flatMap(({ kind, object, fields }) => [
      `${SIGNS[kind]} ${object.replace(':', ' ')}`,
      ...Object.entries(fields).map(([key, { before, after }]) => `    ${key}: ${value(before)} → ${value(after)}`),
    ])
    .map(line => `${line}\n`)
    .join('')
}
