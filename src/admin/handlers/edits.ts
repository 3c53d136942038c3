/** What the handlers of everything that is defined have in common: one edit, committed for whoever asked, and answered as it is then. */
import type { Change } from '../../core/changes.ts'
import { type IfMatch, stampOf, type Terms } from '../../core/edits.ts'
import {
  alter,
  create,
  deleteGateway,
  deletePool,
  deleteRoute,
  find,
  type Item,
  type Kind,
} from '../../core/edits-objects.ts'
import type { Snapshot } from '../../core/nouns.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import type { Asked, Committed } from '../../ledger.ts'
import { type Answered, answered, type Created, created } from '../answers.ts'
import type { Principal } from '../auth.ts'
import type { AdminOptions } from '../server.ts'
import { warningsOf } from '../warnings.ts'
import { available, checker, type Places, patched, replacement, sent } from '../written.ts'
import { nothing } from './lists.ts'

interface Asking {
  readonly by: Principal
  readonly asked: Asked
  readonly ifMatch: IfMatch
}

interface AskingFor extends Asking {
  readonly params: { readonly name: string }
}

interface Saved {
  readonly revision: number
  readonly warnings: string[]
}

export type EditOptions = Pick<AdminOptions, 'state' | 'ledger' | 'file' | 'definitionsMode'>

export type Commit = (call: Asking, places: Places, change: (terms: Terms) => Change) => Promise<Committed | Refusal>

/** Commits changes of definitions, where they are not the file's; `places` says where in what was sent a problem is. */
export function committer({ ledger, file, definitionsMode }: EditOptions): Commit {
  return async ({ by, asked, ifMatch }, places, change) => {
    if (definitionsMode === 'file')
      return refuse('defined_by_file', 'definitions come from the configuration file: change them there')
    return ledger.commit(change({ check: checker(file, places), ifMatch }), by.name, asked)
  }
}

const DELETES = { gateway: deleteGateway, pool: deletePool, route: deleteRoute } as const

/** The handlers of one kind of object; `show` is how one is answered, `path` where they are. */
export function objectHandlers<K extends Kind, Body extends object>(
  options: EditOptions,
  kind: K,
  path: string,
  show: (snapshot: Snapshot, object: Item<K>) => Body,
) {
  const { state } = options
  const commit = committer(options)

  const shown = (snapshot: Snapshot, name: string): Answered<Body> | Refusal => {
    const { definitions } = snapshot.world
    const object = find(definitions.value, kind, name)
    if (object === undefined) return nothing(kind, name)
    return answered(show(snapshot, object), stampOf(definitions, `${kind}:${name}`))
  }
  const saved = ({ snapshot, revision }: Committed, name: string): Answered<Body & Saved> | Refusal => {
    const answer = shown(snapshot, name)
    const object = find(snapshot.world.definitions.value, kind, name)
    if (isRefusal(answer) || object === undefined) return nothing(kind, name)
    return { ...answer, body: { ...answer.body, revision, warnings: warningsOf(snapshot, kind, object) } }
  }

  const change = async (
    { params: { name }, ...call }: AskingFor,
    make: (before: Item<K>) => Item<K> | Refusal,
  ): Promise<Answered<Body & Saved> | Refusal> => {
    const outcome = await commit(call, sent(`${kind}:${name}`), terms => alter(kind, name, make, terms))
    return isRefusal(outcome) ? outcome : saved(outcome, name)
  }

  return {
    get: ({ params: { name } }: Pick<AskingFor, 'params'>) => shown(state.snapshot, name),

    async create({ body, ...call }: Asking & { readonly body: Item<K> }): Promise<Created<Body & Saved> | Refusal> {
      const object = available(kind, body)
      if (isRefusal(object)) return object
      const { name } = object
      const outcome = await commit(call, sent(`${kind}:${name}`), terms => create(kind, object, terms))
      const answer = isRefusal(outcome) ? outcome : saved(outcome, name)
      return isRefusal(answer) ? answer : created(answer.body, `${path}/${name}`, answer.stamp)
    },

    async replace({
      body,
      ...call
    }: AskingFor & { readonly body: Omit<Item<K>, 'name'> & { readonly name?: string | undefined } }) {
      const { name } = call.params
      // What is not there need not even have a name that could be there.
      if (find(state.snapshot.world.definitions.value, kind, name) === undefined) return nothing(kind, name)
      const object = replacement(kind, name, body)
      return isRefusal(object) ? object : change(call, () => object)
    },

    patch: ({ body, ...call }: AskingFor & { readonly body: unknown }) =>
      change(call, before => patched(kind, before, body)),

    async remove({ params: { name }, ...call }: AskingFor): Promise<undefined | Refusal> {
      const outcome = await commit(call, sent(`${kind}:${name}`), terms => DELETES[kind](name, terms))
      return isRefusal(outcome) ? outcome : undefined
    },
  }
}
