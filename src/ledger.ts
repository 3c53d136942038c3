/**
 * The shared door: `commit` takes a pure change to the store by compare-and-set and, once it is there, to the local door. What cannot be
 * done is a value (`Refusal`), not an exception.
 */
import { foresee } from './core/advance.ts'
import type { Change, Proposal } from './core/changes.ts'
import type { Documents, Fact } from './core/events.ts'
import { exceeds, type Scope } from './core/scope.ts'
import type { AuditDraft, Store, Values } from './core/store.ts'
import { type Refusal, refuse } from './errors.ts'
import type { State } from './state.ts'

/** How often a change is asked again when others were faster. */
const MOST_TRIES = 5

export interface Committed {
  readonly kind: 'committed'
  /** The store's revision after it; the present one of what was asked about when nothing had to change. */
  readonly revision: number
  readonly facts: readonly Fact[]
}

export interface Ledger {
  /** Commits `change` in the name of `by`. One at a time, in order of the calls. What was `asked` for leaves its audit record. */
  commit(change: Change, by: string, asked?: Asked): Promise<Committed | Refusal>
}

/** The request to the admin API that a change comes from, and what it may change. */
export interface Asked extends Pick<AuditDraft, 'action' | 'request_id'> {
  /** Absent: everything. */
  readonly scope?: Scope
}

export interface LedgerOptions {
  readonly state: State
  readonly store: Store
  /** `file`: definitions come from this replica's file, and changing them here is refused (`defined_by_file`). */
  readonly definitions: 'file' | 'store'
}

export function createLedger({ state, store, definitions }: LedgerOptions): Ledger {
  let last: Promise<unknown> = Promise.resolve()

  const attempt = async (change: Change, by: string, asked?: Asked): Promise<Committed | Refusal> => {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { snapshot } = state
      const { world } = snapshot
      const now = store.now()
      const proposal = change(world, now)
      if (proposal === null) return { kind: 'committed', revision: world.definitions.revision, facts: [] }
      if ('kind' in proposal) return proposal
      const refusal = exceeds(asked?.scope, world, proposal.documents)
      if (refusal !== null) return refusal
      if (proposal.documents.definitions && definitions === 'file') {
        return refuse('defined_by_file', 'definitions come from the configuration file: change them there')
      }
      const expect = expectations(world, proposal.documents)
      // Who serves after it is told with it, by whoever's commit succeeds: exactly once in the cluster.
      const facts = [...proposal.facts, ...foresee(snapshot, versioned(world, proposal.documents), now)]
      const audit = asked && proposal.audit && auditOf(asked, proposal.audit, by, now)
      const write = { expect, documents: proposal.documents, facts, at: now, by }
      const result = await store.write(audit === undefined ? write : { ...write, audit })
      if (result.kind === 'refusal') return result
      const { definitions: stored, ...others } = result.documents
      state.apply({
        kind: 'committed',
        // Where definitions come from the file, those in the store (somebody's, or none at all) must not take their place.
        documents: definitions === 'file' || stored === undefined ? others : { ...others, definitions: stored },
        facts: result.kind === 'written' ? result.facts : [],
        at: now,
      })
      if (result.kind === 'written') return { kind: 'committed', revision: result.revision, facts: result.facts }
    }
    return refuse('revision_conflict', 'others keep changing the same thing: try again')
  }

  return {
    commit(change, by, asked) {
      const mine = last.then(() => attempt(change, by, asked))
      last = mine.catch(() => undefined)
      return mine
    },
  }
}

function auditOf(
  { action, request_id }: Asked,
  what: NonNullable<Proposal['audit']>,
  by: string,
  at: number,
): AuditDraft {
  return { at, by, action, request_id, ...what }
}

function expectations(world: Documents, documents: Partial<Values>): Partial<Record<keyof Values, number>> {
  return Object.fromEntries(Object.keys(documents).map(name => [name, world[name as keyof Values].revision]))
}

/** The documents as they will be once written; their revision is the store's to give. */
function versioned(world: Documents, documents: Partial<Values>): Partial<Documents> {
  const next: { -readonly [K in keyof Documents]?: Documents[K] } = {}
  if (documents.definitions) next.definitions = { revision: world.definitions.revision, value: documents.definitions }
  if (documents.holds) next.holds = { revision: world.holds.revision, value: documents.holds }
  if (documents.liveness) next.liveness = { revision: world.liveness.revision, value: documents.liveness }
  if (documents.access) next.access = { revision: world.access.revision, value: documents.access }
  return next
}
