import type { Route, Snapshot } from '../../core/nouns.ts'
import { ownsRoute } from '../../core/scope.ts'
import type { routeEndpoints } from '../contract/routes.ts'
import { routeRow } from '../views.ts'
import { objectHandlers } from './edits.ts'
import type { HandlerOptions, HandlersOf } from './handlers.ts'
import { part } from './lists.ts'

export function routeHandlers(options: HandlerOptions): HandlersOf<typeof routeEndpoints> {
  const { state } = options
  const definitions = () => state.snapshot.world.definitions.value
  const objects = objectHandlers(options, 'route', '/api/v1/routes', routeInFull)

  return {
    list_routes({ query, by }) {
      const owned = definitions().routes.filter(route => ownsRoute(by.pools, definitions(), route))
      return part(owned, query, route => routeRow(state.snapshot, route))
    },
    get_route: objects.get,
    create_route: objects.create,
    replace_route: objects.replace,
    patch_route: objects.patch,
    delete_route: objects.remove,
  }
}

function routeInFull(snapshot: Snapshot, route: Route) {
  return { ...routeRow(snapshot, route), definition: route }
}
