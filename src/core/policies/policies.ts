import type { Plan } from '../nouns.ts'
import { ipHash } from './ip-hash.ts'
import { leastConn } from './least-conn.ts'
import { ordered } from './ordered.ts'
import type { Build } from './policy.ts'
import { random } from './random.ts'
import { roundRobin } from './round-robin.ts'

/** Every policy that this version runs; the schema refuses the names that are not here. */
export const policies: Readonly<Record<Exclude<Plan['policy'], 'two_choices' | 'latency'>, Build>> = {
  ordered,
  round_robin: roundRobin,
  random,
  least_conn: leastConn,
  ip_hash: ipHash,
}

/** The policy of a plan. */
export function policyOf(name: Plan['policy']): Build {
  if (name === 'two_choices' || name === 'latency') throw new Error(`the policy ${name} is refused by the schema`)
  return policies[name]
}
