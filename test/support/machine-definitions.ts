/** Random definitions for the model, and random changes of them. */
import type { Definitions, Gateway, Pool, Route } from '../../src/core/nouns.ts'
import type { Dice } from './dice.ts'
import { define } from './world.ts'

const GATEWAYS = ['a', 'b', 'c', 'd', 'e', 'f', 'constructor', '7']
const POOLS = ['p', 'q', 'r', '3']
const THRESHOLDS = [1_000, 3_000, 10_000, 30_000, 90_000]
/** Ms; 0 and lengths below and above the thresholds among them. */
export const COOLDOWNS = [0, 500, 2_000, 5_000, 5_000, 20_000, 60_000]
const POLICIES = ['round_robin', 'least_conn', 'ip_hash', 'random', 'two_choices', 'latency'] as const
const LIVENESS = ['heartbeat', 'heartbeat', 'heartbeat', 'probe', 'assumed'] as const

/** One of each with every default, to be filled in. */
const plain = define({
  gateways: [{ name: 'a', address: '127.0.0.1' }],
  pools: [{ name: 'p', passive: { fail_duration: '5s', ejection: '3s', max_ejection: '8s' } }],
  routes: [{ name: 'r', target: { pool: 'p' } }],
})
const checked = define({ pools: [{ name: 'p', active: [{ kind: 'tcp' }] }] })
const [gateway, pool, route] = [plain.gateways[0], plain.pools[0], plain.routes[0]] as [Gateway, Pool, Route]

export function drawDefinitions(dice: Dice): Definitions {
  const gateways = GATEWAYS.slice(0, 2 + dice.int(GATEWAYS.length - 1)).map(name => drawGateway(name, dice))
  const pools = POOLS.slice(0, 1 + dice.int(POOLS.length)).map(name => drawPool(name, gateways, dice))
  const settings = { ...plain.settings, gateway_down_threshold: dice.oneOf(THRESHOLDS) ?? 1_000 }
  return { gateways, pools, routes: drawRoutes(gateways, pools, dice), settings }
}

/** `before` with one thing changed, or a few. */
export function changeDefinitions(before: Definitions, dice: Dice): Definitions {
  const { gateways, pools, routes, settings } = before
  const changed = <T extends { readonly name: string }>(list: readonly T[], change: (one: T) => T): T[] => {
    const chosen = dice.oneOf(list)
    return list.map(one => (one === chosen ? change(one) : one))
  }
  const newGateway = GATEWAYS.find(name => !gateways.some(one => one.name === name))
  switch (dice.int(9)) {
    case 0:
      return { ...before, pools: changed(pools, one => ({ ...one, members: drawMembers(gateways, dice) })) }
    case 1:
      return { ...before, pools: changed(pools, one => ({ ...one, failback_cooldown: dice.oneOf(COOLDOWNS) ?? 0 })) }
    case 2:
      return { ...before, pools: changed(pools, one => ({ ...drawPool(one.name, gateways, dice) })) }
    case 3:
      return { ...before, gateways: changed(gateways, one => drawGateway(one.name, dice)) }
    case 4:
      return { ...before, gateways: changed(gateways, one => ({ ...one, enabled: !one.enabled })) }
    case 5:
      return newGateway === undefined ? before : { ...before, gateways: [...gateways, drawGateway(newGateway, dice)] }
    case 6: {
      const { name: gone } = dice.oneOf(gateways) ?? gateway
      const left = gateways.filter(({ name }) => name !== gone)
      if (left.length === 0) return before
      const without = pools.map(one => ({ ...one, members: one.members.filter(member => member.gateway !== gone) }))
      return { settings, gateways: left, pools: without, routes: drawRoutes(left, without, dice) }
    }
    case 7:
      return { ...before, settings: { ...settings, gateway_down_threshold: dice.oneOf(THRESHOLDS) ?? 1_000 } }
    default:
      return { ...before, routes: routes.length > 2 ? routes.slice(1) : drawRoutes(gateways, pools, dice) }
  }
}

function drawGateway(name: string, dice: Dice): Gateway {
  const liveness = dice.oneOf(LIVENESS) ?? 'heartbeat'
  const fixed = dice.maybe(0.3) ? `${name}.lan` : '127.0.0.1'
  const address = liveness === 'heartbeat' && dice.maybe(0.3) ? 'from_heartbeat' : fixed
  return { ...gateway, name, address, liveness, enabled: dice.maybe(0.95), http_port: 8080 + dice.int(2) }
}

function drawPool(name: string, gateways: readonly Gateway[], dice: Dice): Pool {
  return {
    ...pool,
    name,
    enabled: dice.maybe(0.95),
    mode: dice.maybe(0.6) ? 'failover' : 'load_balancing',
    lb_policy: dice.oneOf(POLICIES) ?? 'random',
    failback_cooldown: dice.oneOf(COOLDOWNS) ?? 0,
    members: drawMembers(gateways, dice),
    hold_out: dice.maybe(0.2),
    active: dice.maybe(0.3) ? Array.from({ length: 1 + dice.int(2) }, () => drawCheck(dice)) : [],
    require: dice.maybe(0.7) ? 'all' : 'any',
    passive: { ...pool.passive, max_fails: 1 + dice.int(3) },
  }
}

function drawCheck(dice: Dice): Pool['active'][number] {
  const [check] = checked.pools[0]?.active ?? []
  return { ...(check as Pool['active'][number]), fall: 1 + dice.int(3), rise: 1 + dice.int(2) }
}

/** One to six of the gateways, in any order. */
function drawMembers(gateways: readonly Gateway[], dice: Dice): Pool['members'] {
  const left = gateways.map(({ name }) => name)
  const members: Pool['members'] = []
  for (let size = 1 + dice.int(6); size > 0 && left.length > 0; size--) {
    const [name] = left.splice(dice.int(left.length), 1)
    if (name !== undefined) members.push({ gateway: name, weight: 1 + dice.int(3) })
  }
  return members
}

function drawRoutes(gateways: readonly Gateway[], pools: readonly Pool[], dice: Dice): Route[] {
  const targets: Partial<Route>[] = [
    ...pools.map(({ name }) => ({ target: { pool: name } })),
    ...gateways.map(({ name }) => ({ target: { gateway: name } })),
    ...gateways.map(({ name }) => ({ target: { gateway: name }, failover: 'never' as const })),
  ]
  return targets
    .filter(() => dice.maybe(0.5))
    .map((target, i) => ({ ...route, name: `r${i}`, match: { path: `/${i}` }, ...target }))
}
