/** What a member is judged by: the counters of its traffic, and the results of its active checks. */
import type { z } from 'zod'
import { checksOf } from '../core/checks.ts'
import { hintFor } from '../core/hints.ts'
import { gatewayOf, upstreamsOf } from '../core/member.ts'
import type { PassiveRecord, Pool, Snapshot } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import type { why } from './contract/pools.ts'

type Why = z.output<typeof why>

/** What the traffic of this replica says about each upstream of a member at `now` (ms). */
export function countersOf(
  { world, pools }: Snapshot,
  { name, passive }: Pool,
  gateway: string,
  now: number,
): Why['counters'] {
  const known = gatewayOf(world, gateway)
  const port = own(pools, name)?.port
  const upstreams = known === undefined ? [] : upstreamsOf(world, name, known, port)
  return upstreams.map(({ key, address, port }) => {
    const record = own(world.sight.passive, key)
    const hint = hintFor(world.sight, key, now)
    const fails = record !== undefined && 'fails' in record ? Object.entries(record.fails) : []
    return {
      upstream: `${address.includes(':') ? `[${address}]` : address}:${port}`,
      state: record?.kind ?? 'clean',
      fails: fails.map(([of, { count, first_at }]) => ({ of, count, first_at })),
      max_fails: record?.kind === 'probation' || hint !== undefined ? 1 : passive.max_fails,
      hint: hint === undefined ? null : { replica: hint.by, until: hint.until },
      ejections: record?.history.times ?? 0,
      until: endOf(record),
    }
  })
}

/** What each active check found last. */
export function checkResults({ world, pools }: Snapshot, pool: string, name: string): Why['checks'] {
  const gateway = gatewayOf(world, name)
  if (gateway === undefined) return []
  const checks = checksOf(world, pool, gateway)
  return upstreamsOf(world, pool, gateway, own(pools, pool)?.port).flatMap(({ key, address, port }) =>
    checks.map((check, place) => {
      const run = own(world.sight.checks, key)?.[place]
      return {
        check: check.kind === 'http' ? `${check.method} ${check.path}` : 'connection',
        at_port: check.port ?? port,
        address,
        verdict: run?.verdict === undefined || run.verdict === null ? 'unknown' : run.verdict ? 'passes' : 'fails',
        last: run ? { at: run.at, passed: run.passed, in_a_row: run.times, said: run.said } : null,
      } as const
    }),
  )
}

function endOf(record: PassiveRecord | undefined): number | null {
  switch (record?.kind) {
    case undefined:
    case 'counting':
      return null
    case 'cooling':
      return record.next_trial
    case 'ejected':
    case 'probation':
      return record.until
  }
}
