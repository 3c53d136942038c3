/**
 * What HTTP traffic counts: plain numbers, found once per route and added to per request, read when somebody asks for the metrics.
 */
import type { RouteEntry } from '../../core/routes.ts'
import type { Names } from '../counted.ts'

/** Upper bounds of the duration histogram in seconds: powers of two from 0.5 ms, so that a bucket is found without a search. */
export const DURATION_BOUNDS: readonly number[] = Array.from({ length: 16 }, (_, i) => 2 ** i / 2000)

export interface DurationCounts {
  /** One per bound and one for what is longer. */
  readonly counts: Float64Array
  /** Seconds. */
  sum: number
}

export function noDurations(): DurationCounts {
  return { counts: new Float64Array(DURATION_BOUNDS.length + 1), sum: 0 }
}

export interface RouteCounts {
  readonly route: string
  readonly pool: string
  /** Answers by the first digit of their status; 0: the client left before one. */
  readonly classes: Float64Array
  readonly durations: DurationCounts
}

export class ListenerCounts {
  readonly routes = new Map<string, RouteCounts>()
  readonly durations = new Map<string, DurationCounts>()
  #entries = new WeakMap<RouteEntry, RouteCounts>()
  connectionsActive = 0
  connectionsTotal = 0
  /** Connections over a limit; without the PROXY header that they had to begin with. */
  limited = 0
  malformed = 0

  /** The counts of a route; `undefined` is for requests that match none. `pool` is the one whose settings apply. */
  of(entry: RouteEntry | undefined): RouteCounts {
    if (entry === undefined) return this.#named('', '')
    const known = this.#entries.get(entry)
    if (known !== undefined) return known
    const { name, target } = entry.route
    const counts = this.#named(name, 'pool' in target ? target.pool : '')
    this.#entries.set(entry, counts)
    return counts
  }

  /** Lets go of what was counted under other names. A request that still runs on such a route is counted nowhere. */
  keepOnly({ routes, pools }: Names): void {
    for (const [key, { route, pool }] of this.routes)
      if (!routes.has(route) || !pools.has(pool)) this.routes.delete(key)
    for (const pool of this.durations.keys()) if (!pools.has(pool)) this.durations.delete(pool)
  }

  #named(route: string, pool: string): RouteCounts {
    const key = `${route} ${pool}`
    let counts = this.routes.get(key)
    if (counts === undefined) {
      counts = { route, pool, classes: new Float64Array(6), durations: this.#durationsOf(pool) }
      this.routes.set(key, counts)
    }
    return counts
  }

  #durationsOf(pool: string): DurationCounts {
    let durations = this.durations.get(pool)
    if (durations === undefined) {
      durations = noDurations()
      this.durations.set(pool, durations)
    }
    return durations
  }
}

/** Counts one exchange that took `ms` and was answered with `status`; 499: nobody was left to answer. */
export function countExchange({ classes, durations }: RouteCounts, status: number, ms: number): void {
  const digit = status === 499 ? 0 : (status / 100) | 0
  classes[digit] = (classes[digit] as number) + 1
  countDuration(durations, ms)
}

/** Counts one duration of `ms`. */
export function countDuration(durations: DurationCounts, ms: number): void {
  // The bucket is the number of bits of the duration in half ms: bound i holds everything up to 2^i halves.
  const halves = Math.ceil(ms * 2) - 1
  const bucket = halves <= 0 ? 0 : Math.min(32 - Math.clz32(halves), DURATION_BOUNDS.length)
  durations.counts[bucket] = (durations.counts[bucket] as number) + 1
  durations.sum += ms / 1000
}
