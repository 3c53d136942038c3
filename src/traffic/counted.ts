/**
 * What all protocols count together, by names of the definitions: plain numbers, read when somebody asks for the metrics. Names come and go, so
 * what was counted under one that is no more is let go with it.
 */
import type { AttemptEnd } from '../core/after.ts'
import { NO_POOL } from '../core/homes.ts'
import type { Definitions } from '../core/nouns.ts'
import type { Sample } from '../telemetry/metrics.ts'

/** The names that the definitions know, and those that stand for none. */
export interface Names {
  readonly pools: ReadonlySet<string>
  readonly routes: ReadonlySet<string>
}

export function namesIn({ pools, routes }: Definitions): Names {
  return {
    pools: new Set(['', NO_POOL, ...pools.map(({ name }) => name)]),
    routes: new Set(['', ...routes.map(({ name }) => name)]),
  }
}

/** How often a request was tried again, or was not although it might have been (`budget`), by pool; '': none. */
export class Retries {
  readonly #pools = new Map<string, Map<string, number>>()

  count(pool: string, reason: AttemptEnd | 'status' | 'budget'): void {
    let reasons = this.#pools.get(pool)
    if (reasons === undefined) {
      reasons = new Map()
      this.#pools.set(pool, reasons)
    }
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }

  *samples(): Iterable<Sample> {
    for (const [pool, reasons] of this.#pools)
      for (const [reason, value] of reasons) yield { labels: { pool, reason }, value }
  }

  keepOnly({ pools }: Names): void {
    for (const pool of this.#pools.keys()) if (!pools.has(pool)) this.#pools.delete(pool)
  }
}
