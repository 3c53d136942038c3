/** What a rehearsal sees of a pool: who took over after how long, what failed meanwhile, and when it was as before. */
import { buffer } from 'node:stream/consumers'
import type { Client, ItemOf } from './client.ts'
import { counted } from './print.ts'

type Row = Pick<ItemOf<'GET /api/v1/gateway-pools'>, 'name' | 'serving' | 'health'>

export interface PoolReport {
  readonly pool: string
  /** Who served before. */
  readonly was: readonly string[]
  /** Who served instead; empty: nobody. */
  taken_over_by: readonly string[]
  /** Ms from the request to take the gateway out, or to break it; null: it was never seen to be out. */
  taken_over_after: number | null
  /** The worst that was seen. */
  health: Row['health']
  /** What failed at this replica (see `errorsByPool`); null: the metrics may not be read. */
  errors: number | null
  /** Ms until it served again, from putting it back, or from breaking it; null: it was not seen to. */
  back_after: number | null
}

/** Begins the report on a pool that is as `row` says. */
export function begin({ name, serving, health }: Row): PoolReport {
  return {
    pool: name,
    was: serving,
    taken_over_by: [],
    taken_over_after: null,
    health,
    errors: null,
    back_after: null,
  }
}

/** Takes in what was seen `after` ms (of taking it out, or with `back` of putting it back). */
export function see(report: PoolReport, gateway: string, { serving, health }: Row, after: number, back: boolean): void {
  const out = !serving.includes(gateway)
  if (back) {
    if (!out) report.back_after ??= after
    return
  }
  if (worse(health, report.health)) report.health = health
  if (!out) return
  report.taken_over_after ??= after
  if (serving.length > 0) report.taken_over_by = serving
}

const ORDER = ['green', 'yellow', 'red'] as const
const worse = (one: Row['health'], other: Row['health']) => ORDER.indexOf(one) > ORDER.indexOf(other)

/** Did it go as it should: taken over, without an error that is known, and back? */
export function passed({ taken_over_by, errors, back_after }: PoolReport): boolean {
  return taken_over_by.length > 0 && (errors ?? 0) === 0 && back_after !== null
}

export function words(report: PoolReport): string {
  const { pool, was, taken_over_by, taken_over_after, health, errors, back_after } = report
  const took =
    taken_over_after === null
      ? 'was not moved'
      : taken_over_by.length === 0
        ? 'had nobody left'
        : `${taken_over_by.join(', ')} took over from ${was.join(', ')} after ${taken_over_after} ms`
  const failed = errors === null ? 'errors are not known' : errors === 0 ? 'nothing failed' : counted(errors, 'failure')
  const back = back_after === null ? 'it is not back' : `back after ${back_after} ms`
  return `${pool}: ${took}; health ${health}; ${failed}; ${back}`
}

/** What counts as an error: answers of 500 or more alone, or attempts that failed too. Those are how a failure is noticed. */
const COUNTED = {
  answers: /^gatepool_http_requests_total\{([^}]*)\} (\d+)/,
  attempts: /^gatepool_(?:http_requests_total|upstream_errors_total)\{([^}]*)\} (\d+)/,
}

/** Errors by pool, from the metrics page; null: it may not, or cannot, be read. */
export async function errorsByPool(
  client: Client,
  what: keyof typeof COUNTED,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number> | null> {
  const got = await client.stream('/metrics', undefined, signal)
  if (got.kind === 'failure') return null
  const page = await buffer(got.body).catch(() => null)
  if (page === null) return null
  const found = new Map<string, number>()
  for (const line of page.toString().split('\n')) {
    const [, labels = '', value] = COUNTED[what].exec(line) ?? []
    const pool = /pool="([^"]*)"/.exec(labels)?.[1]
    if (pool === undefined || /code_class="[1-4]xx"/.test(labels)) continue
    found.set(pool, (found.get(pool) ?? 0) + Number(value))
  }
  return found
}

/** By how much the errors of a pool have grown; null: that is not known. */
export function between(
  before: ReadonlyMap<string, number> | null,
  after: ReadonlyMap<string, number> | null,
): (pool: string) => number | null {
  return pool => before && after && (after.get(pool) ?? 0) - (before.get(pool) ?? 0)
}
