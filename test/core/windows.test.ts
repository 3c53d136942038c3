import { test } from 'tap'
import { evaluation } from '../../src/core/changes.ts'
import { cancelWindow, drain, planWindow, resume } from '../../src/core/holding.ts'
import { ZoneClock } from '../../src/core/local-time.ts'
import type { Day, Holds, Schedule, World } from '../../src/core/nouns.ts'
import { MOST_WINDOWS, nextTime, nextWindow, windowsOf } from '../../src/core/windows.ts'
import { define, START, worldOf } from '../support/world.ts'

const EVERY: readonly Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const weekly = (from: string, to: string, time_zone: string, days = EVERY): Schedule => {
  return { kind: 'weekly', days, from, to, time_zone }
}

/** The next time of a schedule after a moment, in UTC. */
function next(schedule: Schedule, after: string): string {
  const span = nextTime(schedule, Date.parse(after))
  const utc = (at: number) => new Date(at).toISOString().slice(0, 16)
  return span === null ? 'never' : `${utc(span.from)} ${utc(span.to)}`
}

test('a window comes on its days, on the clocks of its zone', t => {
  const sundays = weekly('02:00', '04:00', 'Europe/Berlin', ['sun'])
  t.equal(next(sundays, '2026-01-07T12:00Z'), '2026-01-11T01:00 2026-01-11T03:00', 'winter')
  t.equal(next(sundays, '2026-07-08T12:00Z'), '2026-07-12T00:00 2026-07-12T02:00', 'summer')
  t.equal(next(sundays, '2026-01-11T02:59Z'), '2026-01-11T01:00 2026-01-11T03:00', 'the one that is open')
  t.equal(next(sundays, '2026-01-11T03:00Z'), '2026-01-18T01:00 2026-01-18T03:00', 'its end is not in it')
  t.equal(
    next(weekly('08:00', '09:00', 'Asia/Kathmandu', ['mon']), '2026-01-04T20:00Z'),
    '2026-01-05T02:15 2026-01-05T03:15',
  )
  t.end()
})

test('a window may go over midnight, and is named after the day on which it begins', t => {
  const saturdays = weekly('23:00', '01:30', 'UTC', ['sat'])
  t.equal(next(saturdays, '2026-01-05T00:00Z'), '2026-01-10T23:00 2026-01-11T01:30')
  t.equal(next(saturdays, '2026-01-11T00:30Z'), '2026-01-10T23:00 2026-01-11T01:30', 'it began yesterday')
  t.equal(
    next(weekly('23:00', '01:30', 'Pacific/Auckland', ['sun']), '2026-01-11T11:00Z'),
    '2026-01-11T10:00 2026-01-11T12:30',
  )
  t.end()
})

test('when the clocks go forward, what they skip is not in a window', t => {
  const spring = '2026-03-29T00:00Z'
  t.equal(
    next(weekly('01:00', '04:00', 'Europe/Berlin'), spring),
    '2026-03-29T00:00 2026-03-29T02:00',
    'an hour shorter',
  )
  t.equal(next(weekly('02:30', '04:00', 'Europe/Berlin'), spring), '2026-03-29T01:00 2026-03-29T02:00', 'from the jump')
  t.equal(next(weekly('01:30', '02:30', 'Europe/Berlin'), spring), '2026-03-29T00:30 2026-03-29T01:00', 'to the jump')
  t.equal(next(weekly('02:10', '02:40', 'Europe/Berlin'), spring), '2026-03-30T00:10 2026-03-30T00:40', 'not that day')
  // Cairo skips midnight itself; Lord Howe skips half an hour; Apia skipped a Friday.
  t.equal(next(weekly('00:00', '01:00', 'Africa/Cairo'), '2026-04-23T20:00Z'), '2026-04-24T21:00 2026-04-24T22:00')
  t.equal(
    next(weekly('01:45', '02:45', 'Australia/Lord_Howe'), '2026-10-03T12:00Z'),
    '2026-10-03T15:15 2026-10-03T15:45',
  )
  t.equal(
    next(weekly('12:00', '13:00', 'Pacific/Apia', ['fri']), '2011-12-29T20:00Z'),
    '2012-01-05T22:00 2012-01-05T23:00',
  )
  t.end()
})

test('when the clocks go back, an hour that comes twice is in a window twice', t => {
  const autumn = '2026-10-24T12:00Z'
  t.equal(next(weekly('02:15', '02:45', 'Europe/Berlin'), autumn), '2026-10-25T00:15 2026-10-25T01:45')
  t.equal(
    next(weekly('01:00', '04:00', 'Europe/Berlin'), autumn),
    '2026-10-24T23:00 2026-10-25T03:00',
    'an hour longer',
  )
  t.equal(
    next(weekly('22:00', '01:30', 'America/New_York', ['sat']), '2026-10-30T12:00Z'),
    '2026-11-01T02:00 2026-11-01T06:30',
  )
  t.equal(
    next(weekly('01:45', '02:15', 'Australia/Lord_Howe'), '2026-04-04T12:00Z'),
    '2026-04-04T14:45 2026-04-04T15:45',
  )
  t.end()
})

test('over a year, windows follow each other, and begin and end when the clocks say so', t => {
  for (const zone of ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Africa/Casablanca']) {
    const clock = new ZoneClock(zone)
    const seen = new Set<string>()
    let before = Date.UTC(2026, 0, 1)
    while (before < Date.UTC(2027, 0, 1)) {
      const span = nextTime(weekly('05:00', '06:00', zone, ['tue', 'fri']), before)
      if (span === null) throw new Error(`${zone} has no window after ${before}`)
      const wall = new Date(clock.wallAt(span.from))
      const apart = Math.round((span.from - before) / 86_400_000)
      seen.add(`${wall.getUTCDay()} ${wall.toISOString().slice(11, 16)} ${span.to - span.from} ${apart <= 4}`)
      before = span.to
    }
    t.strictSame([...seen].sort(), ['2 05:00 3600000 true', '5 05:00 3600000 true'], zone)
  }
  t.end()
})

const definitions = define({
  gateways: ['home', 'nas'].map(name => ({ name, address: '127.0.0.1' })),
  pools: [{ name: 'p', members: ['home', 'nas'] }],
})
const HOUR = 3_600_000
const once: Schedule = { kind: 'once', from: START + HOUR, to: START + 2 * HOUR }

/** A world of which changes are made, with what they told. */
function story(before: World = worldOf(definitions)) {
  const told: string[] = []
  let world = before
  return {
    told,
    get holds(): Holds {
      return world.holds.value
    },
    get reasons() {
      return (world.holds.value.gateways.home ?? []).map(({ holder, until }) => `${holder} until ${until}`)
    },
    make(change: typeof evaluation, now: number) {
      const proposal = change(world, now)
      if (proposal === null) return 'nothing'
      if ('kind' in proposal) return proposal.code
      const { holds } = proposal.documents
      if (holds) world = { ...world, holds: { revision: world.holds.revision + 1, value: holds } }
      told.push(...proposal.facts.map(fact => `${fact.kind} ${'holder' in fact ? fact.holder : ''}`))
      return proposal.audit?.subject ?? 'done'
    },
  }
}

test('a window holds its gateway from its beginning to its end, once', t => {
  const it = story()
  t.equal(it.make(planWindow('home', { name: 'disks', schedule: once }, 'ops'), START), 'gateway:home')
  t.equal(nextWindow(it.holds), START + HOUR)
  t.equal(it.make(evaluation, START + HOUR - 1), 'nothing')
  t.equal(it.make(evaluation, START + HOUR), 'done')
  t.strictSame(it.reasons, [`window:disks until ${START + 2 * HOUR}`])
  t.equal(it.make(evaluation, START + HOUR + 1), 'nothing', 'it is told once')
  t.equal(it.make(evaluation, START + 2 * HOUR), 'done')
  t.strictSame(it.holds, worldOf(definitions).holds.value, 'nothing is left of it')
  t.strictSame(it.told, ['member_held window:disks', 'member_released window:disks'])
  t.end()
})

test('a weekly window comes back, and one that nobody saw is missed', t => {
  const it = story()
  const hours = weekly('00:00', '01:00', 'UTC')
  t.equal(
    it.make(planWindow('home', { name: 'nightly', schedule: hours, note: 'backup' }, 'ops'), START),
    'gateway:home',
  )
  const first = nextWindow(it.holds)
  it.make(evaluation, first)
  it.make(evaluation, first + HOUR)
  t.equal(nextWindow(it.holds), first + 24 * HOUR)
  t.equal(it.make(evaluation, first + 49.5 * HOUR), 'done', 'away for a day and a half, back after the second night')
  t.strictSame(it.reasons, [])
  t.equal(it.make(evaluation, first + 72.5 * HOUR), 'done', 'late, in the middle of the fourth')
  t.strictSame(it.reasons, [`window:nightly until ${first + 73 * HOUR}`])
  t.equal(it.told.length, 3)
  t.end()
})

test('a window whose time is now opens at once, and one that is removed ends', t => {
  const it = story()
  it.make(planWindow('home', { name: 'now', schedule: once }, 'ops'), START + HOUR + 5)
  t.strictSame(it.reasons, [`window:now until ${START + 2 * HOUR}`])
  t.equal(it.make(cancelWindow('home', 'now'), START + HOUR + 6), 'gateway:home')
  t.strictSame(it.holds, worldOf(definitions).holds.value)
  t.equal(it.make(cancelWindow('home', 'now'), START + HOUR + 6), 'not_found')
  t.end()
})

test("a new window opens no other gateway's", t => {
  const it = story()
  it.make(planWindow('nas', { name: 'disks', schedule: once }, 'ops'), START)
  it.make(planWindow('home', { name: 'disks', schedule: once }, 'ops'), START + HOUR + 5)
  t.strictSame(Object.keys(it.holds.gateways), ['home'])
  it.make(evaluation, START + HOUR + 6)
  t.strictSame(Object.keys(it.holds.gateways), ['home', 'nas'])
  t.end()
})

test('a hold of a window that an administrator lifts stays lifted until the window comes again', t => {
  const it = story()
  it.make(planWindow('home', { name: 'nightly', schedule: weekly('00:00', '01:00', 'UTC') }, 'ops'), START)
  const first = nextWindow(it.holds)
  it.make(evaluation, first)
  t.equal(it.make(resume('home', { all: false }, 'ops'), first + 1), 'not_found', 'it is not theirs')
  t.equal(it.make(resume('home', { all: true }, 'root'), first + 1), 'gateway:home')
  t.equal(it.make(evaluation, first + 2), 'nothing')
  it.make(evaluation, first + 24 * HOUR)
  t.strictSame(it.reasons, [`window:nightly until ${first + 25 * HOUR}`])
  t.end()
})

test('windows are refused that are taken, never open, are too many, or of nobody', t => {
  const it = story()
  const plan = (name: string, schedule = once, gateway = 'home') =>
    it.make(planWindow(gateway, { name, schedule }, 'ops'), START)
  t.equal(plan('w', once, 'constructor'), 'not_found')
  t.equal(plan('w', { kind: 'once', from: START - 2, to: START }), 'bad_request')
  for (let i = 0; i < MOST_WINDOWS; i++) t.equal(plan(`w${i}`), 'gateway:home')
  t.equal(plan('w1'), 'duplicate_name')
  t.equal(plan('more'), 'limit_reached')
  t.equal(plan('w1', once, 'nas'), 'gateway:nas', 'each gateway has its own')
  const gone = worldOf(define({ gateways: [{ name: 'nas', address: '127.0.0.1' }] }))
  const left = story({ ...gone, holds: { revision: 1, value: it.holds } })
  left.make(evaluation, START)
  t.strictSame(Object.keys(left.holds.windows), ['nas'], 'they go with their gateway')
  t.equal(windowsOf(left.holds, 'nas').length, 1)
  t.end()
})

test('holds of people are renewed, kept apart by holder, and lifted by whoever holds', t => {
  const it = story()
  t.equal(it.make(drain('home', { reason: 'drain' }, 'ops'), START), 'gateway:home')
  t.equal(it.make(drain('home', { reason: 'drain' }, 'ops'), START + 1), 'nothing')
  t.equal(it.make(drain('home', { reason: 'drain', until: START + 9 }, 'ops'), START + 2), 'gateway:home')
  t.equal(it.make(drain('home', { reason: 'maintenance' }, 'night'), START + 2), 'gateway:home')
  t.strictSame(it.told, ['member_held ops', 'member_held night'], 'a renewal is not told')
  t.equal(it.make(resume('home', { all: false, reason: 'maintenance' }, 'ops'), START + 3), 'not_found')
  t.equal(it.make(resume('home', { all: false }, 'ops'), START + 3), 'gateway:home')
  t.strictSame(it.reasons, ['night until undefined'])
  t.equal(it.make(drain('home', { reason: 'drain', until: START }, 'ops'), START), 'bad_request')
  t.equal(it.make(drain('home', { reason: 'drain', instance: 'x' }, 'ops'), START), 'unknown_reference')
  t.equal(it.make(drain('gone', { reason: 'drain' }, 'ops'), START), 'not_found')
  t.equal(it.make(resume('gone', { all: true }, 'ops'), START), 'not_found')
  for (let i = 0; i < 63; i++) t.equal(it.make(drain('home', { reason: 'drain' }, `t${i}`), START), 'gateway:home')
  t.equal(it.make(drain('home', { reason: 'drain' }, 'one-more'), START), 'limit_reached')
  t.equal(it.make(resume('home', { all: true }, 'root'), START), 'gateway:home')
  t.strictSame(it.reasons, [])
  t.end()
})
