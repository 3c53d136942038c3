/**
 * What the protocols have in common beside the snapshot. A member takes so many connections, whatever is spoken on them; and so many may wait
 * for a pool.
 */
import type { Clock } from '../clock.ts'
import type { State } from '../state.ts'
import { Retries } from './counted.ts'
import { WaitingRoom } from './waiting.ts'

/** Ms between two looks at those that wait. */
const SWEEP = 250

export interface Shared extends Disposable {
  readonly waiting: WaitingRoom
  readonly taken: Taken
  readonly retries: Retries
}

export function createShared({ state, clock }: { readonly state: State; readonly clock: Clock }): Shared {
  const waiting = new WaitingRoom(state)
  const sweep = clock.every(SWEEP, () => waiting.sweep())
  return {
    waiting,
    taken: new Taken(),
    retries: new Retries(),
    [Symbol.dispose]() {
      sweep[Symbol.dispose]()
      waiting[Symbol.dispose]()
    },
  }
}

/** What a member has in flight by all protocols together. */
export interface Together {
  inFlight: number
}

/** The counts by member, as long as somebody counts there. */
export class Taken {
  readonly #counts = new Map<string, { readonly together: Together; users: number }>()

  join(member: string): Together {
    const known = this.#counts.get(member) ?? { together: { inFlight: 0 }, users: 0 }
    known.users++
    this.#counts.set(member, known)
    return known.together
  }

  leave(member: string): void {
    const known = this.#counts.get(member)
    if (known !== undefined && --known.users === 0) this.#counts.delete(member)
  }
}
