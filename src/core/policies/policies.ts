import type { Plan } from '../nouns.ts'
import { ipHash } from './ip-hash.ts'
import { latency } from './latency.ts'
import { leastConn } from './least-conn.ts'
import { ordered } from './ordered.ts'
import type { Build } from './policy.ts'
import { random } from './random.ts'
import { roundRobin } from './round-robin.ts'
import { twoChoices } from './two-choices.ts'

/** Every policy. */
export const policies: Readonly<Record<Plan['policy'], Build>> = {
  ordered,
  round_robin: roundRobin,
  random,
  least_conn: leastConn,
  ip_hash: ipHash,
  two_choices: twoChoices,
  latency,
}
