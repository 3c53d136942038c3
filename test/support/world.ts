import type { z } from 'zod'
import { definitions } from '../../src/config/definitions.ts'
import { firstSight } from '../../src/core/advance.ts'
import { allBeats, heardBefore, NO_BEATS } from '../../src/core/beats.ts'
import type {
  Beat,
  Beats,
  Definitions,
  Failover,
  GatewayRecord,
  HeardBeats,
  Hold,
  Liveness,
  Sight,
  World,
} from '../../src/core/nouns.ts'
import { EMPTY } from '../../src/core/store.ts'

/** A moment at which tests begin, ms since 1970. */
export const START = 1_700_000_000_000

/** Definitions as an operator would write them, with every default filled in. */
export function define(written: z.input<typeof definitions>): Definitions {
  return definitions.parse(written)
}

export interface Known {
  readonly records?: Readonly<Record<string, GatewayRecord>>
  readonly holds?: Readonly<Record<string, readonly Hold[]>>
  readonly failovers?: Readonly<Record<string, Failover>>
  readonly sight?: Partial<Sight>
}

/** What a replica that has just started knows, and what is said of it. */
export function worldOf(
  value: Definitions,
  { records = {}, holds = {}, failovers = {}, sight = {} }: Known = {},
): World {
  return {
    definitions: { revision: 1, value },
    holds: { revision: 1, value: { ...EMPTY.holds, gateways: holds, failovers } },
    liveness: {
      revision: 1,
      value: { ...livenessOf(records), instances: knownFrom(allBeats(sight.beats ?? NO_BEATS)) },
    },
    access: { revision: 1, value: EMPTY.access },
    sight: {
      ...firstSight(START),
      ...sight,
    },
  }
}

/** Who beats is known. */
function knownFrom(beats: Beats): Liveness['instances'] {
  const since = (instances: object) => Object.fromEntries(Object.keys(instances).map(name => [name, START]))
  return Object.fromEntries([...beats].map(([gateway, instances]) => [gateway, since(instances)]))
}

/** By gateway and instance. */
export function beatsOf(beats: Readonly<Record<string, Readonly<Record<string, Beat>>>>): HeardBeats {
  return heardBefore(new Map(Object.entries(beats)))
}

/** A liveness document with these records. */
export function livenessOf(gateways: Liveness['gateways']): Liveness {
  return { ...EMPTY.liveness, gateways }
}

export const up: GatewayRecord = { state: 'up', since: START }
export const down: GatewayRecord = { state: 'down', since: START }
/** Came back at `at`; every cooldown of at most `back` ms is over. */
export const returning = (at: number = START, back = -1): GatewayRecord => ({
  state: 'returning',
  went_down_at: START - 60_000,
  returned_at: at,
  back,
})

/** A hold of an administrator on a whole gateway. */
export const drained: Hold = { reason: 'drain', holder: 'ops', since: START }
