import autocannon from 'autocannon'
import type { Test } from 'tap'

/** Requests under way at any moment, each on a connection of its own. */
const CONNECTIONS = 50
/** Seconds after which load ends even if nobody ends it. */
const LONGEST = 60

export interface Load {
  /** Ends it, tells the counts, and holds that not one request failed or was left without an answer. */
  endsWithoutLoss(): Promise<void>
}

/** GETs to `url`, as many as get an answer, until it is ended. Resolves when the first one is answered. */
export async function load(t: Test, url: string, headers: Record<string, string> = {}): Promise<Load> {
  const first = Promise.withResolvers<void>()
  const done = Promise.withResolvers<autocannon.Result>()
  const instance = autocannon(
    { url, headers, connections: CONNECTIONS, duration: LONGEST, timeout: 10 },
    (error, result) => (error ? done.reject(error) : done.resolve(result)),
  )
  instance.once('response', () => first.resolve())
  t.teardown(() => instance.stop())
  await Promise.race([first.promise, done.promise])
  return {
    async endsWithoutLoss() {
      instance.stop()
      const { requests, latency, duration, errors, timeouts, non2xx, '2xx': good } = await done.promise
      t.comment(
        `${good} answers in ${duration} s, slowest ${latency.max} ms; ${errors} errors, ${timeouts} timeouts, ${non2xx} other than 2xx`,
      )
      t.match({ errors, timeouts, non2xx }, { errors: 0, timeouts: 0, non2xx: 0 }, 'no request failed')
      // A connection that ends before its answer is no error to autocannon: it shows only in what was sent and never answered.
      t.ok(requests.sent - good <= CONNECTIONS, 'every request was answered, but for those of the last moment')
    },
  }
}
