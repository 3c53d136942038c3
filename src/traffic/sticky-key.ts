/**
 * The key that signs cookies of sticky pools. It is the cluster's, so that all replicas know each other's cookies: made when the first pool
 * wants one, and kept beside the tokens. Nothing tells it.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Change } from '../core/changes.ts'
import type { Ledger } from '../ledger.ts'
import type { State } from '../state.ts'

/** Ms after which it is tried again while the store is away. */
const RETRY = 5_000

export interface StickyKeyOptions {
  readonly state: State
  readonly ledger: Ledger
  readonly clock: Clock
}

/** Sees to it that there is a key where one is needed. Without it clients are picked for as in any pool. */
export function keepStickyKey({ state, ledger, clock }: StickyKeyOptions): Disposable {
  let asking = false
  const look = () => {
    const { definitions, access } = state.snapshot.world
    if (asking || access.value.sticky_key !== undefined) return
    if (!definitions.value.pools.some(({ sticky }) => sticky !== undefined)) return
    asking = true
    void ledger.commit(makeKey, 'system').finally(() => {
      asking = false
    })
  }
  const stop = state.onChange(look)
  const retrying = clock.every(RETRY, look)
  look()
  return {
    [Symbol.dispose]() {
      stop()
      retrying[Symbol.dispose]()
    },
  }
}

/** Another replica may have been faster: the key that is there stays. */
const makeKey: Change = ({ access }) =>
  access.value.sticky_key === undefined
    ? { documents: { access: { ...access.value, sticky_key: randomBytes(32).toString('base64url') } }, facts: [] }
    : null
