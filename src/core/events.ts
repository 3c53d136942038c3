/**
 * Events and facts on one screen. An event is something that happened and is put to `state.apply`; a fact is something that changed and
 * comes out, told exactly once. Times are ms since 1970.
 */

import type {
  Access,
  Announcement,
  Beats,
  Definitions,
  FailureReason,
  HoldReason,
  Holds,
  Liveness,
  Others,
  OutageCause,
  Versioned,
} from './nouns.ts'

export type Event =
  /** How an attempt at an upstream ended, as far as health cares. */
  | {
      readonly kind: 'outcome'
      readonly upstream: Target
      readonly route: string
      readonly result: 'ok' | FailureReason
      /** With a failure: how many requests of the upstream ended and failed lately, this one included. */
      readonly recent?: { readonly requests: number; readonly failures: number }
      readonly at: number
    }
  /** The trial of an ejected or cooling upstream. */
  | { readonly kind: 'trial'; readonly upstream: Target; readonly ok: boolean; readonly at: number }
  /** The result of one of the active checks of an upstream's pool, by its place in the list; `said`: what it met, in words. */
  | {
      readonly kind: 'checked'
      readonly upstream: Target
      readonly check: number
      readonly passed: boolean
      readonly said: string
      readonly at: number
    }
  /** What the checks of an upstream change of its gateway could not be committed. */
  | { readonly kind: 'unagreed'; readonly upstream: Target; readonly at: number }
  /** A moment at which something of passive health may be due. */
  | { readonly kind: 'tick'; readonly at: number }
  /** A beat heard here. */
  | {
      readonly kind: 'beat'
      readonly gateway: string
      readonly instance: string
      readonly said: Announcement
      readonly at: number
    }
  /** Beats that other replicas heard. */
  | { readonly kind: 'beats'; readonly beats: Beats; readonly at: number }
  /** Who else is here, and what they find. */
  | { readonly kind: 'others'; readonly others: Others; readonly at: number }
  /** We were away or blind: silence counts from now on. */
  | { readonly kind: 'observing'; readonly at: number }
  /** A host name's answer: at least one address. */
  | { readonly kind: 'resolved'; readonly host: string; readonly addresses: readonly string[]; readonly at: number }
  /** Definitions that come from this replica's file, and what is different in them (see `differences`). */
  | {
      readonly kind: 'loaded'
      readonly definitions: Definitions
      readonly changed: readonly string[]
      readonly at: number
    }
  /** Something that changes no decision and is told all the same. */
  | { readonly kind: 'noted'; readonly fact: Note }
  /** What the store has taken, with the facts that were committed with it. */
  | {
      readonly kind: 'committed'
      readonly documents: Partial<Documents>
      readonly facts: readonly Fact[]
      /** What other replicas have told meanwhile, of the cluster and of themselves. */
      readonly heard?: readonly Fact[]
      /** What the documents bring has been told before this replica heard anything. */
      readonly first?: boolean
      readonly at: number
    }

/** The facts that rooms make, not decisions. */
export type Note = Extract<
  FactDraft,
  { kind: 'config_rejected' | 'store_lost' | 'store_recovered' | 'listener_failed' }
>

/** The part of an upstream that health needs; every `Upstream` fits. */
export interface Target {
  readonly key: string
  readonly pool: string
  readonly gateway: string
}

/** The documents of the shared store that decisions are made from. */
export interface Documents {
  readonly definitions: Versioned<Definitions>
  readonly holds: Versioned<Holds>
  readonly liveness: Versioned<Liveness>
  readonly access: Versioned<Access>
}

/** A fact before it has its id: what changed, about whom, and why. */
export type FactDraft =
  | {
      readonly kind: 'first_alive' | 'gateway_down' | 'down_to_cooldown' | 'cooldown_reset'
      readonly at: number
      readonly subject: string
      readonly cause: string
    }
  | {
      readonly kind: 'gateway_alive'
      readonly at: number
      readonly subject: string
      readonly cause: string
      readonly cooldown: number
      readonly pools: readonly string[]
    }
  | {
      readonly kind: 'member_held' | 'member_released'
      readonly at: number
      readonly subject: string
      readonly cause: HoldReason
      readonly holder: string
      readonly instance?: string
    }
  | {
      readonly kind: 'instance_joined' | 'instance_left' | 'instance_refused'
      readonly at: number
      /** The gateway. */
      readonly subject: string
      readonly cause: string
      readonly instance: string
    }
  | {
      readonly kind: 'definitions_changed'
      readonly at: number
      readonly subject: string
      readonly cause: string
      readonly changed: readonly string[]
    }
  | {
      readonly kind: 'pool_failover_activated' | 'pool_failover_restored'
      readonly at: number
      /** The pool. */
      readonly subject: string
      readonly cause: string
      readonly from: string
      readonly to: string
      readonly original: string
      readonly routes: readonly string[]
    }
  | {
      readonly kind: 'pool_outage_started' | 'pool_outage_resolved'
      readonly at: number
      readonly subject: string
      readonly cause: OutageCause
    }
  | {
      readonly kind: 'member_ejected' | 'member_returned'
      readonly at: number
      /** The gateway. */
      readonly subject: string
      readonly cause: FailureReason
      readonly pool: string
      readonly upstream: string
    }
  | {
      readonly kind: 'config_rejected' | 'store_lost' | 'store_recovered' | 'listener_failed'
      readonly at: number
      readonly subject: string
      readonly cause: string
    }
  | {
      /** A store that had lost everything was filled again, or another one took its place. */
      readonly kind: 'store_refilled' | 'store_adopted'
      readonly at: number
      readonly subject: 'store'
      /** The replica, or who asked for it. */
      readonly cause: string
    }
  | {
      /** What a store had lost of its newest end was put back. */
      readonly kind: 'store_restored'
      readonly at: number
      readonly subject: 'store'
      /** The replica that still knew. */
      readonly cause: string
      readonly documents: readonly string[]
    }
  | {
      /** Definitions that were acknowledged are not those that hold: the history has them. */
      readonly kind: 'definitions_orphaned'
      readonly at: number
      readonly subject: 'definitions'
      readonly cause: 'lost' | 'adopted'
      /** Where in the history. */
      readonly revision: number
    }
  | {
      readonly kind: 'replica_joined' | 'replica_left'
      readonly at: number
      /** The replica. */
      readonly subject: string
      readonly cause: 'started' | 'stopped' | 'silent'
    }

/** A fact as it is told: to the log, the live stream, the history and the metrics. */
export type Fact = FactDraft & {
  /** `<revision>-<n>` when the cluster agreed on it, `<replica>-<boot>-<n>` when one replica saw it. */
  readonly id: string
  readonly cluster: string
  /** Set on facts of one replica. */
  readonly replica?: string
}

export type FactKind = FactDraft['kind']
