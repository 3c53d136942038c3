/**
 * Keeps this replica in step with the others of its cluster: asks the shared store every second, and at once when there is news, what they
 * did. While the store is away the replica goes by what it knows; when it is back, nobody's silence meanwhile counts.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import type { Change } from '../core/changes.ts'
import { failingHere } from '../core/checks.ts'
import type { Definitions, Others } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import type { Replica, SharedStore } from '../core/store.ts'
import { isRefusal, type Refusal } from '../errors.ts'
import type { Ledger } from '../ledger.ts'
import type { State } from '../state.ts'

/** Ms between two questions. */
const EVERY = 1_000
/** Ms until an empty store is looked at again. */
const SOON = 250
/** Ms that what is due is left to the replica whose turn it is. */
const PATIENCE = 500
/** Questions without an answer after which the store counts as lost: one may just be a connection that broke. */
const LOST_AFTER = 2

/** What `watchLiveness` needs to know of the others. */
export interface Companions {
  /** Ms by which something may be overdue before this replica sees to it itself. */
  readonly patience: number
  /** Takes in what others did. Refused while the store is away. */
  catchUp(): Promise<Refusal | null>
}

export interface ReplicasWatch extends Companions, Disposable {
  /** Those that are here, as of the last answer. */
  readonly replicas: readonly Replica[]
  /** It is for this replica to do what only one has to do. */
  readonly inCharge: boolean
  /** Why there was no answer to the last question; null: there was one. */
  readonly away: Refusal | null
  /** They go by different definitions. */
  readonly differ: boolean
  /** What of the store should be looked at, in words. */
  readonly warnings: readonly string[]
  /** Goes by the store that is there, though it is not the one that was known; see `SharedStore`. */
  adopt(...asked: Parameters<SharedStore['adopt']>): ReturnType<SharedStore['adopt']>
}

export interface ReplicasOptions {
  readonly state: State
  readonly ledger: Ledger
  readonly store: SharedStore
  readonly clock: Clock
  /** Its name. */
  readonly replica: string
  readonly version: string
  readonly definitions: 'file' | 'store'
  /** Told once of what of the store should be looked at. */
  readonly warn: (text: string) => void
  /** What to put into a store that has no definitions; null: nothing. */
  readonly seed: Change | null
}

/** Resolves after the first answer, or when there is none. */
export async function watchReplicas(options: ReplicasOptions): Promise<ReplicasWatch> {
  const { state, ledger, store, clock, replica, version, warn, seed } = options
  const startedAt = clock.now()
  const hash = hasher()
  let replicas: readonly Replica[] = []
  let inCharge = false
  let away: Refusal | null = null
  let failures = 0
  let lost = false
  let answered = false
  let running: Promise<Refusal | null> | null = null
  let queued: Promise<Refusal | null> | null = null
  let warned: readonly string[] = []
  let ended = false

  const ask = async () => {
    const { world } = state.snapshot
    const definitions = hash(world.definitions.value)
    const failing = failingHere(world)
    const answer = await store.sync({ version, started_at: startedAt, definitions, failing })
    if (isRefusal(answer)) return answer
    const others = othersOf(answer.replicas, replica)
    if (!isDeepStrictEqual(others, world.sight.others)) state.apply({ kind: 'others', others, at: store.now() })
    // Before anything that it brings is decided upon.
    if (failures > 0) state.apply({ kind: 'observing', at: store.now() })
    return answer
  }

  const tell = (kind: 'store_lost' | 'store_recovered', cause: string) =>
    state.apply({ kind: 'noted', fact: { kind, at: store.now(), subject: 'store', cause } })

  const round = async (): Promise<Refusal | null> => {
    if (ended) return null
    const answer = await ledger.takeIn(ask)
    for (const warning of store.warnings) if (!warned.includes(warning)) warn(warning)
    warned = store.warnings
    if (isRefusal(answer)) {
      failures++
      away = answer
      inCharge = false
      if (answer.code === 'store_refilling') clock.after(SOON, () => void catchUp())
      if (!lost && isLoss(answer, failures, answered)) {
        lost = true
        tell('store_lost', answer.detail)
      }
      return answer
    }
    failures = 0
    answered = true
    away = null
    replicas = answer.replicas
    inCharge = answer.evaluates
    if (lost) {
      lost = false
      tell('store_recovered', 'answers again')
    }
    // What fails here is asked for again with the next answer.
    if (seed !== null && state.snapshot.world.definitions.revision === 0) await ledger.commit(seed, 'file')
    return null
  }

  const catchUp = (): Promise<Refusal | null> => {
    // A question that is under way was asked before: what happened since is in the answer to the next one.
    queued ??= (running ?? Promise.resolve(null)).then(() => {
      queued = null
      running = round().finally(() => {
        running = null
      })
      return running
    })
    return queued
  }

  const asking = clock.every(EVERY, () => {
    // One that hangs is not helped by another one.
    if (running === null) void catchUp()
  })
  store.onNews(() => void catchUp())
  await catchUp()

  return {
    get patience() {
      return inCharge ? 0 : PATIENCE
    },
    catchUp,
    get replicas() {
      return replicas
    },
    get inCharge() {
      return inCharge
    },
    get away() {
      return away
    },
    get differ() {
      // Where the store has them, who is different is only late.
      return options.definitions === 'file' && state.snapshot.world.sight.others?.differ === true
    },
    get warnings() {
      return store.warnings
    },
    async adopt(asked) {
      const outcome = await store.adopt(asked)
      if (outcome.kind === 'adopted') await catchUp()
      return outcome
    },
    [Symbol.dispose]() {
      ended = true
      asking[Symbol.dispose]()
    },
  }
}

/** Is this the end of what there was? A store that is empty when we start may just be new. */
function isLoss({ code }: Refusal, failures: number, answered: boolean): boolean {
  if (code === 'store_unavailable') return failures >= LOST_AFTER
  return code !== 'store_refilling' || answered
}

function othersOf(replicas: readonly Replica[], self: string): Others {
  const others = replicas.filter(({ name }) => name !== self)
  const failing: Record<string, number> = {}
  for (const name of others.flatMap(({ failing }) => failing)) failing[name] = (own(failing, name) ?? 0) + 1
  return {
    count: others.length,
    differ: replicas.some(({ definitions }) => definitions !== replicas[0]?.definitions),
    failing,
  }
}

/** Says with a few characters whether definitions are the same. */
function hasher(): (definitions: Definitions) => string {
  let last: { readonly of: Definitions; readonly is: string } | null = null
  return definitions => {
    if (last?.of !== definitions) {
      const { gateways, pools, routes, settings } = definitions
      const text = JSON.stringify({ gateways, pools, routes, settings })
      last = { of: definitions, is: createHash('sha256').update(text).digest('hex').slice(0, 12) }
    }
    return last.is
  }
}
