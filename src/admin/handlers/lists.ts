/** What handlers of lists and of single things have in common. */
import { type Refusal, refuse } from '../../errors.ts'

export function nothing(kind: string, name: string): Refusal {
  return refuse('not_found', `there is no ${kind} ${short(name)}`)
}

/** A name somebody made up, as far as it is worth repeating. */
export const short = (name: string): string => JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name)

export const byName = <T extends { readonly name: string }>(items: readonly T[]): T[] =>
  items.toSorted((a, b) => (a.name < b.name ? -1 : 1))

/** A list by name, so that a cursor stays good when the item it names is gone. */
export function part<T extends { readonly name: string }, Row>(
  all: readonly T[],
  { limit, after }: { limit: number; after?: string | undefined },
  row: (item: T) => Row,
): { items: Row[]; next: string | null } {
  const following = byName(all.filter(({ name }) => after === undefined || name > after))
  const items = following.slice(0, limit)
  return { items: items.map(row), next: following.length > limit ? (items.at(-1)?.name ?? null) : null }
}

/** `fields` without those that are undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: Partial<T> = {}
  for (const key in fields) if (fields[key] !== undefined) kept[key] = fields[key]
  return kept as never
}
