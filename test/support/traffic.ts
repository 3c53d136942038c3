/** Requests through replicas without an end, each replica's one after the other. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Scope } from './launch.ts'
import type { TestReplica } from './replicas.ts'

/** Ms between an answer and the next request. */
const PACE = 5

export interface Answered {
  readonly replica: string
  /** The gateway that answered, or the status that came instead, or why none came. */
  readonly by: string
  /** When, ms as `performance.now` has them. */
  readonly at: number
}

export interface Traffic {
  readonly answered: readonly Answered[]
  /** Resolves once no request is under way. */
  stop(): Promise<void>
}

export function startTraffic(t: Scope, replicas: readonly TestReplica[]): Traffic {
  const answered: Answered[] = []
  let goesOn = true
  const running = Promise.all(
    replicas.map(async replica => {
      while (goesOn) {
        const by = await replica.request().catch(String)
        answered.push({ replica: replica.name, by, at: performance.now() })
        await pause(PACE)
      }
    }),
  )
  const stop = async () => {
    goesOn = false
    await running
  }
  t.teardown(stop)
  return { answered, stop }
}
