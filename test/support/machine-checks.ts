/** What active checks say of upstreams and gateways, worked out from every result in the plainest way, for the oracle to compare with. */
import type { Gateway, Pool, World } from '../../src/core/nouns.ts'
import { own } from '../../src/core/own.ts'
import { announced } from './machine-truths.ts'

interface Rules {
  readonly fall: number
  readonly rise: number
}

/** Where a gateway is checked: a pool of its, or nowhere in particular (`-`) when it is in none. */
export interface Place {
  readonly pool: string
  readonly rules: readonly Rules[]
  readonly require: Pool['require']
  readonly keys: readonly string[]
}

interface Story {
  verdict: boolean | null
  passed: boolean
  times: number
  at: number
}

export interface Checks {
  result(key: string, check: number, passed: boolean, rules: Rules, at: number): void
  /** Forgets the results of upstreams that `stays` does not name. */
  forget(stays: (key: string) => boolean): void
  verdict(place: Place, key: string): boolean | null
  /** Would the last results alone pass? */
  passing(place: Place, key: string): boolean | null
  /** Does a gateway pass its checks anywhere? */
  lives(world: World, gateway: string): boolean | null
  /** When what it lives by was checked last, or -Infinity. */
  vouchedAt(world: World, gateway: string): number
  /** Did it pass often enough in a row anywhere? */
  rises(world: World, gateway: string): boolean
  /** Are the last results everywhere bad? */
  failsEverywhere(world: World, gateway: string): boolean
}

/** What is asked of a gateway that lives by probes where nobody said what to ask. */
const CONNECT: Rules = { fall: 3, rise: 2 }

/** Every place in which `gateway` is checked, with the keys of its upstreams there. */
export function placesOf(world: World, gateway: Gateway): readonly Place[] {
  const { definitions, sight } = world
  const { name, liveness, address, http_port } = gateway
  const named = /^[\d.]+$/.test(address) ? [address] : (own(sight.addresses, address) ?? [])
  const addresses = address === 'from_heartbeat' ? announced(world, name, false) : named
  const homes = definitions.value.pools.filter(
    ({ enabled, members }) => enabled && members.some(member => member.gateway === name),
  )
  const places = homes.length > 0 ? homes : [{ name: '-', active: [], require: 'all' as const }]
  return places.flatMap(({ name: pool, active, require }) => {
    const rules = active.length === 0 && liveness === 'probe' ? [CONNECT] : active
    return [{ pool, rules, require, keys: addresses.map(one => `${pool}/${name}/${one}:${http_port}`) }]
  })
}

export function createChecks(): Checks {
  const stories = new Map<string, Story>()
  const of = ({ rules }: Place, key: string) => rules.map((_, i) => stories.get(`${key}#${i}`))
  const decide = (each: readonly (boolean | null)[], require: Pool['require']) => {
    if (each.length === 0) return null
    if (require === 'all') return each.includes(false) ? false : each.every(one => one === true) ? true : null
    return each.includes(true) ? true : each.every(one => one === false) ? false : null
  }
  const verdict = (place: Place, key: string) =>
    decide(
      of(place, key).map(story => story?.verdict ?? null),
      place.require,
    )
  const passing = (place: Place, key: string) =>
    decide(
      of(place, key).map(story => story?.passed ?? null),
      place.require,
    )
  const risen = (place: Place, key: string) =>
    decide(
      of(place, key).map((story, i) => story?.passed === true && story.times >= (place.rules[i]?.rise ?? 1)),
      place.require,
    ) === true
  const places = (world: World, name: string) => {
    const gateway = world.definitions.value.gateways.find(one => one.name === name)
    return gateway === undefined ? [] : placesOf(world, gateway)
  }
  return {
    result(key, check, passed, { fall, rise }, at) {
      const before = stories.get(`${key}#${check}`)
      const times = before?.passed === passed ? before.times + 1 : 1
      const was = before?.verdict ?? null
      const turns = passed ? was === null || times >= rise : times >= fall
      stories.set(`${key}#${check}`, { verdict: turns ? passed : was, passed, times, at })
    },
    forget(stays) {
      for (const id of stories.keys()) if (!stays(id.slice(0, id.lastIndexOf('#')))) stories.delete(id)
    },
    verdict,
    passing,
    lives(world, name) {
      const each = places(world, name).map(place => {
        const verdicts = place.keys.map(key => verdict(place, key))
        return verdicts.includes(true) ? true : verdicts.every(one => one === false) ? false : null
      })
      if (each.includes(true)) return true
      return each.length > 0 && each.every(one => one === false) ? false : null
    },
    vouchedAt: (world, name) =>
      Math.max(
        ...places(world, name).flatMap(place =>
          place.keys
            .filter(key => verdict(place, key) === true)
            .flatMap(key => of(place, key).map(story => story?.at ?? -Infinity)),
        ),
      ),
    rises: (world, name) => places(world, name).some(place => place.keys.some(key => risen(place, key))),
    failsEverywhere: (world, name) =>
      places(world, name).every(place => place.keys.every(key => passing(place, key) === false)),
  }
}
