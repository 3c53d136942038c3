import type { Route, Snapshot } from '../../core/nouns.ts'
import { ownsRoute } from '../../core/scope.ts'
import { isRefusal, type Refusal } from '../../errors.ts'
import type { routeEndpoints } from '../contract/routes.ts'
import { routeRow } from '../views.ts'
import { patched, replacement } from '../written.ts'
import { objectHandlers } from './edits.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { part } from './lists.ts'
import { unreachable } from './validation.ts'

export function routeHandlers(options: HandlerOptions): HandlersOf<typeof routeEndpoints> {
  const { state } = options
  const definitions = () => state.snapshot.world.definitions.value
  const routeOf = (name: string) => definitions().routes.find(one => one.name === name)
  /** Why a route that is to be tried out first is not taken; what is wrong with it otherwise is said when it is saved. */
  const refused = async ({ validate }: { validate: string }, route: Route | Refusal | undefined) =>
    validate === 'true' && route !== undefined && !isRefusal(route) ? unreachable(options, route) : null
  const objects = objectHandlers(options, 'route', '/api/v1/routes', routeInFull)

  return {
    list_routes({ query, by }) {
      const owned = definitions().routes.filter(route => ownsRoute(by.pools, definitions(), route))
      return part(owned, query, route => routeRow(state.snapshot, route))
    },
    get_route: objects.get,
    create_route: async call => (await refused(call.query, call.body)) ?? objects.create(call),
    async replace_route(call) {
      const before = routeOf(call.params.name)
      const wanted = before && replacement('route', before.name, call.body)
      return (await refused(call.query, wanted)) ?? objects.replace(call)
    },
    async patch_route(call) {
      const before = routeOf(call.params.name)
      return (await refused(call.query, before && patched('route', before, call.body))) ?? objects.patch(call)
    },
    delete_route: objects.remove,
  }
}

function routeInFull(snapshot: Snapshot, route: Route) {
  return { ...routeRow(snapshot, route), definition: route }
}
