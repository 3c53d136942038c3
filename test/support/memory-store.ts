import { ORIGIN } from '../../src/core/audit.ts'
import type { Documents, Fact } from '../../src/core/events.ts'
import { EMPTY, type Store, type Values, type Write, type WriteResult } from '../../src/core/store.ts'

/** Stands where a store would: keeps everything in memory, compares and sets like a real one, and can be disturbed. */
export interface MemoryStore extends Store {
  readonly documents: Documents
  /** Every fact that was committed, oldest first. */
  readonly committed: Fact[]
  /** Writes as if somebody else had. */
  put(values: Partial<Values>): void
  /** Asked before each write; an answer stands for the store's own, and nothing is written. */
  disturb: ((write: Write) => WriteResult | undefined) | null
}

export function memoryStore(now: () => number, values: Partial<Values> = {}): MemoryStore {
  let revision = 0
  let documents: Documents = {
    definitions: { revision: 0, value: EMPTY.definitions },
    holds: { revision: 0, value: EMPTY.holds },
    liveness: { revision: 0, value: EMPTY.liveness },
    access: { revision: 0, value: EMPTY.access },
  }
  const committed: Fact[] = []

  const put = (written: Partial<Values>): Partial<Documents> => {
    revision++
    const stored = Object.fromEntries(Object.entries(written).map(([name, value]) => [name, { revision, value }]))
    documents = { ...documents, ...stored }
    return stored
  }
  if (Object.keys(values).length > 0) put(values)

  const write = (write: Write): WriteResult => {
    const disturbed = store.disturb?.(write)
    if (disturbed) return disturbed
    const names = Object.keys(write.expect) as (keyof Values)[]
    if (names.some(name => documents[name].revision !== write.expect[name]))
      return { kind: 'conflict', documents, heard: [], facts: [], beats: new Map() }
    const stored = put(write.documents)
    const facts = write.facts.map((draft, n): Fact => ({ ...draft, id: `${revision}-${n}`, cluster: 'test' }))
    committed.push(...facts)
    return { kind: 'written', revision, documents: stored, facts }
  }

  const store: MemoryStore = {
    get documents() {
      return documents
    },
    committed,
    put,
    disturb: null,
    now,
    read: () => Promise.resolve(documents),
    write: async wanted => write(wanted),
    readBeats: () => Promise.resolve(new Map()),
    saveBeats: () => {},
    readUses: () => Promise.resolve({}),
    saveUses: () => {},
    readCursors: () => Promise.resolve({}),
    saveCursors: () => {},
    append: () => {},
    events: () => Promise.resolve(committed),
    keeps: id => Promise.resolve(committed.some(fact => fact.id === id)),
    audit: () => Promise.resolve({ anchor: ORIGIN, links: [] }),
    history: () => Promise.resolve([]),
    definitionsAt: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
  return store
}
