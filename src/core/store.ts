/**
 * What the rest needs of a store, types only. Two implementations fulfil it (`src/store`), and one contract suite tests both. A store
 * remembers and compares; it never decides.
 */
import type { Refusal } from '../errors.ts'
import type { AuditEnd, AuditLink } from './audit.ts'
import type { EventFilter } from './event-filter.ts'
import type { Documents, Fact, FactDraft } from './events.ts'
import type { Access, Beats, Definitions, Holds, Liveness, Uses } from './nouns.ts'

export interface Values {
  readonly definitions: Definitions
  readonly holds: Holds
  readonly liveness: Liveness
  readonly access: Access
}

/** What was asked for and what became of it: becomes the next record of the audit chain in the same step as the change. */
export interface AuditDraft {
  readonly at: number
  /** The name of the token. */
  readonly by: string
  /** The endpoint: `create_pool` and the like. */
  readonly action: string
  /** What was changed: `pool:NAME` and the like. */
  readonly subject: string
  readonly request_id: string
  /** Never a secret; null: it was not there, or is there no more. */
  readonly before: unknown
  readonly after: unknown
}

/** One atomic step: the documents, the facts and the record of who asked go in together or not at all. */
export interface Write {
  /** The revision that each written document must still have (0: it was never written). */
  readonly expect: Partial<Record<keyof Values, number>>
  readonly documents: Partial<Values>
  readonly facts: readonly FactDraft[]
  readonly at: number
  /** Who asked: `system`, or a token's name. */
  readonly by: string
  /** Absent for what nobody asked for: beats, and what time moves. */
  readonly audit?: AuditDraft
}

export type WriteResult =
  /** Taken. `documents` carry the store's new revision, `facts` their ids `<revision>-<n>`. */
  | {
      readonly kind: 'written'
      readonly revision: number
      readonly documents: Partial<Documents>
      readonly facts: readonly Fact[]
    }
  /** Somebody was faster: nothing was written. The documents as they stand, and the rest of what is new. */
  | ({ readonly kind: 'conflict'; readonly documents: Documents } & News)
  /** The store cannot be asked (`store_unavailable`). */
  | Refusal

export interface EventQuery extends EventFilter {
  /** Only those after the event with this id. */
  readonly after?: string
  /** At most so many, oldest first. Without `after`: the newest so many. */
  readonly limit: number
}

export interface AuditQuery {
  /** Only those after the record with this number. */
  readonly after?: number
  /** At most so many, oldest first. Without `after`: the newest so many. */
  readonly limit: number
  readonly by?: string
  readonly action?: string
  readonly subject?: string
}

/** A part of the audit chain, read at one moment. */
export interface AuditPart {
  /** The last record that was trimmed; `ORIGIN` while none was. */
  readonly anchor: AuditEnd
  /** Exactly as they are stored, damaged ones too; those are in no filter's answer. */
  readonly links: readonly AuditLink[]
}

/** One revision of the definitions, as the history lists it. */
export interface Revision {
  readonly revision: number
  readonly at: number
  readonly by: string
}

/** webhook → id of an event. */
export type Cursors = Readonly<Record<string, string>>

/** What is asked of a store that cannot be reached rejects with a `StoreError`; a write is answered with a refusal. */
export interface Store extends AsyncDisposable {
  /** The clock of shared decisions, ms since 1970. Never jumps. */
  now(): number
  /** The documents as they stand; those never written are empty and have revision 0. What was read is no news any more: for the start. */
  read(): Promise<Documents>
  write(write: Write): Promise<WriteResult>
  /** The beats as last saved; they help to explain, never to decide. */
  readBeats(): Promise<Beats>
  /** Remembers beats. Need not be durable at once. */
  saveBeats(beats: Beats): void
  /** When tokens were last used, as far as that was saved. It helps to explain, never to decide. */
  readUses(): Promise<Uses>
  /** Remembers uses, the later moment of each token; those of tokens that are no more are forgotten. Need not be durable at once. */
  saveUses(uses: Uses): void
  /** webhook → the event that it was told last. */
  readCursors(): Promise<Cursors>
  /** Remembers cursors, no sooner than the events they name. Need not be durable at once: what was told since is told again. */
  saveCursors(cursors: Cursors): void
  /** Takes facts of this replica into the history. Need not be durable at once. */
  append(facts: readonly Fact[]): void
  events(query: EventQuery): Promise<readonly Fact[]>
  /** Is the event with this id kept? What follows one that is not cannot be told for certain. */
  keeps(event: string): Promise<boolean>
  /** The newest 10,000 records of the audit chain are kept. */
  audit(query: AuditQuery): Promise<AuditPart>
  /** Revisions of the definitions that are kept, newest first: at most `limit` of those before `before`. */
  history(query: { readonly before?: number; readonly limit: number }): Promise<readonly Revision[]>
  /** The definitions as they were at a revision that is kept. */
  definitionsAt(revision: number): Promise<Definitions | undefined>
}

/** What others have done to a shared store since this replica last heard of it. */
export interface News {
  readonly documents: Partial<Documents>
  /** What other replicas told. */
  readonly heard: readonly Fact[]
  /** What was committed here, by a write whose answer did not come. */
  readonly facts: readonly Fact[]
  /** Beats that other replicas heard. */
  readonly beats: Beats
  /** The first news since a start that went by an own copy: what others told until now is not among them. */
  readonly first?: boolean
}

/** What a replica says of itself to the others. */
export interface ReplicaNotes {
  readonly version: string
  readonly started_at: number
  /** A hash of the definitions that it goes by. */
  readonly definitions: string
  /** The gateways that it finds dead by its own checks. */
  readonly failing: readonly string[]
}

/** A replica of the cluster, as the store knows it. */
export interface Replica extends ReplicaNotes {
  readonly name: string
  /** When it last asked for news, ms. */
  readonly seen_at: number
  /** By how many revisions what it knew then was older than what there is. */
  readonly behind: number
  /** It is the one that evaluates what time makes due. */
  readonly evaluates: boolean
  /** Since when it is, ms; null: it is not. */
  readonly in_charge_since: number | null
}

export interface Sync extends News {
  /** Those that are here, this one too. */
  readonly replicas: readonly Replica[]
  /** It is for this replica to evaluate what time makes due; the others do it only when it is overdue. */
  readonly evaluates: boolean
}

/** Which store took the place of which. */
export interface Adopted {
  readonly kind: 'adopted'
  readonly before: string
  readonly after: string
  /** The definitions that were given up are in the history. */
  readonly orphaned: boolean
}

/** A store that several replicas share. */
export interface SharedStore extends Store {
  /** The documents as they were last seen, perhaps before this start: what a replica goes by while the store is away. */
  readonly known: Documents
  /** Which store it is, by a text made with it; '': none was seen yet. */
  readonly generation: string
  /** What of the place where it is should be looked at, in words. */
  readonly warnings: readonly string[]
  /**
   * Another store than the one that we know is there: from now on all replicas that know ours go by that one, and what they know is given up, but for
   * the definitions, which that one keeps in its history. `store_known`: there is no other one.
   */
  adopt(asked: Pick<AuditDraft, 'by' | 'action' | 'request_id'>): Promise<Adopted | Refusal>
  /** Says that this replica is here, and asks what others did. One round trip. To be asked through the ledger, for the sake of the order. */
  sync(notes: ReplicaNotes): Promise<Sync | Refusal>
  /** Calls `listener` soon after somebody has written. Only a hurry-up: it may stay out. */
  onNews(listener: () => void): void
}

/** What a store holds that was never written. */
export const EMPTY: Values = {
  definitions: {
    gateways: [],
    pools: [],
    routes: [],
    settings: { gateway_down_threshold: 90_000, address_ranges: [] },
  },
  holds: { gateways: {}, windows: {}, failovers: {} },
  liveness: { gateways: {}, instances: {}, refused: {} },
  access: { tokens: [], webhooks: [] },
}
