/**
 * The clock of shared decisions: Redis's, as far as we know it. Each answer that carries its time says where it can be: not before the
 * moment at which we asked, not after the moment at which we heard. While what we believe lies between the two it stays as it is, so that a
 * slow answer does not move it; otherwise it moves to the nearer end. Between two answers it runs as our own does, and it never goes back:
 * should Redis's clock be set back, ours stands still until it is overtaken, and nobody's silence grows meanwhile.
 */
import type { Clock } from '../../clock.ts'

export interface SharedClock {
  /** Ms since 1970. */
  now(): number
  /** What has to be added to our own clock, ms. */
  readonly offset: number
  /** Redis said `time` (ms) in an answer that came now to a question of `askedAt` (ms of our own clock). */
  heard(time: number, askedAt: number): void
}

/** `offset`: as it was last known, ms; null when it never was. */
export function sharedClock(clock: Clock, offset: number | null): SharedClock {
  let believed = offset ?? 0
  let measured = offset !== null
  let last = 0

  return {
    now() {
      last = Math.max(last, clock.now() + believed)
      return last
    },
    get offset() {
      return believed
    },
    heard(time, askedAt) {
      const least = time - clock.now()
      const most = time - askedAt
      if (measured) believed = Math.min(Math.max(believed, least), most)
      else {
        // The first time it may go back: what we believed until now was only our own clock.
        believed = Math.round((least + most) / 2)
        measured = true
        last = 0
      }
    },
  }
}
