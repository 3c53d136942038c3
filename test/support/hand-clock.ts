import type { Clock } from '../../src/clock.ts'

export interface HandClock extends Clock {
  /** Moves time forward by `ms` and runs what falls due on the way: in order of due time, each at its own moment. */
  advance(ms: number): void
  /** Moves time forward by `ms` while nothing runs, as for a process that stands still: what fell due runs with the next `advance`. */
  jump(ms: number): void
  /** How many timers wait. */
  readonly waiting: number
}

interface Timer {
  due: number
  readonly run: () => void
  readonly every: number | undefined
}

/** A clock that stands still until it is told to move; starts at `start` ms. */
export function handClock(start = 1_700_000_000_000): HandClock {
  let time = start
  const timers = new Set<Timer>()

  const add = (ms: number, run: () => void, every: number | undefined): Disposable => {
    const timer: Timer = { due: time + Math.max(0, ms), run, every }
    timers.add(timer)
    return { [Symbol.dispose]: () => timers.delete(timer) }
  }

  const earliest = (until: number): Timer | undefined => {
    let first: Timer | undefined
    // Strictly earlier wins, so timers of one moment run in the order in which they were set.
    for (const timer of timers) if (timer.due <= until && (first === undefined || timer.due < first.due)) first = timer
    return first
  }

  return {
    now: () => time,
    after: (ms, run) => add(ms, run, undefined),
    every: (ms, run) => {
      if (!(ms > 0)) throw new RangeError(`every ${ms} ms would never let time pass`)
      return add(ms, run, ms)
    },
    advance: ms => {
      const until = time + ms
      for (let timer = earliest(until); timer !== undefined; timer = earliest(until)) {
        time = Math.max(time, timer.due)
        // Set anew behind the others of its moment, as a system timer would be.
        timers.delete(timer)
        if (timer.every !== undefined) {
          timer.due += timer.every
          timers.add(timer)
        }
        timer.run()
      }
      time = until
    },
    jump(ms) {
      time += ms
    },
    get waiting() {
      return timers.size
    },
  }
}
