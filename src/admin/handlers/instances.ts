import { forgetInstance } from '../../core/changes.ts'
import { gatewayOf } from '../../core/member.ts'
import { isRefusal, refuse } from '../../errors.ts'
import type { instanceEndpoints } from '../contract/instances.ts'
import { instancesIn } from '../instance-view.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { nothing, part } from './lists.ts'

export function instanceHandlers({ state, ledger }: HandlerOptions): HandlersOf<typeof instanceEndpoints> {
  const find = (name: string) => gatewayOf(state.snapshot.world, name)

  return {
    list_instances({ params: { name }, query }) {
      const gateway = find(name)
      if (gateway === undefined) return nothing('gateway', name)
      const named = instancesIn(state.snapshot, gateway).map(view => ({ name: view.instance, view }))
      return part(named, query, ({ view }) => view)
    },
    get_instance({ params: { name, instance } }) {
      const gateway = find(name)
      if (gateway === undefined) return nothing('gateway', name)
      const found = instancesIn(state.snapshot, gateway).find(view => view.instance === instance)
      return found ?? refuse('not_found', `${name} has no instance of that name`)
    },
    async forget_instance({ params: { name, instance }, by, asked }) {
      if (find(name) === undefined) return nothing('gateway', name)
      const outcome = await ledger.commit(forgetInstance(name, instance), by.name, asked)
      return isRefusal(outcome) ? outcome : undefined
    },
  }
}
