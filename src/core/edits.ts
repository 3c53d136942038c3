/**
 * How definitions change by the API: as one whole document, checked as a whole, with a stamp for each object. Which change is made is said
 * in `edits-objects.ts` and `edits-members.ts`.
 */
import type { ErrorCode, Refusal } from '../errors.ts'
import { type Change, differences, everyName, type Proposal } from './changes.ts'
import type { Definitions, Settings, Versioned, World } from './nouns.ts'
import { own } from './own.ts'
import type { Values } from './store.ts'

/** Does `next` fit together? Made from the same rules that the configuration file has to pass. */
export type Check = (next: Definitions, before: Definitions) => Refusal | null

/** The revisions that an object may have for it to be changed; `*`: any; undefined: nobody cares. */
export type IfMatch = '*' | readonly number[] | undefined

/** On what terms somebody wants a change. */
export interface Terms {
  readonly check: Check
  readonly ifMatch?: IfMatch
}

/** The revision that last changed `object` (`pool:NAME` and the like, `settings`): its ETag. */
export function stampOf({ revision, value }: Versioned<Definitions>, object: string): number {
  return own(value.stamps ?? {}, object) ?? revision
}

/** Null when `ifMatch` takes the revision `stamp`; undefined: a thing that has none. */
export function unmet(ifMatch: IfMatch, stamp: number | undefined): Refusal | null {
  if (ifMatch === undefined || ifMatch === '*' || (stamp !== undefined && ifMatch.includes(stamp))) return null
  if (stamp === undefined) return no('precondition_failed', 'what is asked for has no entity tag')
  return no('precondition_failed', `it is at revision ${stamp} now: read it again`, { etag: `"${stamp}"` })
}

/**
 * Makes the definitions `next`; null when they are that already. `subject` is whom the audit record is about, if that is not the only
 * thing that changes.
 */
export function redefine(
  world: World,
  next: Definitions,
  now: number,
  cause: string,
  check: Check,
  subject?: string,
): Proposal | Refusal | null {
  const { definitions } = world
  const names = differences(definitions.value, next)
  const [first] = names
  if (first === undefined) return null
  const refusal = check(next, definitions.value)
  if (refusal !== null) return refusal
  // The revision of this change is the store's to give, so only what it leaves alone is stamped.
  const different = new Set(names)
  const left = [...everyName(next), 'settings'].filter(name => !different.has(name))
  const stamps = Object.fromEntries(left.map(name => [name, stampOf(definitions, name)]))
  const alone = names.length === 1
  const said = (all: Definitions) => {
    const objects = objectsOf(all)
    const of = (name: string) => objects.get(name) ?? null
    return alone ? of(first) : Object.fromEntries(names.map(name => [name, of(name)]))
  }
  return {
    documents: { definitions: { ...next, stamps }, ...withoutStrangers(world, next) },
    facts: [{ kind: 'definitions_changed', at: now, subject: 'definitions', cause, changed: names }],
    audit: {
      subject: subject ?? (alone ? first : 'definitions'),
      before: said(definitions.value),
      after: said(next),
    },
  }
}

/** Everything at once: an import, or what was before. */
export function replaceDefinitions(next: Definitions, cause: string, { check, ifMatch }: Terms): Change {
  return (world, now) =>
    unmet(ifMatch, world.definitions.revision) ?? redefine(world, next, now, cause, check, 'definitions')
}

/** The settings as `make` makes them of what they are. */
export function alterSettings(make: (before: Settings) => Settings | Refusal, { check, ifMatch }: Terms): Change {
  return (world, now) => {
    const { value } = world.definitions
    const refusal = unmet(ifMatch, stampOf(world.definitions, 'settings'))
    if (refusal !== null) return refusal
    const settings = make(value.settings)
    return isNo(settings) ? settings : redefine(world, { ...value, settings }, now, 'settings_changed', check)
  }
}

/** What belongs to gateways and pools that are no more goes with them: whoever gets such a name later begins anew. */
function withoutStrangers({ holds, liveness }: World, { gateways, pools }: Definitions): Partial<Values> {
  const names = new Set(gateways.map(({ name }) => name))
  const nextHolds = changed(holds.value, {
    gateways: only(holds.value.gateways, names),
    windows: only(holds.value.windows, names),
    failovers: only(holds.value.failovers, new Set(pools.map(({ name }) => name))),
  })
  const nextLiveness = changed(liveness.value, {
    gateways: only(liveness.value.gateways, names),
    instances: only(liveness.value.instances, names),
    refused: only(liveness.value.refused, names),
  })
  return { ...(nextHolds && { holds: nextHolds }), ...(nextLiveness && { liveness: nextLiveness }) }
}

/** Null when it is the same in all its parts. */
function changed<T extends object>(before: T, after: T): T | null {
  return (Object.keys(after) as (keyof T)[]).every(key => after[key] === before[key]) ? null : after
}

/** The same record when there is nothing to leave out. */
function only<T>(record: Readonly<Record<string, T>>, names: ReadonlySet<string>): Readonly<Record<string, T>> {
  const entries = Object.entries(record)
  const kept = entries.filter(([name]) => names.has(name))
  return kept.length === entries.length ? record : Object.fromEntries(kept)
}

/** What `pool:NAME` and the like stand for. */
function objectsOf({ gateways, pools, routes, settings }: Definitions): ReadonlyMap<string, unknown> {
  const objects = new Map<string, unknown>([['settings', settings]])
  for (const gateway of gateways) objects.set(`gateway:${gateway.name}`, gateway)
  for (const pool of pools) objects.set(`pool:${pool.name}`, pool)
  for (const route of routes) objects.set(`route:${route.name}`, route)
  return objects
}

/** `core` loads nothing, not even `refuse`. */
export function no(code: ErrorCode, detail: string, extra?: Refusal['extra']): Refusal {
  return { kind: 'refusal', code, detail, ...(extra === undefined ? {} : { extra }) }
}

export function isNo(outcome: object): outcome is Refusal {
  return 'kind' in outcome && outcome.kind === 'refusal'
}
