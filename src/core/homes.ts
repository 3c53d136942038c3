/** The pools in which a gateway is at home. */
import type { Definitions, Pool } from './nouns.ts'

/** The name of no pool: of the upstreams of gateways that are pinned without being in one. */
export const NO_POOL = '-'

/** The enabled pools of `gateway`, in the order of the definitions. */
export function homesOf({ pools }: Definitions, gateway: string): readonly Pool[] {
  return pools.filter(({ enabled, members }) => enabled && members.some(member => member.gateway === gateway))
}

const BY_ITSELF: readonly Pick<Pool, 'name' | 'require'>[] = [{ name: NO_POOL, require: 'all' }]

/** Where `gateway` is checked: in its enabled pools, or by itself when it is in none. */
export function checkedIn(definitions: Definitions, gateway: string): readonly Pick<Pool, 'name' | 'require'>[] {
  const homes = homesOf(definitions, gateway)
  return homes.length > 0 ? homes : BY_ITSELF
}
