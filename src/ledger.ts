/**
 * The shared door: `commit` takes a pure change to the store by compare-and-set and, once it is there, to the local door. What cannot be
 * done is a value (`Refusal`), not an exception.
 */
import { foresee } from './core/advance.ts'
import { type Change, type Proposal, versioned } from './core/changes.ts'
import type { Documents, Fact } from './core/events.ts'
import type { Snapshot } from './core/nouns.ts'
import { exceeds, type Scope } from './core/scope.ts'
import type { AuditDraft, News, Store, Values, Write } from './core/store.ts'
import { isRefusal, type Refusal, refuse } from './errors.ts'
import type { State } from './state.ts'

/** How often a change is asked again when others were faster. */
const MOST_TRIES = 5

export interface Committed {
  readonly kind: 'committed'
  /** The store's revision after it; the present one of what was asked about when nothing had to change. */
  readonly revision: number
  readonly facts: readonly Fact[]
  /** As it was right after it: others may have gone on since. */
  readonly snapshot: Snapshot
}

export interface Ledger {
  /** Commits `change` in the name of `by`. One at a time, in order of the calls. What was `asked` for leaves its audit record. */
  commit(change: Change, by: string, asked?: Asked): Promise<Committed | Refusal>
  /** Takes in what others have committed, as `ask` answers it: between two commits, never beside one. Resolves when it is in the snapshot. */
  takeIn<T extends News | Refusal>(ask: () => Promise<T>): Promise<T>
  /** How often somebody else was faster, so that a change had to be made again. */
  readonly conflicts: number
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
  let conflicts = 0

  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const mine = last.then(run)
    // A store in this process answers within the turn: many changes at once would keep traffic waiting until the last of them.
    last = mine.then(nextTurn, nextTurn)
    return mine
  }

  const apply = ({ documents, heard, facts, beats, first = false }: News, at: number) => {
    // First: whoever hears that a gateway is back has to know the beat that it came back with.
    if (beats.size > 0) state.apply({ kind: 'beats', beats, at })
    const { world } = state.snapshot
    const isNews = ([name, { revision, value }]: [string, { readonly revision: number; readonly value: unknown }]) => {
      // Where definitions come from the file, those in the store (somebody's, or none at all) must not take their place.
      if (name === 'definitions' && definitions === 'file') return false
      const known = world[name as keyof Values]
      // Another store that took the place of ours may have others under the same number.
      return known.revision !== revision || known.value !== value
    }
    const news: Partial<Documents> = Object.fromEntries(Object.entries(documents).filter(isNews))
    if (Object.keys(news).length + heard.length + facts.length === 0) return
    state.apply({ kind: 'committed', documents: news, facts, heard, first, at })
  }

  /** What decisions were made from has to stand still: who serves follows from all of it. */
  const expectations = (world: Documents, written: Partial<Values>): Write['expect'] => ({
    ...(definitions === 'store' ? { definitions: world.definitions.revision } : {}),
    holds: world.holds.revision,
    liveness: world.liveness.revision,
    ...(written.access ? { access: world.access.revision } : {}),
  })

  const attempt = async (change: Change, by: string, asked?: Asked): Promise<Committed | Refusal> => {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { snapshot } = state
      const { world } = snapshot
      const now = store.now()
      const proposal = change(world, now)
      if (proposal === null) return { kind: 'committed', revision: world.definitions.revision, facts: [], snapshot }
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
      if (result.kind === 'conflict') {
        conflicts++
        apply(result, now)
        continue
      }
      apply({ ...result, heard: [], beats: new Map() }, now)
      const { revision, facts: committed } = result
      return { kind: 'committed', revision, facts: committed, snapshot: state.snapshot }
    }
    return refuse('revision_conflict', 'others keep changing the same thing: try again')
  }

  return {
    get conflicts() {
      return conflicts
    },
    commit: (change, by, asked) => inTurn(() => attempt(change, by, asked)),
    takeIn: ask =>
      inTurn(async () => {
        const news = await ask()
        if (!isRefusal(news)) apply(news, store.now())
        return news
      }),
  }
}

/** Resolves when the event loop has come round. */
function nextTurn(): Promise<void> {
  return new Promise(resolve => void setImmediate(resolve))
}

function auditOf(
  { action, request_id }: Asked,
  what: NonNullable<Proposal['audit']>,
  by: string,
  at: number,
): AuditDraft {
  return { at, by, action, request_id, ...what }
}
