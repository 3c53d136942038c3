/**
 * Where traffic goes: the plan of a pool, and of a gateway that routes are pinned to. Derived from the member views each time one of them
 * changes; nothing rewrites a route.
 */
import { homesOf, NO_POOL } from './homes.ts'
import type {
  Choice,
  Failover,
  GatewayPort,
  MemberView,
  PinnedView,
  Plan,
  Pool,
  PoolView,
  Route,
  Serving,
  World,
} from './nouns.ts'

/**
 * The plan that a route asks for: `pool:NAME`, `gateway:NAME`, or `only:NAME` for a pinned route that must not move; `@PORT` behind it
 * for every protocol but HTTP. '' for a route that answers by itself and asks for none.
 */
export function targetKey(route: Route): string {
  const { target, failover, backend } = route
  if ('redirect' in target || 'respond' in target) return ''
  const port = portOf(route)
  const at = port === null ? '' : `@${port}`
  if ('pool' in target) return `pool:${target.pool}${at}`
  const stays = failover === 'never' || (failover === 'auto' && isLoopback(backend))
  return `${stays ? 'only' : 'gateway'}:${target.gateway}${at}`
}

/** The port of its gateways that a route goes to; null: that of their HTTP. */
export function portOf({ protocol, gateway_port }: Route): GatewayPort | null {
  // The configuration has refused other protocols' routes without a port.
  if (protocol === 'http' || gateway_port === undefined) return null
  return protocol === 'udp' ? `${gateway_port}/udp` : `${gateway_port}`
}

/** A backend on the gateway itself: another gateway would reach another machine under the same address. */
export function isLoopback(backend: string | undefined): boolean {
  if (backend === undefined) return false
  const host = backend.startsWith('[') ? backend.slice(1, backend.indexOf(']')) : backend.replace(/:\d+$/, '')
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^(::ffff:)?127\./i.test(host)
}

/** The plan of a pool and who serves it. `members` are all of them, in order; `wish` is an operator's that counts. */
export function planPool(
  pool: Pool,
  members: readonly MemberView[],
  wish: Failover | null,
  port: GatewayPort | null,
): { readonly plan: Plan; readonly serving: Serving } {
  const ready = pool.enabled ? ranked(members, wish).filter(dialable) : []
  const emergency = pool.enabled ? emergencyOrder(members.map(view => ({ pool: pool.name, view }))) : []
  const failover = pool.mode === 'failover'
  const plan: Plan = {
    pool: pool.name,
    policy: failover ? 'ordered' : pool.lb_policy,
    choices: ready.map(member => choice(pool.name, member)),
    emergency: [
      ...emergency,
      ...lastResort(
        pool.on_all_down,
        members.map(view => ({ pool: pool.name, view })),
      ),
    ].map(({ view }) => choice(pool.name, view)),
    ...whenAllDown(pool.on_all_down, port),
    back_at: earliest(members),
  }
  if (!failover && ready.length > 0)
    return { plan, serving: { kind: 'balanced', gateways: ready.map(({ gateway }) => gateway) } }
  const original = members.find(({ state }) => state !== 'disabled')
  return { plan, serving: whoServes(ready[0], emergency[0]?.view, original, wishBehind(ready[0], members, wish)) }
}

/**
 * The plan of the routes pinned to `gateway`: it serves while it is ready in its home pool, else the first ready sibling over its pools,
 * failover pools first, then by the shorter cooldown, then by name. Where its home pool is failed over by hand to one behind it, it yields
 * to that one. `alone`: it does not move. `homes` are its pools, home first.
 */
export function planPinned(
  gateway: string,
  homes: readonly Pick<PoolView, 'name' | 'members' | 'wish' | 'port' | 'on_all_down'>[],
  alone: boolean,
): PinnedView {
  const home = homes[0]
  const own = home?.members.find(view => view.gateway === gateway)
  const candidates: Candidate[] = home && own ? [{ pool: home.name, view: own }] : []
  if (!alone) {
    for (const { name, members, wish } of homes) {
      for (const view of ranked(members, wish)) if (view.gateway !== gateway) candidates.push({ pool: name, view })
    }
    const chosen = home && ranked(home.members, home.wish)[0]
    if (home && own && chosen && chosen.priority > own.priority) candidates.unshift({ pool: home.name, view: chosen })
  }
  const choices = oncePerGateway(candidates.filter(({ view }) => dialable(view)))
  const others = candidates.filter(({ view }) => !choices.some(chosen => chosen.view.gateway === view.gateway))
  const emergency = oncePerGateway(emergencyOrder(others))
  const first = choices[0]
  const from = homes.find(({ name }) => name === first?.pool)
  return {
    gateway,
    serving: whoServes(
      first?.view,
      emergency[0]?.view,
      own,
      from ? wishBehind(first?.view, from.members, from.wish) : null,
    ),
    plan: {
      pool: home === undefined || home.name === NO_POOL ? null : home.name,
      policy: 'ordered',
      choices: choices.map(({ pool, view }) => choice(pool, view)),
      emergency: [...emergency, ...lastResort(home?.on_all_down, others)].map(({ pool, view }) => choice(pool, view)),
      ...whenAllDown(home?.on_all_down, home?.port ?? null),
      back_at: earliest(candidates.map(({ view }) => view)),
    },
  }
}

/** The enabled pools of a gateway, home first. */
export function homeOrder(world: World, gateway: string): readonly Pool[] {
  return homesOf(world.definitions.value, gateway).toSorted(
    (a, b) =>
      Number(a.mode !== 'failover') - Number(b.mode !== 'failover') ||
      a.failback_cooldown - b.failback_cooldown ||
      (a.name < b.name ? -1 : 1),
  )
}

interface Candidate {
  readonly pool: string
  readonly view: MemberView
}

function dialable(view: MemberView): boolean {
  return view.ready && view.upstreams.length > 0
}

/** `members` with the one first that an operator chose, if it is ready. */
function ranked(members: readonly MemberView[], wish: Failover | null): readonly MemberView[] {
  const chosen = wish?.kind === 'over' ? members.find(view => view.gateway === wish.to && dialable(view)) : undefined
  return chosen === undefined ? members : [chosen, ...members.filter(view => view !== chosen)]
}

/** The wish that makes `first` serve, if the order alone would have chosen another. */
function wishBehind(
  first: MemberView | undefined,
  members: readonly MemberView[],
  wish: Failover | null,
): Failover | null {
  if (first === undefined || wish?.kind !== 'over' || wish.to !== first.gateway) return null
  return members.some(view => view.priority < first.priority && dialable(view)) ? wish : null
}

function choice(pool: string, { gateway, weight, limit, upstreams }: MemberView): Choice {
  return { pool, gateway, weight, limit, upstreams }
}

/** Who is asked all the same although it is down: everybody where the pool fails open. Nobody serves by that. */
function lastResort(
  action: PoolView['on_all_down'] | undefined,
  candidates: readonly Candidate[],
): readonly Candidate[] {
  if (action?.action !== 'fail_open') return []
  return oncePerGateway(candidates.filter(({ view }) => view.state === 'down' && view.upstreams.length > 0))
}

function whenAllDown(
  action: PoolView['on_all_down'] | undefined,
  port: GatewayPort | null,
): Pick<Plan, 'fallback' | 'hold'> {
  return {
    fallback: action?.action === 'fallback' ? `pool:${action.pool}${port === null ? '' : `@${port}`}` : null,
    hold: action?.action === 'hold' ? action.hold : 0,
  }
}

/** Nobody is ready: the returning one that is back first, then the ejected, then the never seen. Never a held one, never a down one. */
function emergencyOrder(candidates: readonly Candidate[]): readonly Candidate[] {
  const rank = ({ view }: Candidate) => ['returning', 'ejected', 'unknown'].indexOf(view.state)
  return candidates
    .filter(one => !one.view.ready && rank(one) >= 0 && one.view.upstreams.length > 0)
    .sort(
      (a, b) => rank(a) - rank(b) || (a.view.back_at ?? 0) - (b.view.back_at ?? 0) || a.view.priority - b.view.priority,
    )
}

function oncePerGateway(candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates.filter(({ view }, i) => candidates.findIndex(other => other.view.gateway === view.gateway) === i)
}

function whoServes(
  first: MemberView | undefined,
  last: MemberView | undefined,
  original: MemberView | undefined,
  wish: Failover | null,
): Serving {
  const gateway = first?.gateway ?? last?.gateway
  if (gateway === undefined || original === undefined) return { kind: 'nobody' }
  if (first === original) return { kind: 'first', gateway }
  const kind = first ? 'failover' : 'emergency'
  // An original that is ready is away since it was passed over, and nobody knows for how long.
  const { since, back_at } = wish && original.ready ? { since: wish.since, back_at: null } : original
  return { kind, gateway, original: original.gateway, since, back_at, by: wish?.by ?? null }
}

function earliest(members: readonly MemberView[]): number | null {
  const known = members.flatMap(({ back_at }) => (back_at === null ? [] : [back_at]))
  return known.length > 0 ? Math.min(...known) : null
}
