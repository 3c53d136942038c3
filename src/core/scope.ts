/**
 * What belongs to a token that is limited to pools: those pools, the gateways whose every pool is among them, and the routes that go to
 * them. What is in no pool and carries no traffic is there for everybody to take; all else needs a token without a limit.
 */
import type { Refusal } from '../errors.ts'
import { differences } from './changes.ts'
import type { Definitions, Holds, Pool, Route, Token, World } from './nouns.ts'
import type { Values } from './store.ts'

/** Names of pools; undefined: everything. */
export type Scope = readonly string[] | undefined

export function ownsPool(scope: Scope, pool: string): boolean {
  return scope === undefined || scope.includes(pool)
}

/** Every pool that it is in. A gateway in none carries traffic only for routes that are pinned to it. */
export function ownsGateway(scope: Scope, { pools, routes }: Definitions, gateway: string): boolean {
  if (scope === undefined) return true
  const homes = pools.filter(({ members }) => members.some(member => member.gateway === gateway))
  if (homes.length > 0) return homes.every(({ name }) => scope.includes(name))
  return !routes.some(({ target }) => 'gateway' in target && target.gateway === gateway)
}

/** By the pool it goes to, or by all pools of the gateway that it is pinned to, since it fails over within them. */
export function ownsRoute(scope: Scope, definitions: Definitions, { target }: Route): boolean {
  if (scope === undefined) return true
  if ('pool' in target) return scope.includes(target.pool)
  // One that is pinned to a gateway without a pool is nobody's, as one that answers by itself.
  return 'gateway' in target && ownsGateway(scope, definitions, target.gateway)
}

/** A token that opens nothing which this one does not. */
export function ownsToken(scope: Scope, definitions: Definitions, { pools, gateway }: Token): boolean {
  if (scope === undefined) return true
  if (gateway !== undefined) return isThere(definitions, gateway) && ownsGateway(scope, definitions, gateway)
  return pools?.every(pool => scope.includes(pool)) ?? false
}

/** What happens to a pool or gateway of this name; both, if there are both. */
export function ownsSubject(scope: Scope, definitions: Definitions, subject: string): boolean {
  if (scope === undefined) return true
  const gateway = isThere(definitions, subject)
  const pool = definitions.pools.some(({ name }) => name === subject)
  return (
    (pool || gateway) && (!pool || scope.includes(subject)) && (!gateway || ownsGateway(scope, definitions, subject))
  )
}

/** Refuses a change of anything that is not the scope's, before the change or after it. */
export function exceeds(scope: Scope, { definitions, holds, access }: World, next: Partial<Values>): Refusal | null {
  if (scope === undefined) return null
  const before = definitions.value
  const others = [
    ...(next.definitions ? differences(before, next.definitions).filter(outside(scope, before, next.definitions)) : []),
    ...(next.holds ? heldDifferently(holds.value, next.holds).filter(outside(scope, before, before)) : []),
    ...(next.access ? tokensOutside(scope, before, access.value.tokens, next.access.tokens) : []),
    // What happens anywhere is told to them.
    ...(next.access && next.access.webhooks !== access.value.webhooks ? ['webhooks'] : []),
  ]
  const [first] = others
  if (first === undefined) return null
  return {
    kind: 'refusal',
    code: 'forbidden',
    detail: `this token is limited to pools, and ${first} is not all theirs`,
  }
}

/** Tells what is changed (`pool:NAME` and the like) and is not the scope's. */
function outside(scope: readonly string[], before: Definitions, after: Definitions): (changed: string) => boolean {
  return changed => {
    const [kind, name = ''] = changed.split(':')
    const foreign = (definitions: Definitions): boolean => {
      if (kind === 'pool') return !scope.includes(name)
      if (kind === 'gateway') return !ownsGateway(scope, definitions, name)
      if (kind !== 'route') return true
      const route = definitions.routes.find(one => one.name === name)
      return route !== undefined && !ownsRoute(scope, definitions, route)
    }
    return (
      foreign(before) ||
      foreign(after) ||
      (kind === 'pool' && reachesOut(scope, before, after, name)) ||
      (kind === 'route' && takesOver(scope, before, after, name))
    )
  }
}

/** A pool hands its traffic to its members and to its fallback: those that it gets must not be somebody else's. */
function reachesOut(scope: readonly string[], before: Definitions, after: Definitions, pool: string): boolean {
  const [was, is] = [before, after].map(({ pools }) => pools.find(({ name }) => name === pool))
  const had = new Set(was?.members.map(({ gateway }) => gateway))
  const taken = is?.members.filter(({ gateway }) => !had.has(gateway)) ?? []
  const fallback = is && fallbackOf(is)
  return (
    taken.some(({ gateway }) => !ownsGateway(scope, before, gateway)) ||
    (fallback !== undefined && fallback !== (was && fallbackOf(was)) && !scope.includes(fallback))
  )
}

/** The more specific of two routes gets the requests: it must not get what goes to somebody else's route of the very same host. */
function takesOver(scope: readonly string[], before: Definitions, after: Definitions, name: string): boolean {
  const [was, is] = [before, after].map(({ routes }) => routes.find(route => route.name === name))
  if (!is?.enabled || (was?.enabled && matching(was) === matching(is))) return false
  return before.routes.some(other => other.name !== name && covers(other, is) && !ownsRoute(scope, before, other))
}

const matching = ({ protocol, listener, match }: Route): string => JSON.stringify([protocol, listener, match])

/** Would requests of `inner` be `outer`'s if there were no `inner`? A port of its own is nobody else's. */
function covers(outer: Route, inner: Route): boolean {
  if (inner.protocol !== outer.protocol || inner.listen !== undefined || outer.listen !== undefined) return false
  if (inner.match.host !== outer.match.host || inner.match.sni !== outer.match.sni) return false
  if (inner.listener !== outer.listener && inner.listener !== undefined && outer.listener !== undefined) return false
  const folder = outer.match.path.endsWith('/') ? outer.match.path : `${outer.match.path}/`
  return inner.match.path === outer.match.path || inner.match.path.startsWith(folder)
}

const fallbackOf = ({ on_all_down }: Pool): string | undefined => ('pool' in on_all_down ? on_all_down.pool : undefined)

/** What the wishes of each part are about. */
const HELD: Readonly<Record<keyof Holds, 'gateway' | 'pool'>> = {
  gateways: 'gateway',
  windows: 'gateway',
  failovers: 'pool',
}

function heldDifferently(before: Holds, after: Holds): string[] {
  return (Object.keys(HELD) as (keyof Holds)[]).flatMap(part =>
    differentKeys<unknown>(before[part], after[part]).map(name => `${HELD[part]}:${name}`),
  )
}

function differentKeys<T>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>): string[] {
  const was = new Map(Object.entries(before))
  const is = new Map(Object.entries(after))
  return [...new Set([...was.keys(), ...is.keys()])].filter(key => was.get(key) !== is.get(key))
}

function tokensOutside(
  scope: Scope,
  definitions: Definitions,
  before: readonly Token[],
  after: readonly Token[],
): string[] {
  const changed = [...before.filter(one => !after.includes(one)), ...after.filter(one => !before.includes(one))]
  return changed.filter(token => !ownsToken(scope, definitions, token)).map(({ name }) => `token:${name}`)
}

const isThere = ({ gateways }: Definitions, gateway: string): boolean => gateways.some(({ name }) => name === gateway)
