/** Invariant 15: what `simulate` says is what then happens. */
import type { Snapshot } from '../../src/core/nouns.ts'
import { own } from '../../src/core/own.ts'
import { type Supposed, simulate } from '../../src/core/simulate.ts'
import { violated } from './machine-truths.ts'

/** `after` came of `before` by nothing but what is `supposed`: is it what would have been said of it? */
export function checkForetold(before: Snapshot, after: Snapshot, supposed: Supposed, now: number): void {
  const [said, is] = [who(simulate(before, supposed, now)), who(after)]
  for (const [place, serves] of Object.entries(is))
    if (said[place] !== serves)
      violated(15, `${JSON.stringify(supposed)} was said to leave ${place} with ${said[place]}, and it has ${serves}`)
}

/** The gateways that went down between the two, where nothing else happened to what the cluster agrees on; null: something did. */
export function wentDown(before: Snapshot, after: Snapshot): readonly string[] | null {
  const [was, is] = [before.world, after.world]
  if (was.definitions !== is.definitions || was.holds.value !== is.holds.value) return null
  const down: string[] = []
  for (const { name } of is.definitions.value.gateways) {
    const [old, record] = [own(was.liveness.value.gateways, name), own(is.liveness.value.gateways, name)]
    if (old?.state === 'up' && record?.state === 'down') down.push(name)
    else if (old !== record) return null
    else if (own(was.liveness.value.instances, name) !== own(is.liveness.value.instances, name)) return null
  }
  return down
}

/** Who takes the traffic of each pool and of each pinned route, in which order. */
function who({ pools, pinned }: Snapshot): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...Object.entries(pools), ...Object.entries(pinned)].map(([place, { plan, serving }]) => {
      const names = (list: typeof plan.choices) =>
        list.map(({ pool, gateway, weight }) => `${pool}/${gateway}=${weight}`)
      const first = 'gateway' in serving ? serving.gateway : ''
      return [place, [serving.kind, first, ...names(plan.choices), 'or', ...names(plan.emergency)].join(' ')]
    }),
  )
}
