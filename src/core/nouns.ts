/**
 * The nouns: what the cluster wishes (definitions, holds), what it agrees on (liveness), and what one replica sees by itself (sight).
 * Everything here is plain data. Stored documents and facts keep the snake_case keys they have outside; times are ms since 1970.
 */
import type { Definitions as Sections } from '../config/definitions.ts'
import type { FactKind } from './events.ts'

export type { Gateway, Member, Pool, Route, Settings } from '../config/definitions.ts'

/**
 * Gateways, pools, routes and settings. `stamps` has, by `gateway:NAME` and the like, the revision that last changed each object which
 * the document's own revision did not change: see `stampOf` in `edits.ts`.
 */
export type Definitions = Sections & { readonly stamps?: Readonly<Record<string, number>> }

/** A stored document with the revision of the store at which it last changed (0: never written). */
export interface Versioned<T> {
  readonly revision: number
  readonly value: T
}

/** What the cluster agrees on about one gateway. The machine that moves it is in `machine.ts`. */
export type GatewayRecord =
  | { readonly state: 'unknown' }
  | { readonly state: 'up'; readonly since: number }
  | { readonly state: 'down'; readonly since: number }
  | {
      readonly state: 'returning'
      /** When it was last seen to leave. */
      readonly went_down_at: number
      /** The beat that started the cooldown. */
      readonly returned_at: number
      /** Every cooldown of at most this many ms is over. Starts at -1, so that a cooldown of 0 is told too. */
      readonly back: number
    }

export interface Liveness {
  readonly gateways: Readonly<Record<string, GatewayRecord>>
  /** gateway → instance → since when it is known. Who falls silent, or is forgotten, leaves. */
  readonly instances: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** gateway → the instances that there was no room for, so that each is told once. */
  readonly refused: Readonly<Record<string, readonly string[]>>
}

export type HoldReason = 'drain' | 'maintenance' | 'shutdown'

/** A wish that a gateway (or one instance of it) takes nothing new. Keyed by (reason, holder). */
export interface Hold {
  readonly reason: HoldReason
  /** Who may lift it: an instance's name, or an administrator's. */
  readonly holder: string
  /** Set when only this instance is held. */
  readonly instance?: string
  /** Another instance of the gateway was serving when this one was held, so that the gateway as a whole was not out. */
  readonly shared?: true
  readonly since: number
  readonly until?: number
  readonly note?: string
}

/** An operator's wish about who serves a failover pool; see `failover.ts`. */
export type Failover =
  /** `to` outranks everybody before it in order, while it is ready. */
  | { readonly kind: 'over'; readonly to: string; readonly by: string; readonly since: number }
  /** Back to the first in order: a cooldown that it had begun by `since` counts as over. By `until` it would be. */
  | {
      readonly kind: 'back'
      readonly to: string
      readonly by: string
      readonly since: number
      readonly until: number
    }

/** A day of the week, as windows name it. */
export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'

/** Times during which a gateway is held for maintenance. */
export type Schedule =
  /** Moments, ms since 1970. */
  | { readonly kind: 'once'; readonly from: number; readonly to: number }
  /** `HH:MM` on the clocks of `time_zone`; it begins on these days, and ends on the next one where `to` is not after `from`. */
  | {
      readonly kind: 'weekly'
      readonly days: readonly Day[]
      readonly from: string
      readonly to: string
      readonly time_zone: string
    }

export interface Window {
  readonly name: string
  readonly schedule: Schedule
  /** The one that comes, ms since 1970; null: there is no further one. */
  readonly next: { readonly from: number; readonly to: number } | null
  readonly by: string
  readonly since: number
  readonly note?: string
}

export interface Holds {
  readonly gateways: Readonly<Record<string, readonly Hold[]>>
  /** By gateway. */
  readonly windows: Readonly<Record<string, readonly Window[]>>
  /** By pool. */
  readonly failovers: Readonly<Record<string, Failover>>
}

/** What a token may: `gateway` beats and nothing else. */
export type Role = 'viewer' | 'operator' | 'admin' | 'gateway'

/** A token as it is stored: it cannot be made from this. */
export interface Token {
  readonly name: string
  /** The part of it that is no secret: `gp_<id>_<secret>`. */
  readonly id: string
  /** SHA-256 of the whole token, hex. */
  readonly hash: string
  readonly role: Role
  /** Only these pools and what belongs to them; absent: everything. */
  readonly pools?: readonly string[]
  /** The one gateway that a token of the role `gateway` beats for. */
  readonly gateway?: string
  readonly created_at: number
  readonly expires_at?: number
}

/** Somebody else's program that is told what happens. */
export interface Webhook {
  readonly name: string
  readonly url: string
  /** `whsec_` and base64: what deliveries are signed with. */
  readonly secret: string
  /** Absent: what is about gateways, failovers and outages. */
  readonly kinds?: readonly FactKind[]
  /** May it be at an address that only a private network, or this host, can reach? */
  readonly allow_private: boolean
  readonly created_at: number
}

/** Who may ask for what, and who is told. */
export interface Access {
  readonly tokens: readonly Token[]
  readonly webhooks: readonly Webhook[]
  /** Signs the cookies of sticky pools; absent: none was needed so far. A secret, and never shown. */
  readonly sticky_key?: string
}

/** Token id → when it was last used. */
export type Uses = Readonly<Record<string, number>>

/** The newest beat of one instance, and what it said of itself. */
export interface Beat {
  readonly at: number
  readonly said: Announcement
}

export interface Announcement {
  readonly state: HoldReason | 'ready'
  readonly hostname?: string
  readonly os?: string
  readonly arch?: string
  readonly version?: string
  /** A literal address; only of a gateway whose definition leaves it to its instances. */
  readonly address?: string
  readonly http_port?: number
  /** Percent of the configured weight that it wants. */
  readonly weight?: number
  /** Open at the moment, as it says, and as many as it can take. */
  readonly connections?: number
  readonly max_connections?: number
}

/** gateway → instance → its newest beat. */
export type Beats = ReadonlyMap<string, Readonly<Record<string, Beat>>>

/** The same in two layers: what is in `newer` counts. See `beats.ts`. */
export interface HeardBeats {
  readonly older: Beats
  readonly newer: Beats
}

/** Why an answer, or the lack of one, counts against an upstream. */
export type FailureReason =
  | 'connect_refused'
  | 'connect_timeout'
  | 'closed'
  | 'reset'
  | 'response_timeout'
  | 'malformed'
  | 'body_cut'
  | 'status'
  | 'trial'
  /** Its active checks failed. */
  | 'probe'
  /** Answers that took longer than the pool allows. */
  | 'slow'
  /** Too large a share of its requests failed. */
  | 'ratio'

/** What passive health remembers of one upstream; the machine is in `ejection.ts`. No record means: nothing held against it. */
export type PassiveRecord =
  | {
      readonly kind: 'counting'
      /** Consecutive failures: '' for those of the upstream, a route's name for its statuses. */
      readonly fails: Fails
      readonly history: EjectionHistory
    }
  | {
      readonly kind: 'ejected'
      readonly since: number
      /** When the trial is due. */
      readonly until: number
      readonly reason: FailureReason
      readonly history: EjectionHistory
    }
  | {
      readonly kind: 'cooling'
      /** When it was ejected. */
      readonly since: number
      /** When its trial passed: the cooldown counts from here. */
      readonly returned_at: number
      readonly next_trial: number
      readonly reason: FailureReason
      readonly history: EjectionHistory
    }
  | {
      readonly kind: 'probation'
      /** One failure ejects until then. */
      readonly until: number
      readonly fails: Fails
      readonly history: EjectionHistory
    }

export type Fails = Readonly<Record<string, { readonly count: number; readonly first_at: number }>>

/** How often in a row an upstream was ejected, and when that is forgotten. */
export interface EjectionHistory {
  readonly times: number
  readonly forget_at: number
}

/** What the last results of one active check say. */
export interface Run {
  /** Does it pass? Null: not known yet. */
  readonly verdict: boolean | null
  /** The last result, and how often in a row it was that. */
  readonly passed: boolean
  readonly times: number
  readonly at: number
  /** What the last one met, in words. */
  readonly said: string
}

/** The checks of one upstream, in the order of the pool's list; null: no result yet. */
export type CheckRecord = readonly (Run | null)[]

/** A pool whose last member keeps failing: red, but still served by it. */
export interface Failing {
  readonly since: number
  readonly upstream: string
  readonly last_hit: number
  /** Of the last hit. */
  readonly reason: FailureReason
  readonly answered: boolean
}

/** What has been told about a pool, so that a change is told exactly once. `quiet`: its beginning was not told, nor will its end be. */
export interface Told {
  readonly failover: {
    readonly to: string
    readonly emergency: boolean
    /** Somebody asked for it. */
    readonly operator: boolean
    readonly quiet: boolean
  } | null
  readonly outage: { readonly cause: OutageCause; readonly quiet: boolean } | null
}

export type OutageCause = 'nobody' | 'passive'

/** The other replicas that are here, and how many of them find a gateway that lives by probes dead. */
export interface Others {
  readonly count: number
  /** Some of them, this one included, go by other definitions than the rest. */
  readonly differ: boolean
  readonly failing: Readonly<Record<string, number>>
}

/** What this replica sees by itself. Never shared as it is, gone at a restart. */
export interface Sight {
  /** Nobody's silence before this moment counts: we were not listening. */
  readonly observing_since: number
  readonly beats: HeardBeats
  readonly passive: Readonly<Record<string, PassiveRecord>>
  readonly failing: Readonly<Record<string, Failing>>
  readonly checks: Readonly<Record<string, CheckRecord>>
  /** Upstreams that another replica has ejected: which one, and until when that counts here. */
  readonly hints: Readonly<Record<string, { readonly by: string; readonly until: number }>>
  /** `POOL/GATEWAY` of those that get their share of the traffic back step by step (0 to 9), and since when. */
  readonly ramps: Readonly<Record<string, { readonly since: number; readonly step: number }>>
  /** host name → its last good answer. A literal address is its own answer and is not in here. */
  readonly addresses: Readonly<Record<string, readonly string[]>>
  readonly told: Readonly<Record<string, Told>>
  /** Absent: there are none. */
  readonly others?: Others
}

/** Everything a decision is made from. */
export interface World {
  readonly definitions: Versioned<Definitions>
  readonly holds: Versioned<Holds>
  readonly liveness: Versioned<Liveness>
  readonly access: Versioned<Access>
  readonly sight: Sight
}

/** The port of its gateways that a route of another protocol than HTTP goes to: `3389`, or `53/udp`. */
export type GatewayPort = `${number}` | `${number}/udp`

/** What is dialled, tried and counted. Never identified by its address alone: two pools may judge one address differently. */
export interface Upstream {
  /** `pool/gateway/address:port`, with `/udp` behind it where that is meant. */
  readonly key: string
  readonly pool: string
  readonly gateway: string
  readonly address: string
  readonly port: number
  /** Set where each instance of the gateway announces an address of its own. */
  readonly instance?: string
  /** Its share among the upstreams of its member; absent: 1. */
  readonly weight?: number
}

export type MemberState = 'up' | 'returning' | 'ejected' | 'unknown' | 'down' | 'held' | 'disabled'

/** A gateway in a pool as this replica sees it. */
export interface MemberView {
  readonly gateway: string
  /** 1 is the first in order. */
  readonly priority: number
  /** With what it announced and where its slow start stands taken in. */
  readonly weight: number
  /** In flight at most; 0: as many as come. */
  readonly limit: number
  readonly state: MemberState
  readonly ready: boolean
  readonly cause: string
  readonly since: number | null
  /** When it takes traffic again at the earliest, as far as that is known. */
  readonly back_at: number | null
  /** Those that may be dialled now: without the ejected ones while another is left. */
  readonly upstreams: readonly Upstream[]
}

/** Who serves a pool or a pinned route. */
export type Serving =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'balanced'; readonly gateways: readonly string[] }
  | { readonly kind: 'first'; readonly gateway: string }
  | {
      readonly kind: 'failover' | 'emergency'
      readonly gateway: string
      readonly original: string
      readonly since: number | null
      readonly back_at: number | null
      /** Who asked for it, where the order alone would have chosen another. */
      readonly by: string | null
    }

export interface PoolView {
  readonly name: string
  readonly enabled: boolean
  readonly on_all_down: Definitions['pools'][number]['on_all_down']
  /** The port of the gateways by which it is judged; null: their HTTP. */
  readonly port: GatewayPort | null
  readonly members: readonly MemberView[]
  /** A failover by hand that counts. */
  readonly wish: Failover | null
  readonly serving: Serving
  readonly health: 'green' | 'yellow' | 'red'
  readonly text: string
  readonly failing: Failing | null
  readonly plan: Plan
}

/** One choice of a plan: a member with what may be dialled for it. */
export interface Choice {
  readonly pool: string
  readonly gateway: string
  readonly weight: number
  /** In flight at most; 0: as many as come. */
  readonly limit: number
  readonly upstreams: readonly Upstream[]
}

/**
 * Where the traffic of a target goes, best first. `balanced` picks among `choices` by its policy, `ordered` takes the first untried;
 * `emergency` is asked only when nothing of `choices` is left.
 */
export interface Plan {
  /** The pool whose settings apply; null for a gateway that is in no pool. */
  readonly pool: string | null
  readonly policy: 'ordered' | Definitions['pools'][number]['lb_policy']
  readonly choices: readonly Choice[]
  readonly emergency: readonly Choice[]
  /** The target (see `targetKey`) that is asked when nobody of these is left; null: none. */
  readonly fallback: string | null
  /** Ms that a request may wait for somebody to return; 0: none. */
  readonly hold: number
  /** The earliest moment at which somebody may serve again; null: not known. */
  readonly back_at: number | null
}

/** A pinned gateway's routes: its plan over its pools, and who serves. */
export interface PinnedView {
  readonly gateway: string
  readonly serving: Serving
  readonly plan: Plan
}

export interface Snapshot {
  readonly world: World
  readonly pools: Readonly<Record<string, PoolView>>
  /** `NAME@PORT`: the pool as the routes of other protocols find it on that port of its gateways. */
  readonly ports: Readonly<Record<string, PoolView>>
  readonly pinned: Readonly<Record<string, PinnedView>>
}
