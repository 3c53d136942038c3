/**
 * What the clocks of a time zone show, and when they show it. Pure: the rules of the zones come with the program (IANA, through Intl).
 * Dates and times of day are handled as a count of ms as if the zone were UTC, the *wall* time.
 */

/** Ms. */
export const DAY = 86_400_000

/** Far enough to be on the other side of any change of the clocks; a zone may even skip a day. */
const AROUND = 2 * DAY

/** A zone's clocks. Throws a RangeError for a zone that nobody knows. */
export class ZoneClock {
  readonly #format: Intl.DateTimeFormat

  constructor(zone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  /** The wall time at the moment `at` (ms since 1970). */
  wallAt(at: number): number {
    const part: Record<string, number> = {}
    for (const { type, value } of this.#format.formatToParts(at)) part[type] = Number(value)
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part
    return Date.UTC(year, month - 1, day, hour, minute, second) + (((at % 1000) + 1000) % 1000)
  }

  /**
   * The moment (ms since 1970) at which the clocks show `wall`. Where they show it twice, the `first` or the `last` one; where they skip
   * it, the moment at which they do.
   */
  momentOf(wall: number, which: 'first' | 'last'): number {
    // The zone's offset some days before and after: all that it can be at the moment in question.
    const moments = [wall - AROUND, wall + AROUND]
      .map(near => wall - (this.wallAt(near) - near))
      .filter(moment => this.wallAt(moment) === wall)
    if (moments.length > 0) return which === 'first' ? Math.min(...moments) : Math.max(...moments)
    let before = wall - AROUND
    let after = wall + AROUND
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2)
      if (this.wallAt(middle) < wall) before = middle
      else after = middle
    }
    return after
  }
}
