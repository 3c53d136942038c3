/**
 * Time as the rooms know it. Whoever needs time gets a Clock as an argument, so that a test can hold it in its hand.
 */

export interface Clock {
  /** Whole ms since 1970. Never goes back and never jumps, whatever is done to the system's clock. */
  now(): number
  /** Runs `run` once, `ms` from now; disposing before then cancels it. */
  after(ms: number, run: () => void): Disposable
  /** Runs `run` every `ms` until disposed. */
  every(ms: number, run: () => void): Disposable
}

/** The longest delay that a timer takes; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * The system's clock: wall time at the start plus monotonic time since. Its timers do not keep the process alive: sockets and
 * signals do that, and a timer alone has nobody left to serve.
 */
export function realClock(): Clock {
  const startedAt = Date.now() - performance.now()
  const now = (): number => Math.floor(startedAt + performance.now())

  const after = (ms: number, run: () => void): Disposable => {
    const due = performance.now() + ms
    let timer: NodeJS.Timeout
    const arm = (): void => {
      const left = due - performance.now()
      timer = left > LONGEST_TIMER ? setTimeout(arm, LONGEST_TIMER) : setTimeout(run, Math.max(0, left))
      timer.unref()
    }
    arm()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  }

  const every = (ms: number, run: () => void): Disposable => {
    const timer = setInterval(run, Math.min(ms, LONGEST_TIMER))
    timer.unref()
    return { [Symbol.dispose]: () => clearInterval(timer) }
  }

  return { now, after, every }
}
