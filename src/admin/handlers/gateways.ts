import type { z } from 'zod'
import { gatewayOf } from '../../core/member.ts'
import type { Announcement, Gateway } from '../../core/nouns.ts'
import { ownsGateway } from '../../core/scope.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import type { gatewayEndpoints, heartbeat } from '../contract/gateways.ts'
import { gatewayInFull, gatewayRow } from '../views.ts'
import type { HandlerOptions, HandlersOf } from './handlers.ts'
import { given, nothing, part } from './lists.ts'

export function gatewayHandlers(options: HandlerOptions): HandlersOf<typeof gatewayEndpoints> {
  const { state } = options
  const definitions = () => state.snapshot.world.definitions.value

  return {
    list_gateways({ query, by }) {
      const owned = definitions().gateways.filter(({ name }) => ownsGateway(by.pools, definitions(), name))
      return part(owned, query, gateway => gatewayRow(state.snapshot, gateway))
    },
    get_gateway({ params: { name } }) {
      const gateway = gatewayOf(state.snapshot.world, name)
      return gateway === undefined ? nothing('gateway', name) : gatewayInFull(state.snapshot, gateway)
    },
    async beat({ params: { name }, body }) {
      const gateway = gatewayOf(state.snapshot.world, name)
      if (gateway === undefined) return nothing('gateway', name)
      const refusal = unheard(gateway, body)
      if (refusal !== null) return refusal
      const taken = await options.hear(name, body.instance, announcement(body))
      if (isRefusal(taken)) return taken
      const { revision } = state.snapshot.world.definitions
      return { interval: taken.interval, definitions_revision: revision, accepted: true }
    },
  }
}

/** What this version cannot act upon is refused: a beat that was taken and half ignored would be a lie. */
function unheard(gateway: Gateway, beat: z.output<typeof heartbeat>): Refusal | null {
  const { weight = 100, max_connections } = beat
  if (weight !== 100) return refuse('not_available', 'this version takes no weight from a beat')
  if (max_connections !== undefined) return refuse('not_available', 'this version takes no max_connections from a beat')
  const moves =
    (beat.address !== undefined && beat.address !== gateway.address) ||
    (beat.http_port !== undefined && beat.http_port !== gateway.http_port)
  return moves ? refuse('address_not_allowed', `the definition of ${gateway.name} says where it is`) : null
}

function announcement({ state, hostname, os, arch, version }: z.output<typeof heartbeat>): Announcement {
  return { state, ...given({ hostname, os, arch, version }) }
}
