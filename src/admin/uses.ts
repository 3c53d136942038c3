/** When tokens were last used: kept in memory and told to the store now and then. */
import type { Clock } from '../clock.ts'
import type { Uses } from '../core/nouns.ts'
import type { Store } from '../core/store.ts'
import type { Principal } from './auth.ts'

/** Ms. */
const SAVE_EVERY = 10_000

export interface TokenUses extends Disposable {
  note(principal: Principal): void
  /** Those of other replicas too, as far as they were saved; without them while the store is away. */
  read(): Promise<Uses>
}

export function watchUses({ store, clock }: { readonly store: Store; readonly clock: Clock }): TokenUses {
  let unsaved = new Map<string, number>()

  const save = () => {
    if (unsaved.size === 0) return
    store.saveUses(Object.fromEntries(unsaved))
    unsaved = new Map()
  }
  const saving = clock.every(SAVE_EVERY, save)

  return {
    note({ id }) {
      if (id !== undefined) unsaved.set(id, store.now())
    },
    async read() {
      const saved = await store.readUses().catch((): Uses => ({}))
      return { ...saved, ...Object.fromEntries(unsaved) }
    },
    [Symbol.dispose]() {
      saving[Symbol.dispose]()
      save()
    },
  }
}
