import { stampOf } from '../../core/edits.ts'
import { addMember, putMember, removeMember, replaceMembers } from '../../core/edits-members.ts'
import type { Snapshot } from '../../core/nouns.ts'
import { poolOf } from '../../core/passive.ts'
import { ownsPool } from '../../core/scope.ts'
import { isRefusal, refuse } from '../../errors.ts'
import type { Committed } from '../../ledger.ts'
import { answered, created } from '../answers.ts'
import type { poolEndpoints } from '../contract/pools.ts'
import { membersOf, poolInFull, poolRow } from '../views.ts'
import { poolWarnings } from '../warnings.ts'
import { explain } from '../why.ts'
import { notSent, sent } from '../written.ts'
import { committer, objectHandlers } from './edits.ts'
import type { HandlerOptions, HandlersOf } from './handler.ts'
import { nothing, part, short } from './lists.ts'

export function poolHandlers(options: HandlerOptions): HandlersOf<typeof poolEndpoints> {
  const { state, store, cluster, replica, inFlight } = options
  const definitions = () => state.snapshot.world.definitions.value
  const objects = objectHandlers(options, 'pool', '/api/v1/gateway-pools', poolInFull)
  const commit = committer(options)

  return {
    list_pools({ query, by }) {
      const owned = definitions().pools.filter(({ name }) => ownsPool(by.pools, name))
      return part(owned, query, pool => poolRow(state.snapshot, pool))
    },
    get_pool: objects.get,
    create_pool: objects.create,
    replace_pool: objects.replace,
    patch_pool: objects.patch,
    delete_pool: objects.remove,
    list_members({ params: { name } }) {
      const pool = poolOf(state.snapshot.world, name)
      if (pool === undefined) return nothing('pool', name)
      return answered({ items: membersOf(state.snapshot, name), next: null }, stamp(state.snapshot, name))
    },
    get_member: ({ params: { name, gateway } }) => member(state.snapshot, name, gateway),
    async replace_members({ params: { name }, body, ...call }) {
      const places = sent(`pool:${name}`, ([, ...path]) => path)
      const outcome = await commit(call, places, terms => replaceMembers(name, body, terms))
      if (isRefusal(outcome)) return outcome
      const { snapshot, revision } = outcome
      const items = membersOf(snapshot, name)
      return answered({ items, next: null, revision, warnings: poolWarnings(snapshot, name) }, stamp(snapshot, name))
    },
    async add_member({ params: { name }, body, ...call }) {
      const { gateway } = body
      const places = sent(`pool:${name}`, () => ['gateway'])
      const outcome = await commit(call, places, terms => addMember(name, gateway, body, terms))
      const answer = isRefusal(outcome) ? outcome : memberSaved(outcome, name, gateway)
      if (isRefusal(answer)) return answer
      return created(answer.body, `/api/v1/gateway-pools/${name}/members/${gateway}`, answer.stamp)
    },
    async put_member({ params: { name, gateway }, body, ...call }) {
      const outcome = await commit(call, notSent, terms => putMember(name, gateway, body, terms))
      return isRefusal(outcome) ? outcome : memberSaved(outcome, name, gateway)
    },
    async remove_member({ params: { name, gateway }, ...call }) {
      const outcome = await commit(call, notSent, terms => removeMember(name, gateway, terms))
      return isRefusal(outcome) ? outcome : undefined
    },
    why({ params: { name, gateway } }) {
      const pool = poolOf(state.snapshot.world, name)
      if (pool === undefined) return nothing('pool', name)
      const answer = explain(state.snapshot, pool, gateway, { now: store.now(), replica, cluster, inFlight })
      return answer ?? refuse('not_found', `${short(gateway)} is not a member of ${name}`)
    },
  }
}

const stamp = ({ world }: Snapshot, pool: string): number => stampOf(world.definitions, `pool:${pool}`)

function member(snapshot: Snapshot, pool: string, gateway: string) {
  if (poolOf(snapshot.world, pool) === undefined) return nothing('pool', pool)
  const found = membersOf(snapshot, pool).find(one => one.gateway === gateway)
  if (found === undefined) return refuse('not_found', `${short(gateway)} is not a member of ${pool}`)
  return answered(found, stamp(snapshot, pool))
}

function memberSaved({ snapshot, revision }: Committed, pool: string, gateway: string) {
  const answer = member(snapshot, pool, gateway)
  if (isRefusal(answer)) return answer
  return { ...answer, body: { ...answer.body, revision, warnings: poolWarnings(snapshot, pool) } }
}
