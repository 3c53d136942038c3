import { replaceMembers } from '../../core/changes.ts'
import type { Snapshot } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import { poolOf } from '../../core/passive.ts'
import { ownsPool } from '../../core/scope.ts'
import { isRefusal, refuse } from '../../errors.ts'
import type { poolEndpoints } from '../contract/pools.ts'
import { membersOf, poolInFull, poolRow } from '../views.ts'
import { explain } from '../why.ts'
import type { HandlerOptions, HandlersOf } from './handlers.ts'
import { nothing, part, short } from './lists.ts'

export function poolHandlers(options: HandlerOptions): HandlersOf<typeof poolEndpoints> {
  const { state, store, ledger, cluster, replica } = options
  const definitions = () => state.snapshot.world.definitions.value

  return {
    list_pools({ query, by }) {
      const owned = definitions().pools.filter(({ name }) => ownsPool(by.pools, name))
      return part(owned, query, pool => poolRow(state.snapshot, pool))
    },
    get_pool({ params: { name } }) {
      const pool = poolOf(state.snapshot.world, name)
      return pool === undefined ? nothing('pool', name) : poolInFull(state.snapshot, pool)
    },
    list_members({ params: { name } }) {
      const pool = poolOf(state.snapshot.world, name)
      return pool === undefined ? nothing('pool', name) : { items: membersOf(state.snapshot, name), next: null }
    },
    async replace_members({ params: { name }, body, by, asked }) {
      const outcome = await ledger.commit(replaceMembers(name, body), by.name, asked)
      if (isRefusal(outcome)) return outcome
      const items = membersOf(state.snapshot, name)
      return { items, next: null, revision: outcome.revision, warnings: warnings(state.snapshot, name) }
    },
    why({ params: { name, gateway } }) {
      const pool = poolOf(state.snapshot.world, name)
      if (pool === undefined) return nothing('pool', name)
      const answer = explain(state.snapshot, pool, gateway, { now: store.now(), replica, cluster })
      return answer ?? refuse('not_found', `${short(gateway)} is not a member of ${name}`)
    },
  }
}

/** What is taken, but does not work at the moment. */
function warnings(snapshot: Snapshot, pool: string): string[] {
  const view = own(snapshot.pools, pool)
  if (view === undefined) return []
  const out = view.members
    .filter(({ ready }) => !ready)
    .map(({ gateway, state, cause }) => `${gateway} is not ready: ${state} (${cause})`)
  return view.serving.kind === 'nobody' ? [...out, `nobody can serve ${pool}`] : out
}
