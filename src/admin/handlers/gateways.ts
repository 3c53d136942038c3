import type { z } from 'zod'
import { gatewayOf } from '../../core/member.ts'
import type { Announcement } from '../../core/nouns.ts'
import { ownsGateway } from '../../core/scope.ts'
import { isRefusal } from '../../errors.ts'
import { announcedPlace } from '../announced.ts'
import type { beatTaken, gatewayEndpoints, heartbeat } from '../contract/gateways.ts'
import { gatewayInFull, gatewayRow } from '../views.ts'
import { objectHandlers } from './edits.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { given, nothing, part } from './lists.ts'

export function gatewayHandlers(options: HandlerOptions): HandlersOf<typeof gatewayEndpoints> {
  const { state } = options
  const definitions = () => state.snapshot.world.definitions.value
  /** All beats are answered alike until definitions change. */
  let taken: z.output<typeof beatTaken> | null = null
  const objects = objectHandlers(options, 'gateway', '/api/v1/gateways', gatewayInFull)

  return {
    list_gateways({ query, by }) {
      const owned = definitions().gateways.filter(({ name }) => ownsGateway(by.pools, definitions(), name))
      return part(owned, query, gateway => gatewayRow(state.snapshot, gateway))
    },
    get_gateway: objects.get,
    create_gateway: objects.create,
    replace_gateway: objects.replace,
    patch_gateway: objects.patch,
    delete_gateway: objects.remove,
    async beat({ params: { name }, body }) {
      const gateway = gatewayOf(state.snapshot.world, name)
      if (gateway === undefined) return nothing('gateway', name)
      const place = announcedPlace(gateway, body, definitions().settings.address_ranges)
      if (isRefusal(place)) return place
      const heard = await options.hear(name, body.instance, { ...announcement(body), ...place })
      if (isRefusal(heard)) return heard
      const { interval } = heard
      const { revision } = state.snapshot.world.definitions
      if (taken?.interval !== interval || taken.definitions_revision !== revision)
        taken = Object.freeze({ interval, definitions_revision: revision, accepted: true })
      return taken
    },
  }
}

function announcement(said: z.output<typeof heartbeat>): Announcement {
  const { state, hostname, os, arch, version, connections, max_connections, weight } = said
  const share = weight === 100 ? undefined : weight
  return { state, ...given({ hostname, os, arch, version, connections, max_connections, weight: share }) }
}
