/**
 * Instances: the agents of one gateway that the cluster knows. One joins with its first beat, and leaves when it was silent for as long as
 * would take its gateway down, or when somebody forgets it; it comes back with its next beat. The list is in the liveness document, so that
 * each is told once, whoever is restarted. What an instance says of itself is in its newest beat, which each replica hears.
 */
import type { Refusal } from '../errors.ts'
import { beatsFrom } from './beats.ts'
import type { Moved } from './evaluate.ts'
import type { FactDraft } from './events.ts'
import { holdsOf } from './holds.ts'
import type { Announcement, Beat, Definitions, Gateway, GatewayPort, Liveness, Upstream, World } from './nouns.ts'
import { own } from './own.ts'

/** So many instances a gateway may have, whatever its definition allows. */
export const MOST_INSTANCES = 64

/** What a gateway's definition says in place of an address when each of its instances announces its own. */
export const FROM_HEARTBEAT = 'from_heartbeat'

/** Since when each instance of a gateway is known, by its name. */
export function instancesOf(liveness: Liveness, gateway: string): Readonly<Record<string, number>> {
  return own(liveness.instances, gateway) ?? {}
}

/** Was it heard here, and does the cluster know it? Only then is it dialled. */
function liveBeats(world: World, gateway: string): readonly (readonly [instance: string, beat: Beat])[] {
  const known = instancesOf(world.liveness.value, gateway)
  return Object.entries(beatsFrom(world.sight.beats, gateway)).filter(([instance]) => Object.hasOwn(known, instance))
}

/** Is this one instance held? Its siblings serve. */
export function isInstanceHeld({ holds }: World, gateway: string, instance: string): boolean {
  return holdsOf(holds.value, gateway).some(one => one.instance === instance)
}

/** The upstreams that the instances of `gateway` announced: those that live, held ones too. */
export function announcedUpstreams(
  world: World,
  pool: string,
  gateway: Gateway,
  port: GatewayPort | null,
): readonly Upstream[] {
  const found = new Map<string, Upstream>()
  const known = instancesOf(world.liveness.value, gateway.name)
  // Of two that announce one address the one that joined last is there: the other one was restarted under a new name.
  const byAge = liveBeats(world, gateway.name).toSorted(
    ([a], [b]) => (known[a] ?? 0) - (known[b] ?? 0) || (a < b ? -1 : 1),
  )
  for (const [instance, { said }] of byAge) {
    const { address, http_port = gateway.http_port, weight = 100 } = said
    if (address === undefined) continue
    const at = port ?? http_port
    const key = `${pool}/${gateway.name}/${address.includes(':') ? `[${address}]` : address}:${at}`
    const share = weight === 100 ? {} : { weight: weight / 100 }
    found.set(key, {
      key,
      pool,
      gateway: gateway.name,
      address,
      port: Number.parseInt(`${at}`, 10),
      instance,
      ...share,
    })
  }
  return [...found.values()]
}

/** The share of its configured weight that a gateway wants, 0 to 1: the mean over its instances that take traffic. */
export function shareOf(world: World, gateway: string): number {
  const serving = liveBeats(world, gateway).filter(([instance]) => !isInstanceHeld(world, gateway, instance))
  if (serving.every(([, { said }]) => said.weight === undefined)) return 1
  return serving.reduce((sum, [, { said }]) => sum + (said.weight ?? 100), 0) / serving.length / 100
}

/** As many connections as the instances that take traffic say they can take together; 0: not all of them say. */
export function capacityOf(world: World, gateway: string): number {
  const serving = liveBeats(world, gateway).filter(([instance]) => !isInstanceHeld(world, gateway, instance))
  if (serving.some(([, { said }]) => said.max_connections === undefined)) return 0
  return serving.reduce((sum, [, { said }]) => sum + (said.max_connections ?? 0), 0)
}

/** Does a beat in which `instance` says `next` change who is dialled, or how much, after the beats `before` of its gateway? */
export function movesTraffic(before: Readonly<Record<string, Beat>>, instance: string, next: Announcement): boolean {
  const said = own(before, instance)?.said
  if ((['address', 'http_port', 'weight', 'max_connections'] as const).some(key => said?.[key] !== next[key]))
    return true
  // One that was not heard here before counts in the mean of the weights, and in the sum of the limits, from now on.
  const says = ({ said: { weight, max_connections } }: Beat) => weight !== undefined || max_connections !== undefined
  return said === undefined && Object.values(before).some(says)
}

/** No when the gateway has as many instances as it may have, and this is not one of them. */
export function refuseInstance(world: World, gateway: Gateway, instance: string): Refusal | null {
  const known = instancesOf(world.liveness.value, gateway.name)
  const names = Object.keys(known).sort()
  const most = Math.min(gateway.max_instances ?? MOST_INSTANCES, MOST_INSTANCES)
  if (Object.hasOwn(known, instance) || names.length < most) return null
  const detail = `${gateway.name} has ${names.length} instances and may have ${most}`
  return { kind: 'refusal', code: 'max_instances_reached', detail, extra: { instances: names } }
}

/** A beat of `instance` came: it is known from now on. */
export function join(before: Moved, gateway: string, instance: string, at: number): Moved {
  const known = instancesOf(before.liveness, gateway)
  if (Object.hasOwn(known, instance)) return before
  const liveness = {
    ...before.liveness,
    instances: { ...before.liveness.instances, [gateway]: { ...known, [instance]: at } },
    refused: withRefused(
      before.liveness,
      gateway,
      refusedOf(before.liveness, gateway).filter(one => one !== instance),
    ),
  }
  return { liveness, facts: [...before.facts, told('instance_joined', gateway, instance, 'beat', at)] }
}

/** `instance` is known no more. Whoever was refused meanwhile has a new chance, and is told anew if it is in vain. */
export function leave(before: Moved, gateway: string, instance: string, cause: string, at: number): Moved {
  const known = instancesOf(before.liveness, gateway)
  if (own(known, instance) === undefined) return before
  const { [instance]: _gone, ...others } = known
  const { [gateway]: _, ...rest } = before.liveness.instances
  const liveness = {
    ...before.liveness,
    instances: Object.keys(others).length > 0 ? { ...rest, [gateway]: others } : rest,
    refused: withRefused(before.liveness, gateway, []),
  }
  return { liveness, facts: [...before.facts, told('instance_left', gateway, instance, cause, at)] }
}

/** There was no room for `instance`. Told once; of more at a time than a gateway may have instances, nothing is told. */
export function turnAway(before: Moved, gateway: string, instance: string, at: number): Moved {
  const refused = refusedOf(before.liveness, gateway)
  if (refused.includes(instance) || refused.length >= MOST_INSTANCES) return before
  const liveness = {
    ...before.liveness,
    refused: withRefused(before.liveness, gateway, [...refused, instance]),
  }
  return { liveness, facts: [...before.facts, told('instance_refused', gateway, instance, 'max_instances', at)] }
}

interface Heard {
  readonly beats: World['sight']['beats']
  readonly observing_since: number
}

/** The instances and the moments (ms) at which each of them is stale; those of gateways that are not defined are none. */
function* stale(
  { gateways, settings }: Definitions,
  liveness: Liveness,
  { beats, observing_since }: Heard,
): Iterable<{ readonly gateway: string; readonly instance: string; readonly at: number }> {
  for (const { name } of gateways) {
    const heard = beatsFrom(beats, name)
    for (const instance in instancesOf(liveness, name)) {
      const newest = own(heard, instance)?.at ?? Number.NEGATIVE_INFINITY
      yield { gateway: name, instance, at: Math.max(newest, observing_since) + settings.gateway_down_threshold }
    }
  }
}

/** The earliest moment (ms) at which an instance is stale, or Infinity. */
export function nextStale(definitions: Definitions, liveness: Liveness, heard: Heard): number {
  let earliest = Number.POSITIVE_INFINITY
  for (const { at } of stale(definitions, liveness, heard)) earliest = Math.min(earliest, at)
  return earliest
}

/** Lets go of the instances that are stale by `now` (ms), and of those of gateways that are not defined. */
export function dropStale(definitions: Definitions, before: Moved, heard: Heard, now: number): Moved {
  let after: Moved = { ...before, liveness: withoutStrangers(definitions, before.liveness) }
  for (const { gateway, instance, at } of stale(definitions, before.liveness, heard))
    if (at <= now) after = leave(after, gateway, instance, 'stale', now)
  return after
}

function withoutStrangers({ gateways }: Definitions, liveness: Liveness): Liveness {
  const isKnown = (name: string) => gateways.some(gateway => gateway.name === name)
  if (Object.keys(liveness.instances).every(isKnown) && Object.keys(liveness.refused).every(isKnown)) return liveness
  const known = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => isKnown(name)))
  return { ...liveness, instances: known(liveness.instances), refused: known(liveness.refused) }
}

function refusedOf(liveness: Liveness, gateway: string): readonly string[] {
  return own(liveness.refused, gateway) ?? []
}

function withRefused({ refused }: Liveness, gateway: string, next: readonly string[]): Liveness['refused'] {
  const { [gateway]: _, ...others } = refused
  return next.length > 0 ? { ...others, [gateway]: next } : others
}

function told(
  kind: 'instance_joined' | 'instance_left' | 'instance_refused',
  subject: string,
  instance: string,
  cause: string,
  at: number,
): FactDraft {
  return { kind, at, subject, instance, cause }
}
