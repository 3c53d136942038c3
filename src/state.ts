/**
 * The local door: the current snapshot, and `apply`, the only way to change it. An event is one synchronous step that swaps one
 * reference, so no reader ever sees half a change. Facts leave by a bounded queue outside the step: a listener can neither delay nor
 * break it.
 */
import { advance, begin } from './core/advance.ts'
import type { Event, Fact, FactDraft } from './core/events.ts'
import type { Snapshot, World } from './core/nouns.ts'

/** Facts that wait for their listeners at most; beyond it the oldest are dropped and counted. */
const MOST_WAITING = 10_000

export interface State {
  readonly snapshot: Snapshot
  /** Puts an event through `core`. Synchronous; throws only on a bug. */
  apply(event: Event): void
  /**
   * Called with every fact, in order, soon after the step that made it. `heard`: another replica told it, in its log and its metrics.
   * Returns the way to stop.
   */
  onFact(listener: (fact: Fact, heard: boolean) => void): () => void
  /** Called once after a turn in which the snapshot changed. Returns the way to stop. */
  onChange(listener: () => void): () => void
  /** Facts that no listener got, since they came faster than they were taken. */
  readonly dropped: number
}

export interface StateOptions {
  readonly world: World
  readonly cluster: string
  /** Name of this replica, and a text that is new at each start of it: together they make its facts' ids unique. */
  readonly replica: string
  readonly boot: string
  /** Told of a listener that threw. */
  readonly onError: (error: unknown) => void
}

export function createState({ world, cluster, replica, boot, onError }: StateOptions): State {
  let snapshot = begin(world)
  let count = 0
  let dropped = 0
  let waiting: { readonly fact: Fact; readonly heard: boolean }[] = []
  let woken = false
  let changed = false
  const factListeners = new Set<(fact: Fact, heard: boolean) => void>()
  const changeListeners = new Set<() => void>()

  const own = (draft: FactDraft): Fact => ({ ...draft, id: `${replica}-${boot}-${++count}`, cluster, replica })

  const drain = () => {
    woken = false
    const facts = waiting
    waiting = []
    for (const { fact, heard } of facts) for (const listener of factListeners) guarded(() => listener(fact, heard))
    if (!changed) return
    changed = false
    for (const listener of changeListeners) guarded(listener)
  }

  const guarded = (run: () => void) => {
    try {
      run()
    } catch (error) {
      onError(error)
    }
  }

  const tell = (facts: readonly Fact[], heard = false) => {
    for (const fact of facts) waiting.push({ fact, heard })
    if (waiting.length > MOST_WAITING) dropped += waiting.splice(0, waiting.length - MOST_WAITING).length
  }

  return {
    get snapshot() {
      return snapshot
    },
    get dropped() {
      return dropped
    },
    apply(event) {
      const step = advance(snapshot, event)
      if (step === null) return
      snapshot = step.snapshot
      changed = true
      if (event.kind === 'committed') {
        tell(event.heard ?? [], true)
        tell(event.facts)
      }
      if (step.facts.length > 0) tell(step.facts.map(own))
      if (!woken) {
        woken = true
        queueMicrotask(drain)
      }
    },
    onFact(listener) {
      factListeners.add(listener)
      return () => factListeners.delete(listener)
    },
    onChange(listener) {
      changeListeners.add(listener)
      return () => changeListeners.delete(listener)
    },
  }
}
