/** Why a member is held, and until when, in a sentence. */
import { ZoneClock } from '../core/local-time.ts'
import type { Hold, Window } from '../core/nouns.ts'
import { relative, span } from './contract/span.ts'

/**
 * The sentence about `hold`; `window`: the maintenance window that it comes from; `then`: what follows its end. `now` is ms since 1970.
 */
export function whyHeld(
  gateway: string,
  { reason, holder, since, until, note }: Hold,
  window: Window | undefined,
  then: string,
  now: number,
): string {
  const ago = relative(since, now)
  const said = note === undefined ? '' : ` (${note})`
  const more = until === undefined ? `until ${holder} lifts it` : `for ${span(until - now)} more`
  if (window === undefined || until === undefined)
    return `${gateway} is held for ${reason}: ${holder} asked for it ${ago}${said}. That lasts ${more}${then}.`
  const end = `until ${clockTime(until, window)}`
  return `${gateway} is held for ${reason} by its window ${window.name}, which opened ${ago}${said}. That lasts ${end}, ${more}${then}.`
}

/** `at` (ms since 1970) on the clocks that a window goes by. */
function clockTime(at: number, { schedule }: Window): string {
  const zone = schedule.kind === 'weekly' ? schedule.time_zone : 'UTC'
  const wall = new Date(new ZoneClock(zone).wallAt(at)).toISOString()
  const time = `${wall.slice(11, 16)} ${zone}`
  return schedule.kind === 'weekly' ? time : `${wall.slice(0, 10)} ${time}`
}
