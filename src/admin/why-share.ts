/** How much of the traffic a member gets: slow start, limits, and which of its instances take part. */
import type { z } from 'zod'
import { formatDuration } from '../config/units.ts'
import type { Gateway, MemberView, Pool, Snapshot } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { rampOf } from '../core/slow-start.ts'
import type { why } from './contract/pools.ts'
import { relative } from './contract/span.ts'
import { instancesIn } from './instance-view.ts'

type Share = Pick<z.output<typeof why>, 'slow_start' | 'limit' | 'instances'>

/** `inFlight`: what runs on it now. */
export function shareIn(
  snapshot: Snapshot,
  pool: Pool,
  member: MemberView,
  gateway: Gateway | undefined,
  inFlight: number,
): Share {
  const ramp = own(snapshot.world.sight.ramps, `${pool.name}/${member.gateway}`)
  const percent = Math.round(rampOf(snapshot.world, pool.name, member.gateway) * 100)
  const most = member.limit
  return {
    slow_start: ramp === undefined ? null : { percent, until: ramp.since + pool.slow_start },
    limit: most === 0 ? null : { most, in_flight: inFlight, full: inFlight >= most },
    instances:
      gateway === undefined
        ? []
        : instancesIn(snapshot, gateway).map(one => ({ ...out(one, pool), instance: one.instance })),
  }
}

function out(
  { held, out_of, state, newest_beat }: ReturnType<typeof instancesIn>[number],
  pool: Pool,
): { takes: boolean; because: string | null } {
  if (held) return { takes: false, because: state === null || state === 'ready' ? 'held' : `announced ${state}` }
  if (out_of.includes(pool.name)) return { takes: false, because: 'ejected' }
  // Another replica may hear it; this one cannot know where it is.
  if (newest_beat === null) return { takes: false, because: 'not heard here yet' }
  return { takes: true, because: null }
}

/** What there is to say about it beside the state, each in a sentence. */
export function shareWords(
  { slow_start, limit, instances }: Share,
  { gateway, state }: MemberView,
  now: number,
): string[] {
  if (state !== 'up' && state !== 'returning') return []
  const away = instances.filter(({ takes }) => !takes)
  return [
    ...(slow_start === null
      ? []
      : [
          `It starts slowly: it gets ${slow_start.percent} % of its share, and all of it ${relative(slow_start.until, now)}.`,
        ]),
    ...(limit?.full ? [`It is full: ${limit.in_flight} of at most ${limit.most} run on it here.`] : []),
    ...(instances.length > 1 && away.length > 0
      ? [
          `Of the ${instances.length} instances of ${gateway}, ${instances.length - away.length} take traffic: not ${away.map(one => `${one.instance} (${one.because})`).join(', ')}.`,
        ]
      : []),
  ]
}

/** What becomes of the requests of a pool that nobody serves. */
export function nobodyWords({ on_all_down: action }: Pool, takesOver: string | null): string {
  switch (action.action) {
    case 'fail_closed':
      return 'Requests get the outage page.'
    case 'fail_open':
      return 'Requests are sent to members that are down.'
    case 'hold':
      return `Requests wait up to ${formatDuration(action.hold)} for somebody to return.`
    case 'fallback':
      return takesOver === null
        ? `Requests get the outage page: nobody serves ${action.pool} either.`
        : `Requests go to the pool ${takesOver}.`
  }
}
