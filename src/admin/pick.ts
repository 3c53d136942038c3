/**
 * One member of a pool, for callers that dial by themselves. The pool's own policy chooses; its turns are kept here, and what is in flight
 * is what traffic has in flight.
 */

import type { Choice, PoolView, Snapshot, Upstream } from '../core/nouns.ts'
import { planPinned } from '../core/plan.ts'
import { hashText } from '../core/policies/ip-hash.ts'
import { policies } from '../core/policies/policies.ts'
import { freshLoad, type Load } from '../core/policies/policy.ts'

export interface PickOptions {
  readonly random: () => number
  /** Requests and tunnels under way in a member. */
  readonly inFlight: (pool: string, gateway: string) => number
}

export interface Wanted {
  /** A member to prefer. */
  readonly gateway?: string | undefined
  /** Of the client. */
  readonly address?: string | undefined
}

export interface Picked {
  readonly upstream: Upstream
  /** False: the least bad one. */
  readonly ready: boolean
}

/** Null: nobody can serve. */
export type Pick = (snapshot: Snapshot, pool: PoolView, wanted: Wanted) => Picked | null

export function createPick({ random, inFlight }: PickOptions): Pick {
  /** Pool → gateway → where its turn stands. */
  const turns = new Map<string, Map<string, Load>>()

  const candidate = (turn: Map<string, Load>, choice: Choice) => {
    const load = turn.get(choice.gateway) ?? freshLoad()
    load.inFlight = inFlight(choice.pool, choice.gateway)
    turn.set(choice.gateway, load)
    return { name: choice.gateway, weight: choice.weight, load, choice }
  }

  return ({ pools }, pool, { gateway, address }) => {
    for (const name of turns.keys()) if (!Object.hasOwn(pools, name)) turns.delete(name)
    const { policy, choices, emergency } = gateway === undefined ? pool.plan : planPinned(gateway, [pool], false).plan
    const turn = turns.get(pool.name) ?? new Map<string, Load>()
    turns.set(pool.name, turn)
    for (const name of turn.keys()) if (!pool.members.some(member => member.gateway === name)) turn.delete(name)
    const candidates = choices.map(choice => candidate(turn, choice))
    const key = address === undefined ? Math.floor(random() * 2 ** 32) : hashText(address)
    const chosen = policies[policy](candidates, random, () => performance.now()).pick(key, [])?.choice ?? emergency[0]
    const upstream = chosen?.upstreams[Math.floor(random() * chosen.upstreams.length)]
    return upstream === undefined ? null : { upstream, ready: choices.length > 0 }
  }
}
