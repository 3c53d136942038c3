/**
 * Where requests wait while nobody can serve them (`on_all_down: { action: hold }`), one queue per plan. Whoever returns is not run over:
 * the first in the queue goes alone, and with every answer, or every sweep without a failure, twice as many may follow. One that fails
 * again goes back to its place.
 */
import type { Snapshot } from '../core/nouns.ts'
import { viewAt } from '../core/snapshot.ts'
import type { State } from '../state.ts'

/** Of one pool at once. */
const MOST_WAITING = 1000

interface Queue {
  readonly target: string
  readonly pool: string | null
  /** In order of arrival. */
  readonly waiting: Ticket[]
  /** Those that wait, and those that were let go and have no answer yet. */
  tickets: number
  /** So many may go next. */
  step: number
  /** There was somebody to ask when it was looked at last. */
  hadSomebody: boolean
}

/** The place of one request, from when it first found nobody until it is answered. */
export interface Ticket {
  readonly queue: Queue
  readonly number: number
  /** When it has waited long enough (ms of the coarse clock). */
  readonly until: number
  readonly letGo: () => void
  /** False: it was let go, and tries. */
  isWaiting: boolean
}

/** What is asked of an attempt that found nobody. */
interface Attempted {
  readonly hold: number
  readonly full: boolean
  readonly pool: string | null
}

export class WaitingRoom implements Disposable {
  readonly #state: State
  readonly #queues = new Map<string, Queue>()
  readonly #stop: () => void
  #last = 0

  constructor(state: State) {
    this.#state = state
    this.#stop = state.onChange(() => {
      for (const queue of this.#queues.values()) if (!queue.hadSomebody) this.#look(queue)
    })
  }

  /**
   * A request found nobody in the plan of `target` (see `targetKey`). Null: it does not wait, since its pool does not want that or too many
   * do. Else `letGo` is called when it may try; the caller keeps the deadline, and has to `leave` in the end. `ticket`: it had one, and
   * goes back to its place, also where all are full: its turn will come.
   */
  wait(ticket: Ticket | null, attempt: Attempted, target: string, now: number, letGo: () => void): Ticket | null {
    const { hold, full, pool } = attempt
    if (hold === 0) return null
    if (ticket !== null) return rejoin(ticket)
    return full ? null : this.#join(target, pool, now + hold, letGo)
  }

  /** It has an answer, so that others may get one (`served`), or is given up. */
  leave(ticket: Ticket, served: boolean): void {
    const { queue } = ticket
    const at = queue.waiting.indexOf(ticket)
    if (at >= 0) queue.waiting.splice(at, 1)
    if (--queue.tickets === 0) this.#queues.delete(queue.target)
    // When this turn is over: a short answer is whole by then, and where it came from is free.
    if (served) queueMicrotask(() => letGo(queue))
  }

  /** To be called several times a second: a member that is never out of rotation is found to be back only by trying it. */
  sweep(): void {
    for (const queue of this.#queues.values()) this.#look(queue)
  }

  [Symbol.dispose](): void {
    this.#stop()
  }

  #join(target: string, pool: string | null, until: number, letGo: () => void): Ticket | null {
    let others = 0
    for (const queue of this.#queues.values()) if (queue.pool === pool) others += queue.tickets
    if (others >= MOST_WAITING) return null
    let queue = this.#queues.get(target)
    if (queue === undefined) {
      const hadSomebody = mayTry(this.#state.snapshot, target)
      queue = { target, pool, waiting: [], tickets: 0, step: 1, hadSomebody }
      this.#queues.set(target, queue)
    }
    const ticket: Ticket = { queue, number: ++this.#last, until, letGo, isWaiting: true }
    queue.tickets++
    queue.waiting.push(ticket)
    return ticket
  }

  #look(queue: Queue): void {
    queue.hadSomebody = mayTry(this.#state.snapshot, queue.target)
    if (queue.hadSomebody) letGo(queue)
    else queue.step = 1
  }
}

function rejoin(ticket: Ticket): Ticket {
  const { waiting } = ticket.queue
  ticket.queue.step = 1
  ticket.isWaiting = true
  const behind = waiting.findIndex(({ number }) => number > ticket.number)
  waiting.splice(behind < 0 ? waiting.length : behind, 0, ticket)
  return ticket
}

function letGo(queue: Queue): void {
  const first = queue.waiting.splice(0, queue.step)
  // Before they go: one that fails at once sets it back.
  queue.step = Math.min(queue.step * 2, MOST_WAITING)
  for (const ticket of first) {
    ticket.isWaiting = false
    ticket.letGo()
  }
}

/** Is there somebody to ask, or no reason left to wait? */
function mayTry(snapshot: Snapshot, target: string): boolean {
  const plan = viewAt(snapshot, target)?.plan
  if (plan === undefined || plan.hold === 0) return true
  return plan.choices.length > 0 || plan.emergency.length > 0
}
