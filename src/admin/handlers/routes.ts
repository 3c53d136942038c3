import { ownsRoute } from '../../core/scope.ts'
import type { routeEndpoints } from '../contract/routes.ts'
import { routeRow } from '../views.ts'
import type { HandlerOptions, HandlersOf } from './handlers.ts'
import { nothing, part } from './lists.ts'

export function routeHandlers(options: HandlerOptions): HandlersOf<typeof routeEndpoints> {
  const { state } = options
  const definitions = () => state.snapshot.world.definitions.value

  return {
    list_routes({ query, by }) {
      const owned = definitions().routes.filter(route => ownsRoute(by.pools, definitions(), route))
      return part(owned, query, route => routeRow(state.snapshot, route))
    },
    get_route({ params: { name } }) {
      const route = definitions().routes.find(one => one.name === name)
      return route === undefined ? nothing('route', name) : { ...routeRow(state.snapshot, route), definition: route }
    },
  }
}
