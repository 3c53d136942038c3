/**
 * Members that are ill in ways of their own, and the story of one of them in a pool of three that balances: found out, ejected, well from
 * then on, tried, taken back. Requests come all the while, one after the other at a steady pace, whether or not earlier ones were answered.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startPool } from './engine.ts'
import { until } from './raw-peer.ts'
import { answering, ok, rawUpstream, type Script } from './raw-upstream.ts'

/** Ms. */
export interface Pace {
  /** Between two requests. */
  readonly every: number
  /** `response_timeout` of the route. */
  readonly patience: number
  /** `unhealthy_latency` of the pool; whoever is slow takes half as long again. */
  readonly latency: number
  readonly ejection: number
}

export interface Illness {
  readonly how: string
  readonly cause: string
  /** What it does with its `n`th request, from 0; `pace` is that of the story. */
  readonly answer: (n: number, pace: Pace) => { readonly send?: string; readonly after?: number; readonly close?: true }
  /** What is asked of members beside the defaults. */
  readonly asks?: 'patience' | 'latency'
}

const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n'

export const illnesses: readonly Illness[] = [
  {
    how: 'answers 503 to every other request',
    cause: 'ratio',
    answer: n => ({ send: n % 2 === 0 ? UNAVAILABLE : ok('sick') }),
  },
  { how: 'answers 503 to every request', cause: 'status', answer: () => ({ send: UNAVAILABLE }) },
  { how: 'accepts and never answers', cause: 'response_timeout', answer: () => ({}), asks: 'patience' },
  {
    how: 'cuts bodies short',
    cause: 'body_cut',
    answer: () => ({ send: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', close: true }),
  },
  {
    how: 'is slow',
    cause: 'slow',
    answer: (_, { latency }) => ({ send: ok('sick'), after: 1.5 * latency }),
    asks: 'latency',
  },
]

/** What was seen of one illness. Times are ms. */
export interface Figures {
  readonly causes: readonly string[]
  /** Requests that it was given, and the time from the first of them, until it was ejected. */
  readonly given: number
  readonly found: number
  /** What clients got of the requests that were made until then, by status, `cut` for what came not whole; and the slowest. */
  readonly seen: Readonly<Record<string, number>>
  readonly slowest: number
  /** From its ejection until it was taken back, and how many it was given meanwhile. */
  readonly out: number
  readonly givenOut: number
  /** What clients got of the requests that were made meanwhile. */
  readonly meanwhile: Readonly<Record<string, number>>
  /** From there to its next request. */
  readonly again: number
}

interface Asked {
  readonly at: number
  readonly status: string
  readonly took: number
}

export async function fallIll({ answer, asks }: Illness, pace: Pace): Promise<Figures> {
  const requests: number[] = []
  let well = false
  const script: Script = async peer => {
    for (;;) {
      await peer.request()
      const { send, after = 0, close } = well ? { send: ok('well') } : answer(requests.length, pace)
      requests.push(performance.now())
      if (after > 0) await sleep(after)
      if (send !== undefined) peer.send(send)
      if (close) peer.end()
    }
  }
  await using sick = await rawUpstream(script)
  await using one = await rawUpstream(answering(ok('one')))
  await using two = await rawUpstream(answering(ok('two')))
  const { patience, latency, ejection } = pace
  await using engine = await startPool([sick.port, one.port, two.port], {
    pool: {
      mode: 'load_balancing',
      passive: { ejection: `${ejection}ms`, ...(asks === 'latency' && { unhealthy_latency: `${latency}ms` }) },
    },
    route: asks === 'patience' ? { response_timeout: `${patience}ms` } : {},
    trials: true,
  })
  const told = (kind: 'member_ejected' | 'member_returned') =>
    engine.facts.find(fact => fact.kind === kind && fact.subject === 'a')
  const asked: Asked[] = []
  const ask = async () => {
    const at = performance.now()
    const status = await engine.ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n').then(
      got => String(got.status),
      () => 'cut',
    )
    asked.push({ at, status, took: performance.now() - at })
  }
  const under = new Set<Promise<void>>()
  const timer = setInterval(() => {
    const asking = ask().finally(() => under.delete(asking))
    under.add(asking)
  }, pace.every)
  try {
    await until(() => told('member_ejected') !== undefined, 'it is found out')
    const ejectedAt = performance.now()
    well = true
    const given = requests.length
    await sleep(ejection)
    await until(() => told('member_returned') !== undefined, 'it is taken back')
    const returnedAt = performance.now()
    const before = requests.length
    await until(() => requests.length > before, 'it serves again')
    clearInterval(timer)
    await Promise.all(under)
    const first = asked.filter(({ at }) => at < ejectedAt)
    return {
      causes: engine.facts.flatMap(fact =>
        fact.kind === 'member_ejected' && fact.subject === 'a' ? [fact.cause] : [],
      ),
      given,
      found: ejectedAt - (requests[0] ?? ejectedAt),
      seen: byStatus(first),
      slowest: Math.max(...first.map(({ took }) => took)),
      out: returnedAt - ejectedAt,
      givenOut: before - given,
      meanwhile: byStatus(asked.filter(({ at }) => at >= ejectedAt && at < returnedAt)),
      again: (requests[before] ?? returnedAt) - returnedAt,
    }
  } finally {
    clearInterval(timer)
  }
}

function byStatus(asked: readonly Asked[]): Record<string, number> {
  const counts = Map.groupBy(asked, ({ status }) => status)
  return Object.fromEntries([...counts].sort().map(([status, all]) => [status, all.length]))
}
