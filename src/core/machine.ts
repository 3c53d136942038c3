/**
 * The gateway machine: how one record of the liveness document moves. Pure; `evaluate.ts` decides which signal is due.
 *
 *              beat                     silence
 *   unknown ─────────► up ◄──────────┐ ─────────► down
 *                      │    cooled   │              │
 *             released │   (the last)│              │ beat
 *                      ▼             │              │
 *                   returning ───────┘ ◄────────────┘
 *                      │   ▲ cooled (not the last)  ▲
 *                      ├───┘                        │
 *                      └──────────── silence ───────┘
 *
 * Invariants (numbers used in the tests):
 *  1. `unknown` leaves only by a beat, and is never told as down.
 *  2. `down` leaves only by a beat, and never straight to `up`: there is a cooldown between.
 *  3. Silence while returning goes back to `down`; the next cooldown starts at zero.
 *  4. A cooldown length is told at most once per return.
 *  5. A step that changes nothing answers the very same record and no fact.
 */
import type { FactDraft } from './events.ts'
import type { GatewayRecord } from './nouns.ts'

export type Signal =
  /** A beat was heard, or a probe found it alive. */
  | { readonly kind: 'beat'; readonly at: number; readonly by?: 'probe' }
  /** Nothing was heard for as long as the state allows, or probes found it dead. */
  | { readonly kind: 'silence'; readonly at: number; readonly by?: 'probe' }
  /**
   * The cooldown of `length` ms passed without a gap; `pools` have that cooldown; `last`: no pool has a longer one. A length that was
   * told before comes again only as the last one: the longer ones went with a change of definitions.
   */
  | {
      readonly kind: 'cooled'
      readonly at: number
      readonly length: number
      readonly pools: readonly string[]
      readonly last: boolean
    }
  /** The first ready beat after a shutdown that was announced at `since`. */
  | { readonly kind: 'released'; readonly at: number; readonly since: number }

export interface Step {
  readonly record: GatewayRecord
  readonly facts: readonly FactDraft[]
}

type State = GatewayRecord['state']
type RecordOf<S extends State> = Extract<GatewayRecord, { state: S }>
type SignalOf<K extends Signal['kind']> = Extract<Signal, { kind: K }>
type Table = {
  readonly [S in State]: {
    readonly [K in Signal['kind']]: (record: RecordOf<S>, signal: SignalOf<K>, gateway: string) => Step
  }
}

const NO_FACTS: readonly FactDraft[] = []
const stay = (record: GatewayRecord): Step => ({ record, facts: NO_FACTS })

function comeBack(wentDownAt: number, at: number, gateway: string, cause: string): Step {
  return {
    record: { state: 'returning', went_down_at: wentDownAt, returned_at: at, back: -1 },
    facts: [{ kind: 'down_to_cooldown', at, subject: gateway, cause }],
  }
}

/** Every state × every signal; a new state or signal does not compile until its cells are here. */
export const machine: Table = {
  unknown: {
    beat: (_, { at, by = 'beat' }, gateway) => ({
      record: { state: 'up', since: at },
      facts: [{ kind: 'first_alive', at, subject: gateway, cause: by }],
    }),
    silence: stay,
    cooled: stay,
    released: stay,
  },
  up: {
    beat: stay,
    silence: (_, { at, by = 'stale' }, gateway) => ({
      record: { state: 'down', since: at },
      facts: [{ kind: 'gateway_down', at, subject: gateway, cause: by }],
    }),
    cooled: stay,
    released: (_, { at, since }, gateway) => comeBack(since, at, gateway, 'shutdown_over'),
  },
  down: {
    beat: (record, { at, by = 'beat' }, gateway) => comeBack(record.since, at, gateway, by),
    silence: stay,
    cooled: stay,
    released: (record, { at }, gateway) => comeBack(record.since, at, gateway, 'shutdown_over'),
  },
  returning: {
    beat: stay,
    silence: (record, { at, by = 'gap' }, gateway) => ({
      // It never was away from being down, so it keeps the moment at which it left.
      record: { state: 'down', since: record.went_down_at },
      facts: [{ kind: 'cooldown_reset', at, subject: gateway, cause: by }],
    }),
    cooled: (record, { at, length, pools, last }, gateway) => {
      const told = length <= record.back
      if (told && !last) return stay(record)
      return {
        record: last ? { state: 'up', since: at } : { ...record, back: length },
        facts: told
          ? NO_FACTS
          : [{ kind: 'gateway_alive', at, subject: gateway, cause: 'cooldown', cooldown: length, pools }],
      }
    },
    released: (record, { at }, gateway) => comeBack(record.went_down_at, at, gateway, 'shutdown_over'),
  },
}

/** One step of gateway `gateway`'s record. */
export function move(record: GatewayRecord, signal: Signal, gateway: string): Step {
  // The table is total; TypeScript cannot follow the two lookups at once.
  const cell = machine[record.state][signal.kind] as (record: GatewayRecord, signal: Signal, gateway: string) => Step
  return cell(record, signal, gateway)
}
