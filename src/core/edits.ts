/**
 * How definitions change by the API: as one whole document, checked as a whole, with a stamp for each object. Which change is made is said
 * in the files that use this.
 */
import type { Refusal } from '../errors.ts'
import { differences, everyName, type Proposal } from './changes.ts'
import type { Definitions, Versioned, World } from './nouns.ts'
import { own } from './own.ts'

/** Does it fit together? Made from the same rules that the configuration file has to pass. */
export type Check = (definitions: Definitions) => Refusal | null

/** The revisions that an object may have for it to be changed; `*`: any; undefined: nobody cares. */
export type IfMatch = '*' | readonly number[] | undefined

/** The revision that last changed `object` (`pool:NAME` and the like, `settings`): its ETag. */
export function stampOf({ revision, value }: Versioned<Definitions>, object: string): number {
  return own(value.stamps ?? {}, object) ?? revision
}

/** Makes the definitions `next`; null when they are that already. */
export function redefine(
  { definitions }: World,
  next: Definitions,
  now: number,
  cause: string,
  check: Check,
): Proposal | Refusal | null {
  const names = differences(definitions.value, next)
  if (names.length === 0) return null
  const refusal = check(next)
  if (refusal !== null) return refusal
  // The revision of this change is the store's to give, so only what it leaves alone is stamped.
  const left = [...everyName(next), 'settings'].filter(name => !names.includes(name))
  const stamps = Object.fromEntries(left.map(name => [name, stampOf(definitions, name)]))
  return {
    documents: { definitions: { ...next, stamps } },
    facts: [{ kind: 'definitions_changed', at: now, subject: 'definitions', cause, changed: names }],
  }
}
