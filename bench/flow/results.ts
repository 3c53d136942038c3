/** From single measurements to what is shown. */
import type { About } from './machine.ts'
import { baseOf, type Row } from './rows.ts'
import { ratios, type Spread, spread } from './statistics.ts'

/** One rival, one row, one round. */
export interface Sample {
  readonly round: number
  readonly row: string
  readonly rival: string
  readonly requests: number
  readonly failed: number
  /** Processor time of the proxy, µs per request. */
  readonly user: number
  readonly system: number
  /** Share of one core. Far below 1 the load or the upstream was the limit, and a proxy that waits more wakes up more often. */
  readonly busy: number
  readonly per_second: number
  /** Ms. */
  readonly p50: number
  readonly p99: number
  /** Largest resident memory, bytes. */
  readonly peak: number
}

/** One rival and one row over all rounds. Units as in Sample. */
export interface Summary {
  readonly row: string
  readonly rival: string
  /** User and system. */
  readonly processor: Spread
  /** Processor time over that of the base in the same round; null where the base was not measured. */
  readonly ratio: Spread | null
  readonly user: number
  readonly system: number
  readonly busy: number
  readonly per_second: number
  readonly p50: number
  readonly p99: number
  readonly peak: number
  /** Over all rounds. */
  readonly requests: number
  readonly failed: number
}

export interface Results {
  readonly about: About & {
    readonly load: string
    readonly pinned: string
    readonly rounds: number
    readonly seconds: number
  }
  /** Who took part. */
  readonly rivals: readonly { readonly name: string; readonly version: string }[]
  /** What was not measured, and why. */
  readonly troubles: readonly { readonly rival: string; readonly row: string; readonly trouble: string }[]
  readonly summaries: readonly Summary[]
  readonly samples: readonly Sample[]
}

/** In the order of `rows` and `rivals`; what was not measured is left out. */
export function summarise(
  samples: readonly Sample[],
  order: { readonly rows: readonly Row[]; readonly rivals: readonly string[] },
): Summary[] {
  const of = (row: string, rival: string) => samples.filter(sample => sample.row === row && sample.rival === rival)
  return order.rows.flatMap(rowOf => {
    const row = rowOf.name
    const base = byRound(of(row, baseOf(rowOf)))
    return order.rivals.flatMap(rival => {
      const own = of(row, rival)
      const processor = spread(own.map(cost))
      if (processor === null) return []
      const middle = (key: 'user' | 'system' | 'busy' | 'per_second' | 'p50' | 'p99') =>
        spread(own.map(sample => sample[key]))?.median ?? 0
      const sum = (key: 'requests' | 'failed') => own.reduce((total, sample) => total + sample[key], 0)
      return {
        row,
        rival,
        processor,
        ratio: spread(ratios(byRound(own), base)),
        user: middle('user'),
        system: middle('system'),
        busy: middle('busy'),
        per_second: middle('per_second'),
        p50: middle('p50'),
        p99: middle('p99'),
        peak: Math.max(...own.map(({ peak }) => peak)),
        requests: sum('requests'),
        failed: sum('failed'),
      }
    })
  })
}

const cost = ({ user, system }: Sample): number => user + system

const byRound = (samples: readonly Sample[]): Map<number, number> =>
  new Map(samples.map(sample => [sample.round, cost(sample)]))
