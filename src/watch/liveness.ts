/**
 * Finds out what is due and hears the beats: the part of liveness that knows the time. What follows from it is decided in `core` and
 * committed through the ledger.
 */
import type { Clock } from '../clock.ts'
import { allBeats } from '../core/beats.ts'
import { beat, type Change, evaluation, together, turnedAway } from '../core/changes.ts'
import { beatInterval, isSettled, latenessLimit, nextDue, onlyBeatsDiffer } from '../core/evaluate.ts'
import { nextFailoverEnd } from '../core/failover.ts'
import { nextExpiry } from '../core/holds.ts'
import { refuseInstance } from '../core/instances.ts'
import { gatewayOf } from '../core/member.ts'
import type { Announcement, HeardBeats, World } from '../core/nouns.ts'
import type { Store } from '../core/store.ts'
import { nextWindow } from '../core/windows.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { Committed, Ledger } from '../ledger.ts'
import type { State } from '../state.ts'
import type { Companions } from './replicas.ts'

/** Ms between two looks at the clock when nothing is due before. */
const PULSE = 1_000
/** Ms before a commit that failed is tried again. */
const RETRY = 1_000
/** Ms after a pause longer than the threshold in which a beat may be one that waited for us in its socket, of a gateway that is long dead. */
const DOUBT = 1_000

export interface LivenessWatch extends Disposable {
  /**
   * Takes a beat of `gateway`'s `instance`. Answers the ms until the next one is expected, or `not_found`, or `max_instances_reached`. The
   * beat counts even while the store is away: what it changes is then committed later. Right after a long pause of ours it counts for nothing.
   */
  hear(gateway: string, instance: string, said: Announcement): Promise<{ readonly interval: number } | Refusal>
}

export interface LivenessOptions {
  readonly state: State
  readonly ledger: Ledger
  readonly store: Store
  readonly clock: Clock
  /** The other replicas, where there are any. */
  readonly companions?: Companions
  /** Told of each beat that was taken. */
  readonly onBeat?: (gateway: string) => void
}

/** The earliest moment at which time moves anything in `world`, ms, or Infinity. */
function dueIn(world: World): number {
  const { value: holds } = world.holds
  return Math.min(nextDue(world), nextExpiry(holds), nextWindow(holds), nextFailoverEnd(world))
}

export function watchLiveness({
  state,
  ledger,
  store,
  clock,
  companions,
  onBeat = () => {},
}: LivenessOptions): LivenessWatch {
  let timer: Disposable | null = null
  let wakesAt = Number.POSITIVE_INFINITY
  let evaluating: Promise<void> | null = null
  let savedBeats: HeardBeats | null = null
  let doubtUntil = Number.NEGATIVE_INFINITY
  let ended = false

  const threshold = () => state.snapshot.world.definitions.value.settings.gateway_down_threshold
  // Being late is noticed only at a look at the clock, so the looks are at least as close together as the lateness that matters.
  const pulse = () => Math.min(PULSE, latenessLimit(threshold()))
  // It looks at every gateway, and a beat of one of a thousand puts off only what that one has due: what was found goes on to be the
  // earliest that it can be, and is looked for again when that time has come.
  let looked: { readonly world: World; readonly due: number; readonly settled: boolean } | null = null
  const due = () => {
    const { world } = state.snapshot
    if (looked?.world === world) return looked.due
    const stands = looked?.settled && looked.due > store.now() && onlyBeatsDiffer(looked.world, world)
    if (!stands) looked = { world, due: dueIn(world), settled: isSettled(world.liveness.value) }
    return looked?.due ?? Number.POSITIVE_INFINITY
  }
  /** When this replica sees to what is due. */
  const turn = () => due() + (companions?.patience ?? 0)

  const saveBeats = () => {
    savedBeats = state.snapshot.world.sight.beats
    store.saveBeats(allBeats(savedBeats))
  }

  const arm = (at: number) => {
    timer?.[Symbol.dispose]()
    // What a change has made due for some time is no sign that we were away.
    wakesAt = Math.max(at, store.now())
    timer = clock.after(Math.max(0, at - store.now()), wake)
  }

  const wake = () => {
    if (ended) return
    noticePause()
    if (state.snapshot.world.sight.beats !== savedBeats) saveBeats()
    if (turn() <= store.now()) void evaluate()
    // What an evaluation changes arms the timer again; until then it must not be asked for in every turn.
    const next = evaluating === null ? turn() : Number.POSITIVE_INFINITY
    arm(Math.min(next, store.now() + pulse()))
  }

  /** A look at the clock that comes too late means that we were away, and heard nobody meanwhile. */
  const noticePause = () => {
    const now = store.now()
    const late = now - wakesAt
    if (late > latenessLimit(threshold())) state.apply({ kind: 'observing', at: now })
    if (late > threshold()) doubtUntil = now + DOUBT
    wakesAt = Math.max(wakesAt, now)
  }

  /** Commits what is due; one commit at a time, and none sooner than `RETRY` after one that failed. */
  const evaluate = (): Promise<void> => {
    evaluating ??= (async () => {
      // Others may have heard whom we did not.
      const stuck = companions === undefined ? null : await companions.catchUp()
      const outcome = stuck ?? (await ledger.commit(evaluation, 'system'))
      if (outcome.kind === 'committed') evaluating = null
      else
        clock.after(RETRY, () => {
          evaluating = null
        })
    })()
    return evaluating
  }

  const moves = (change: Change) => change(state.snapshot.world, store.now()) !== null

  /** What beats have changed and no commit has taken up yet. */
  let gathered: { readonly changes: Change[]; readonly outcome: Promise<Committed | Refusal> } | null = null

  /** Commits `change`. Those that wait go together, or a fleet that starts would wait for long. */
  const propose = async (change: Change) => {
    // Whoever hears of the change elsewhere has to know the beat that made it.
    saveBeats()
    if (gathered === null) {
      const changes: Change[] = []
      const all = together(changes)
      const outcome = ledger.commit((world, now) => {
        gathered = null
        return all(world, now)
      }, 'system')
      gathered = { changes, outcome }
    }
    gathered.changes.push(change)
    await gathered.outcome
  }

  const unsubscribe = state.onChange(() => {
    if (!ended && evaluating === null && turn() < wakesAt) arm(turn())
  })
  arm(store.now() + pulse())

  return {
    async hear(gateway, instance, said) {
      const known = gatewayOf(state.snapshot.world, gateway)
      if (known === undefined) return refuse('not_found', `there is no gateway ${gateway}`)
      // What fell due before this beat is decided without it: a gap stays a gap.
      noticePause()
      if (due() <= store.now()) await evaluate()
      const full = refuseInstance(state.snapshot.world, known, instance)
      if (full !== null) {
        const told = turnedAway(gateway, instance)
        if (moves(told)) await propose(told)
        return full
      }
      // Nobody is silent yet, so that whoever lives is early enough with its next one. Who leaves says so only once.
      if (said.state === 'ready' && store.now() < doubtUntil) {
        onBeat(gateway)
        return { interval: Math.min(DOUBT, beatInterval(threshold())) }
      }
      state.apply({ kind: 'beat', gateway, instance, said, at: store.now() })
      const change = beat(gateway, instance, said)
      // Most beats change nothing, and wait for nothing.
      if (moves(change)) await propose(change)
      // Another replica may have given the last place away. What only the store refuses, the next beat asks for again.
      const late = refuseInstance(state.snapshot.world, known, instance)
      if (late !== null) return late
      onBeat(gateway)
      return { interval: beatInterval(threshold()) }
    },
    [Symbol.dispose]() {
      ended = true
      unsubscribe()
      timer?.[Symbol.dispose]()
      saveBeats()
    },
  }
}
