/**
 * A few dozen requests a second over several connections, each one counted.
 */
import { Agent, request } from 'undici'
import type { Clock } from '../clock.ts'

const CONNECTIONS = 6
/** Ms from one request of a connection to its next one, unless the answer takes longer. */
const EVERY = 120
/** Ms without an answer that make a failure. */
const TIMEOUT = 10_000

export interface Load extends AsyncDisposable {
  readonly requests: number
  readonly failures: number
  /** Why the first one that failed did; null: none did. */
  readonly firstFailure: string | null
  /** The longest that anybody waited for an answer, ms. */
  readonly longest: number
  /** How many requests each gateway answered. */
  readonly answered: ReadonlyMap<string, number>
  /** Requests begin to flow. */
  start(): void
  /** Resolves when `gateway` has answered `count` more. */
  answers(gateway: string, count: number): Promise<void>
  /** No more requests; resolves when the last one is answered. */
  stop(): Promise<void>
}

/** Sends GETs to `url` from its start until it is stopped. */
export function createLoad(url: string, clock: Clock): Load {
  const agent = new Agent({ connections: CONNECTIONS, headersTimeout: TIMEOUT, bodyTimeout: TIMEOUT })
  const answered = new Map<string, number>()
  const waiting = new Set<{ readonly gateway: string; readonly count: number; readonly resolve: () => void }>()
  let requests = 0
  let failures = 0
  let firstFailure: string | null = null
  let longest = 0
  let clients: readonly Promise<void>[] = []
  let stopped = false

  const one = async () => {
    const begun = clock.now()
    requests++
    try {
      const { statusCode, headers, body } = await request(url, { dispatcher: agent })
      await body.dump()
      if (statusCode !== 200) throw new Error(`status ${statusCode}`)
      count(String(headers['x-served-by']))
    } catch (error) {
      failures++
      firstFailure ??= (error as Error).message
    }
    longest = Math.max(longest, clock.now() - begun)
    return begun
  }

  const count = (gateway: string) => {
    const total = (answered.get(gateway) ?? 0) + 1
    answered.set(gateway, total)
    for (const wait of waiting) {
      if (wait.gateway !== gateway || total < wait.count) continue
      waiting.delete(wait)
      wait.resolve()
    }
  }

  const client = async (index: number) => {
    await pause(clock, (index * EVERY) / CONNECTIONS)
    while (!stopped) {
      const begun = await one()
      await pause(clock, EVERY - (clock.now() - begun))
    }
  }
  const stop = async () => {
    stopped = true
    await Promise.all(clients)
  }

  return {
    get requests() {
      return requests
    },
    get failures() {
      return failures
    },
    get firstFailure() {
      return firstFailure
    },
    get longest() {
      return longest
    },
    answered,
    start() {
      clients = Array.from({ length: CONNECTIONS }, (_, index) => client(index))
    },
    answers: (gateway, more) =>
      new Promise(resolve => waiting.add({ gateway, count: (answered.get(gateway) ?? 0) + more, resolve })),
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await agent.close()
    },
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise(resolve => clock.after(Math.max(0, ms), resolve))
}
