/**
 * The long connections that are open, of whatever protocol. Nothing is asked while bytes flow: when the snapshot changes, each is closed or
 * kept as its pool wants it (`core/sessions.ts`).
 */
import type { Snapshot } from '../core/nouns.ts'
import { type SessionEnd, type SessionPlace, sessionEnd } from '../core/sessions.ts'
import type { State } from '../state.ts'

/** Closes itself when it is told to, and takes itself out when it is over. */
export interface Session extends SessionPlace {
  end(why: SessionEnd): void
}

export class Sessions implements Disposable {
  readonly #state: State
  readonly #open = new Set<Session>()
  readonly #stop: () => void

  constructor(state: State) {
    this.#state = state
    let before = state.snapshot
    this.#stop = state.onChange(() => {
      const after = state.snapshot
      // Most changes are not about who serves.
      if (before.pools !== after.pools) for (const session of [...this.#open]) judge(session, before, after)
      before = after
    })
  }

  /** It is open now. `since`: the snapshot in which its upstream was picked, perhaps seconds ago. */
  add(session: Session, since: Snapshot): void {
    this.#open.add(session)
    const { snapshot } = this.#state
    if (since !== snapshot) judge(session, since, snapshot)
  }

  delete(session: Session): void {
    this.#open.delete(session)
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}

function judge(session: Session, before: Snapshot, after: Snapshot): void {
  const why = sessionEnd(before, after, session)
  if (why !== null) session.end(why)
}
