/**
 * Maintenance windows: holds that come by themselves, once or every week. A window knows its next time as two moments; when that has
 * come, the gateway is held until its end, and the time after it is worked out. So what is due can be told without a calendar, a restart
 * in the middle of a window changes nothing, and a hold that somebody lifts stays lifted until the window comes again.
 */
import { type HoldsMoved, hold, release } from './holds.ts'
import { DAY, ZoneClock } from './local-time.ts'
import type { Day, Definitions, Holds, Schedule, Window } from './nouns.ts'
import { own } from './own.ts'

/** So many windows a gateway may have. */
export const MOST_WINDOWS = 32

/** As `getUTCDay` counts them. */
const DAYS: readonly Day[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Days in which a weekly window is looked for: a change of the clocks may swallow it, and a zone a whole day. */
const FAR = 30

export interface Span {
  readonly from: number
  readonly to: number
}

export function windowsOf(holds: Holds, gateway: string): readonly Window[] {
  return own(holds.windows, gateway) ?? []
}

/** Who holds the gateway while a window is open. No token has such a name. */
export function holderOf(name: string): string {
  return `window:${name}`
}

/** The window that a hold comes from. */
export function windowOf(holds: Holds, gateway: string, holder: string): Window | undefined {
  return windowsOf(holds, gateway).find(({ name }) => holderOf(name) === holder)
}

/** The first time of a schedule that ends after `after` (ms since 1970), or null. */
export function nextTime(schedule: Schedule, after: number): Span | null {
  if (schedule.kind === 'once') {
    const { from, to } = schedule
    return to > after ? { from, to } : null
  }
  const { days, time_zone } = schedule
  const clock = new ZoneClock(time_zone)
  const [from, to] = [timeOfDay(schedule.from), timeOfDay(schedule.to)]
  const today = Math.floor(clock.wallAt(after) / DAY) * DAY
  // It may have begun yesterday.
  for (let date = today - DAY; date < today + FAR * DAY; date += DAY) {
    if (!days.includes(DAYS[new Date(date).getUTCDay()] as Day)) continue
    // Of an hour that comes twice both are in it, so that a window is never shorter than it says, unless the clocks skip a part of it.
    const span = {
      from: clock.momentOf(date + from, 'first'),
      to: clock.momentOf(date + to + (to > from ? 0 : DAY), 'last'),
    }
    if (span.to > span.from && span.to > after) return span
  }
  return null
}

/** Ms since midnight of `HH:MM`. */
function timeOfDay(text: string): number {
  const [hours, minutes] = text.split(':')
  return (Number(hours) * 60 + Number(minutes)) * 60_000
}

/** The earliest moment (ms) at which a window opens or is over for good, or Infinity. */
export function nextWindow({ windows }: Holds): number {
  let earliest = Number.POSITIVE_INFINITY
  for (const gateway in windows)
    for (const window of windows[gateway] ?? []) earliest = Math.min(earliest, dueAt(window))
  return earliest
}

function dueAt({ next, schedule }: Window): number {
  if (next !== null) return next.from
  return schedule.kind === 'once' ? schedule.to : Number.POSITIVE_INFINITY
}

/**
 * Opens the windows of `gateways` (all of them) whose time has come by `now` (ms), and drops those that are over for good or whose gateway
 * is gone.
 */
export function openWindows(
  definitions: Definitions,
  before: HoldsMoved,
  now: number,
  gateways: readonly string[] = Object.keys(before.holds.windows),
): HoldsMoved {
  let after = before
  for (const gateway of gateways) {
    const windows = windowsOf(before.holds, gateway)
    if (!definitions.gateways.some(({ name }) => name === gateway)) {
      after = { ...after, holds: withWindows(after.holds, gateway, []) }
      continue
    }
    const due = windows.filter(window => dueAt(window) <= now)
    if (due.length === 0) continue
    const left = windows.flatMap(window => (due.includes(window) ? moveOn(window, now) : window))
    after = { ...after, holds: withWindows(after.holds, gateway, left) }
    for (const { name, next, note, by } of due) {
      // One that was over before anybody looked is missed.
      if (next === null || next.to <= now) continue
      const held = { reason: 'maintenance', holder: holderOf(name), since: now, until: next.to } as const
      after = hold(after, gateway, { ...held, note: note ?? `by ${by}` }, now)
    }
  }
  return after
}

/** A window after its time has come; nothing when there is no other. */
function moveOn(window: Window, now: number): Window[] {
  const { schedule, next } = window
  if (schedule.kind === 'once') return schedule.to > now ? [{ ...window, next: null }] : []
  return [{ ...window, next: nextTime(schedule, Math.max(next?.to ?? now, now)) }]
}

/** Adds a window. Its name must not be taken. */
export function addWindow(holds: Holds, gateway: string, window: Window): Holds {
  return withWindows(holds, gateway, [...windowsOf(holds, gateway), window])
}

/** Removes a window, and ends the hold that comes from it. The same when there is none of that name. */
export function removeWindow(before: HoldsMoved, gateway: string, name: string, now: number): HoldsMoved {
  const windows = windowsOf(before.holds, gateway)
  const left = windows.filter(window => window.name !== name)
  if (left.length === windows.length) return before
  const holds = withWindows(before.holds, gateway, left)
  return release({ ...before, holds }, gateway, ({ holder }) => holder === holderOf(name), now)
}

function withWindows(holds: Holds, gateway: string, next: readonly Window[]): Holds {
  const { [gateway]: _, ...others } = holds.windows
  return { ...holds, windows: next.length > 0 ? { ...others, [gateway]: next } : others }
}
