import { presets as cooldowns } from '../../config/units.ts'
import type { Snapshot } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import { poolOf } from '../../core/passive.ts'
import { ownsPool, ownsRoute } from '../../core/scope.ts'
import { simulate } from '../../core/simulate.ts'
import { refuse } from '../../errors.ts'
import type { operationEndpoints } from '../contract/operations.ts'
import { createPick } from '../pick.ts'
import { poolRow, resourcesOf, routeRow } from '../views.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { byName, nothing } from './lists.ts'

/** Seconds; as many as a list of choices may have. */
const THRESHOLDS = [30, 60, 90, 120, 180, 300, 600]
/** Ms between two beats at most: without a better guess nobody is back sooner. */
const LONGEST_INTERVAL = 10_000

export function operationHandlers(options: HandlerOptions): HandlersOf<typeof operationEndpoints> {
  const { state, store, inFlight } = options
  const pick = createPick({ random: Math.random, inFlight })

  return {
    pool_resources({ params: { name } }) {
      const pool = poolOf(state.snapshot.world, name)
      return pool === undefined ? nothing('pool', name) : resourcesOf(state.snapshot, name)
    },
    presets: () => ({
      failback_cooldown: Object.entries(cooldowns).map(([name, ms]) => ({ name, cooldown: ms, seconds: ms / 1_000 })),
      gateway_down_threshold: THRESHOLDS.map(seconds => ({ threshold: seconds * 1_000, seconds })),
    }),
    pick({ params: { name }, body }) {
      const { snapshot } = state
      const view = own(snapshot.pools, name)
      if (view === undefined) return nothing('pool', name)
      if (body.gateway !== undefined && !view.members.some(({ gateway }) => gateway === body.gateway))
        return refuse('unknown_reference', `${body.gateway} is not a member of ${name}`)
      const picked = pick(snapshot, view, body)
      if (picked !== null) {
        const { gateway, address, port } = picked.upstream
        return { pool: name, gateway, address, port, ready: picked.ready }
      }
      const { gateway_down_threshold: threshold } = snapshot.world.definitions.value.settings
      const wait = (view.plan.back_at ?? 0) - store.now()
      const soonest = wait > 0 ? wait : Math.min(LONGEST_INTERVAL, threshold / 3)
      const retry_after = Math.max(1, Math.ceil(soonest / 1_000))
      return refuse('pool_outage', `nobody can serve ${name}`, { retry_after })
    },
    simulate({ body, by }) {
      const { snapshot } = state
      const definitions = snapshot.world.definitions.value
      const { gateways, pools, routes } = definitions
      const unknown = [...new Set([...body.down, ...body.held])].filter(
        name => !gateways.some(gateway => gateway.name === name),
      )
      if (unknown.length > 0)
        return refuse('unknown_reference', `there is no gateway ${unknown.join(', ')}`, { unknown })
      const then = simulate(snapshot, body, store.now())
      const compare = <T, Row extends { serving: string[] }>(row: (of: Snapshot, item: T) => Row, item: T) => {
        const was = row(snapshot, item).serving
        const is = row(then, item)
        return { ...is, was, moved: was.join() !== is.serving.join() }
      }
      return {
        pools: byName(pools.filter(({ name }) => ownsPool(by.pools, name))).map(pool => compare(poolRow, pool)),
        routes: byName(routes.filter(route => ownsRoute(by.pools, definitions, route))).map(route =>
          compare(routeRow, route),
        ),
      }
    },
  }
}
