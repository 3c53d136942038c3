/**
 * Where replicas go by different definitions, each by its own file, what one of them has no definition of may be another one's: what the
 * cluster knows of that it leaves as it was. Once they go by the same, what nobody has goes.
 */
import type { Holds, Liveness, World } from './nouns.ts'

/** Do replicas go by different definitions, as far as is known here? */
export function differ({ sight }: Pick<World, 'sight'>): boolean {
  return sight.others?.differ === true
}

interface Shared {
  readonly liveness: Liveness
  readonly holds: Holds
}

/** `after`, with what is told in `world` of gateways and pools that are not defined here. A part that is as it was is the same object. */
export function withStrangers(
  { definitions, liveness: { value: liveness }, holds: { value: holds } }: World,
  after: Shared,
): Shared {
  const gateways = new Set(definitions.value.gateways.map(({ name }) => name))
  const pools = new Set(definitions.value.pools.map(({ name }) => name))
  return {
    liveness: same(liveness, {
      gateways: spared(gateways, liveness.gateways, after.liveness.gateways),
      instances: spared(gateways, liveness.instances, after.liveness.instances),
      refused: spared(gateways, liveness.refused, after.liveness.refused),
    }),
    holds: same(holds, {
      // Holds that run out do so whoever looks.
      gateways: after.holds.gateways,
      windows: spared(gateways, holds.windows, after.holds.windows),
      failovers: spared(pools, holds.failovers, after.holds.failovers),
    }),
  }
}

type Records<T> = Readonly<Record<string, T>>

function spared<T>(known: ReadonlySet<string>, before: Records<T>, after: Records<T>): Records<T> {
  const strangers = Object.entries(before).filter(([name]) => !known.has(name))
  return same(before, { ...after, ...Object.fromEntries(strangers) })
}

/** `before` when both have the same in them. */
function same<T extends object>(before: T, after: T): T {
  const records = new Map<string, unknown>(Object.entries(before))
  const entries = Object.entries(after)
  const isSame = entries.length === records.size && entries.every(([name, record]) => records.get(name) === record)
  return isSame ? before : after
}
