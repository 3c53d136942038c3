/** What the API shows of the instances of a gateway. */
import type { z } from 'zod'
import { beatsFrom } from '../core/beats.ts'
import { announcedUpstreams, FROM_HEARTBEAT, instancesOf, isInstanceHeld } from '../core/instances.ts'
import type { Gateway, Snapshot } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import { isOut } from '../core/passive.ts'
import type { instanceView } from './contract/instances.ts'

type InstanceView = z.output<typeof instanceView>

/** The instances of `gateway`, by name. */
export function instancesIn(snapshot: Snapshot, gateway: Gateway): InstanceView[] {
  const { world } = snapshot
  const { settings } = world.definitions.value
  const beats = beatsFrom(world.sight.beats, gateway.name)
  const known = Object.entries(instancesOf(world.liveness.value, gateway.name))
  return known
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([instance, since]) => {
      const beat = own(beats, instance)
      const { state = null, address, http_port = gateway.http_port, weight = 100, ...said } = beat?.said ?? {}
      const heard = Math.max(beat?.at ?? Number.NEGATIVE_INFINITY, world.sight.observing_since)
      const place = address?.includes(':') ? `[${address}]` : address
      return {
        instance,
        since,
        newest_beat: beat?.at ?? null,
        stale_at: heard + settings.gateway_down_threshold,
        state,
        held: isInstanceHeld(world, gateway.name, instance),
        ...(place === undefined ? {} : { address: `${place}:${http_port}` }),
        weight,
        out_of: outOf(snapshot, gateway, instance),
        ...said,
      }
    })
}

/** The pools in which the address that `instance` announced is ejected. */
function outOf({ world }: Snapshot, gateway: Gateway, instance: string): string[] {
  if (gateway.address !== FROM_HEARTBEAT) return []
  const pools = world.definitions.value.pools.filter(({ members }) =>
    members.some(member => member.gateway === gateway.name),
  )
  const isEjected = (pool: string) =>
    announcedUpstreams(world, pool, gateway, null).some(
      one => one.instance === instance && isOut(own(world.sight.passive, one.key)),
    )
  return pools.map(({ name }) => name).filter(isEjected)
}
