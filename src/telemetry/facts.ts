/**
 * One place per fact: its log line and its count together, so that they cannot drift apart. Facts that the cluster agreed on are counted
 * by the replica that committed them, since only there they come through this door first.
 */
import type { Fact, FactKind } from '../core/events.ts'
import type { Logger } from './log.ts'

type FactOf<K extends FactKind> = Extract<Fact, { kind: K }>

/** Of any of a union. */
type KeyOf<T> = T extends T ? keyof T : never

interface Telling<K extends FactKind> {
  /** What its subject is. */
  readonly about: 'gateway' | 'pool' | 'definitions' | 'configuration' | 'store' | 'listener' | 'replica'
  /** What it carries beside what all carry. */
  readonly more: readonly Exclude<KeyOf<Fact>, 'id' | 'kind' | 'at' | 'cluster' | 'replica' | 'subject' | 'cause'>[]
  readonly level: 'info' | 'warn' | 'error'
  /** One sentence for people. */
  readonly say: (fact: FactOf<K>) => string
}

const seconds = (ms: number) => `${Math.round(ms / 1000)} s`
const listed = (names: readonly string[]) => (names.length > 0 ? names.join(', ') : 'none')

/** Every kind of fact. */
export const TOLD: { readonly [K in FactKind]: Telling<K> } = {
  first_alive: {
    about: 'gateway',
    more: [],
    level: 'info',
    say: ({ subject }) => `${subject} was heard for the first time`,
  },
  gateway_down: {
    about: 'gateway',
    more: [],
    level: 'warn',
    say: ({ subject, cause }) => `${subject} is down (${cause})`,
  },
  down_to_cooldown: {
    about: 'gateway',
    more: [],
    level: 'info',
    say: ({ subject }) => `${subject} is back and has to stay for its cooldown`,
  },
  gateway_alive: {
    about: 'gateway',
    more: ['cooldown', 'pools'],
    level: 'info',
    say: ({ subject, cooldown, pools }) =>
      `${subject} stayed for ${seconds(cooldown)} and is back in: ${listed(pools)}`,
  },
  cooldown_reset: {
    about: 'gateway',
    more: [],
    level: 'warn',
    say: ({ subject }) => `${subject} was silent during its cooldown, which starts again`,
  },
  member_held: {
    about: 'gateway',
    more: ['holder', 'instance'],
    level: 'info',
    say: ({ subject, cause, holder }) => `${subject} takes nothing new: ${cause}, by ${holder}`,
  },
  member_released: {
    about: 'gateway',
    more: ['holder', 'instance'],
    level: 'info',
    say: ({ subject, cause, holder }) => `${subject} is released from ${cause} by ${holder}`,
  },
  instance_joined: {
    about: 'gateway',
    more: ['instance'],
    level: 'info',
    say: ({ subject, instance }) => `${subject} has the instance ${instance}`,
  },
  instance_left: {
    about: 'gateway',
    more: ['instance'],
    level: 'info',
    say: ({ subject, instance, cause }) => `${subject} has the instance ${instance} no more (${cause})`,
  },
  instance_refused: {
    about: 'gateway',
    more: ['instance'],
    level: 'warn',
    say: ({ subject, instance }) => `${subject} has no room for the instance ${instance}`,
  },
  definitions_changed: {
    about: 'definitions',
    more: ['changed'],
    level: 'info',
    say: ({ changed, cause }) => `definitions changed (${cause}): ${listed(changed)}`,
  },
  pool_failover_activated: {
    about: 'pool',
    more: ['from', 'to', 'original', 'routes'],
    level: 'warn',
    say: ({ subject, from, to, cause }) => `${subject} moved from ${from} to ${to} (${cause})`,
  },
  pool_failover_restored: {
    about: 'pool',
    more: ['from', 'to', 'original', 'routes'],
    level: 'info',
    // The first in order may have served all along, for want of another.
    say: ({ subject, from, to }) =>
      from === to ? `${subject} has ${to} back in order` : `${subject} is back from ${from} to ${to}`,
  },
  pool_outage_started: {
    about: 'pool',
    more: [],
    level: 'error',
    say: ({ subject, cause }) =>
      cause === 'nobody' ? `${subject} has nobody left to serve` : `the last member of ${subject} keeps failing`,
  },
  pool_outage_resolved: { about: 'pool', more: [], level: 'info', say: ({ subject }) => `${subject} serves again` },
  member_ejected: {
    about: 'gateway',
    more: ['pool', 'upstream'],
    level: 'warn',
    say: ({ subject, pool, cause }) => `${subject} is taken out of ${pool} (${cause})`,
  },
  member_returned: {
    about: 'gateway',
    more: ['pool', 'upstream'],
    level: 'info',
    say: ({ subject, pool }) => `${subject} is taken back into ${pool}`,
  },
  config_rejected: {
    about: 'configuration',
    more: [],
    level: 'error',
    say: ({ cause }) => `the new configuration was rejected: ${cause}`,
  },
  store_lost: { about: 'store', more: [], level: 'error', say: ({ cause }) => `the store is away: ${cause}` },
  store_recovered: { about: 'store', more: [], level: 'info', say: () => 'the store is back' },
  store_refilled: {
    about: 'store',
    more: [],
    level: 'warn',
    say: ({ cause }) => `the store had lost everything and was filled again by replica ${cause}`,
  },
  store_restored: {
    about: 'store',
    more: ['documents'],
    level: 'warn',
    say: ({ cause, documents }) =>
      `the store had lost its newest end, and got back from replica ${cause}: ${listed(documents)}`,
  },
  store_adopted: {
    about: 'store',
    more: [],
    level: 'warn',
    say: ({ cause }) => `another store was adopted by ${cause}: what it holds is what counts`,
  },
  definitions_orphaned: {
    about: 'definitions',
    more: ['revision'],
    level: 'warn',
    say: ({ cause, revision }) =>
      `definitions ${cause === 'lost' ? 'that the store had lost' : 'of before the adoption'} do not hold: they are revision ${revision} of the history`,
  },
  listener_failed: {
    about: 'listener',
    more: [],
    level: 'error',
    say: ({ subject, cause }) => `listener ${subject} is not open: ${cause}`,
  },
  replica_joined: { about: 'replica', more: [], level: 'info', say: ({ subject }) => `replica ${subject} is here` },
  replica_left: {
    about: 'replica',
    more: [],
    level: 'warn',
    say: ({ subject, cause }) =>
      cause === 'stopped' ? `replica ${subject} was stopped` : `replica ${subject} is gone`,
  },
}

/** The sentence that tells a fact to people. */
export function sentence(fact: Fact): string {
  const { say } = TOLD[fact.kind] as Telling<FactKind>
  return say(fact)
}

/** Logs and counts a fact. Never throws. */
export function tellFact(fact: Fact, log: Logger, count: (fact: Fact) => void): void {
  count(fact)
  // Cluster and replica are on every line already.
  const { at: _, cluster: _cluster, replica: _replica, ...fields } = fact
  log[TOLD[fact.kind].level]({ ...fields, occurred: new Date(fact.at).toISOString() }, sentence(fact))
}
