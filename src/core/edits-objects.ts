/**
 * Creating, altering and deleting gateways, pools and routes, each a pure change. What something else leans on cannot go: the refusal
 * names what is in the way.
 */
import type { Refusal } from '../errors.ts'
import type { Change } from './changes.ts'
import { isNo, no, redefine, stampOf, type Terms, unmet } from './edits.ts'
import type { Definitions, Pool } from './nouns.ts'

const SECTIONS = { gateway: 'gateways', pool: 'pools', route: 'routes' } as const

export type Kind = keyof typeof SECTIONS
export type Item<K extends Kind> = Definitions[(typeof SECTIONS)[K]][number]

export function find<K extends Kind>(definitions: Definitions, kind: K, name: string): Item<K> | undefined {
  const section: readonly Item<K>[] = definitions[SECTIONS[kind]]
  return section.find(one => one.name === name)
}

export function create<K extends Kind>(kind: K, object: Item<K>, { check, ifMatch }: Terms): Change {
  return (world, now) => {
    const definitions = world.definitions.value
    if (find(definitions, kind, object.name) !== undefined)
      return no('duplicate_name', `there is a ${kind} ${object.name} already`)
    const section = SECTIONS[kind]
    const next = { ...definitions, [section]: [...definitions[section], object] }
    return unmet(ifMatch, undefined) ?? redefine(world, next, now, 'created', check)
  }
}

/**
 * The object as `make` makes it of what it is, in its place: `make` is asked again when somebody else was faster, so it must not
 * remember.
 */
export function alter<K extends Kind>(
  kind: K,
  name: string,
  make: (before: Item<K>) => Item<K> | Refusal,
  { check, ifMatch }: Terms,
  cause = 'changed',
): Change {
  return (world, now) => {
    const definitions = world.definitions.value
    const before = find(definitions, kind, name)
    if (before === undefined) return absent(kind, name)
    const refusal = unmet(ifMatch, stampOf(world.definitions, `${kind}:${name}`))
    if (refusal !== null) return refusal
    const after = make(before)
    if (isNo(after)) return after
    if (after.name !== name) return no('bad_request', `a name never changes: this ${kind} is ${name}`)
    const emptied = 'members' in after && after.members.length === 0 && 'members' in before && before.members.length > 0
    const inTheWay = emptied ? stillUsed(definitions, name, 'last_member_in_use') : null
    if (inTheWay !== null) return inTheWay
    const section: readonly Item<K>[] = definitions[SECTIONS[kind]]
    const next = { ...definitions, [SECTIONS[kind]]: section.map(one => (one === before ? after : one)) }
    return redefine(world, next, now, cause, check)
  }
}

/** Its memberships go with it, unless it is the last member of a pool in use. */
export function deleteGateway(name: string, terms: Terms): Change {
  return remove('gateway', name, terms, definitions => {
    const { gateways, pools, routes } = definitions
    const pinned = routes.filter(({ target }) => 'gateway' in target && target.gateway === name)
    const isOnly = ({ members }: Pool) => members.length === 1 && members[0]?.gateway === name
    const emptied = pools.filter(pool => isOnly(pool) && stillUsed(definitions, pool.name, 'pool_in_use') !== null)
    if (pinned.length > 0 || emptied.length > 0) {
      const inTheWay = { routes: pinned.map(one => one.name), pools: emptied.map(one => one.name) }
      const reasons = [
        ...listed('it is pinned by', 'route', inTheWay.routes),
        ...listed('it is the last member of', 'pool', inTheWay.pools),
      ]
      return no('gateway_in_use', reasons.join('; '), inTheWay)
    }
    const without = (pool: Pool): Pool =>
      pool.members.some(({ gateway }) => gateway === name)
        ? { ...pool, members: pool.members.filter(({ gateway }) => gateway !== name) }
        : pool
    return { ...definitions, gateways: gateways.filter(one => one.name !== name), pools: pools.map(without) }
  })
}

export function deletePool(name: string, terms: Terms): Change {
  return remove('pool', name, terms, definitions => {
    const inTheWay = stillUsed(definitions, name, 'pool_in_use')
    return inTheWay ?? { ...definitions, pools: definitions.pools.filter(one => one.name !== name) }
  })
}

export function deleteRoute(name: string, terms: Terms): Change {
  return remove('route', name, terms, definitions => ({
    ...definitions,
    routes: definitions.routes.filter(one => one.name !== name),
  }))
}

function remove(
  kind: Kind,
  name: string,
  { check, ifMatch }: Terms,
  without: (definitions: Definitions) => Definitions | Refusal,
): Change {
  return (world, now) => {
    if (find(world.definitions.value, kind, name) === undefined) return absent(kind, name)
    const refusal = unmet(ifMatch, stampOf(world.definitions, `${kind}:${name}`))
    if (refusal !== null) return refusal
    const next = without(world.definitions.value)
    return isNo(next) ? next : redefine(world, next, now, 'deleted', check, `${kind}:${name}`)
  }
}

/** A pool is in use while a route or a fallback goes to it, enabled or not. */
function stillUsed(
  { pools, routes }: Definitions,
  name: string,
  code: 'pool_in_use' | 'last_member_in_use',
): Refusal | null {
  const going = routes.filter(({ target }) => 'pool' in target && target.pool === name).map(route => route.name)
  const falling = pools
    .filter(({ on_all_down }) => on_all_down.action === 'fallback' && on_all_down.pool === name)
    .map(pool => pool.name)
  if (going.length === 0 && falling.length === 0) return null
  const reasons = [
    ...listed(`${name} is used by`, 'route', going),
    ...listed(`${name} is the fallback of`, 'pool', falling),
  ]
  return no(code, reasons.join('; '), { routes: going, fallbacks: falling })
}

function absent(kind: Kind, name: string): Refusal {
  return no('not_found', `there is no ${kind} ${JSON.stringify(name.slice(0, 40))}`)
}

/** More names than a sentence needs; all of them are in the members of the problem. */
const MOST_NAMED = 5

function listed(what: string, kind: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const rest = names.length - MOST_NAMED
  return [
    `${what} ${kind}${names.length > 1 ? 's' : ''} ${names.slice(0, MOST_NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`,
  ]
}
