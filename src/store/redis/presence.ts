/**
 * Being one of several: a replica says that it is here, asks what is new, and helps to fill a store that has lost everything.
 *
 * An empty store is filled by the replica that knows most. All of them say for two seconds what they know; then whoever has the highest
 * revision writes it back by compare-and-set from nothing, under the old generation. Where nobody knows anything the store is new.
 */
import type { Replica, ReplicaNotes, Sync } from '../../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import { wholeArguments } from './documents.ts'
import type { Outbox } from './outbox.ts'
import { link, recordArguments } from './record.ts'
import { LEAVE } from './scripts/leave.ts'
import { REFILL } from './scripts/refill.ts'
import { SYNC } from './scripts/sync.ts'
import type { Answer, Session } from './session.ts'
import { tagOf, threeParts } from './texts.ts'

/** Ms that an empty store is left alone, so that everybody can say what he knows. */
const ANNOUNCE = 2_000

export interface Presence {
  sync(notes: ReplicaNotes): Promise<Sync | Refusal>
  leave(): Promise<void>
  /** Something was found in Redis, or nobody had anything to put there. */
  readonly settled: boolean
}

export interface PresenceOptions {
  readonly session: Session
  readonly outbox: Outbox
  readonly cluster: string
  readonly replica: string
}

/** What a replica says of itself. */
interface Said extends ReplicaNotes {
  readonly generation: string
  readonly revision: number
}

interface Present {
  readonly name: string
  readonly seenAt: number
  readonly origin: string
  readonly said: Said
}

export function createPresence({ session, outbox, cluster, replica }: PresenceOptions): Presence {
  const { origin } = session
  let settled = true

  const refill = async (): Promise<Refusal | null> => {
    const at = session.time.now()
    // It names the last record that is known, and is the first of those that are there again.
    const after = { generation: session.generation, revision: session.seen }
    const draft = { at, by: 'system', action: 'refill_store', subject: 'store', request_id: '', before: null, after }
    const record = link(session.auditEnd, draft)
    const args = [origin, replica, cluster, tagOf(at), ...wholeArguments(session.known), ...recordArguments(record)]
    const answer = await session.ask(REFILL, args, { expected: 'empty' })
    return isRefusal(answer) ? answer : null
  }

  /** Null once there is something to go on with. */
  const onEmpty = async ([, , , , forMs, texts]: Answer): Promise<Refusal | null> => {
    settled = false
    outbox.forgetBeats()
    session.forgetBeats()
    const wait = refuse('store_refilling', 'the store is empty: whoever knows most is about to fill it')
    if (Number(forMs) < ANNOUNCE) return wait
    const informed = readPresent(texts as readonly string[]).filter(({ said }) => said.generation !== '')
    const [best] = informed.sort((a, b) => b.said.revision - a.said.revision || (a.origin < b.origin ? -1 : 1))
    if (best === undefined) {
      settled = true
      return null
    }
    // Who has gone meanwhile does not do it: after as long again everybody does what the next one in order would have to.
    if (best.origin !== origin && (session.generation === '' || Number(forMs) < 2 * ANNOUNCE)) return wait
    return await refill()
  }

  const ask = (notes: ReplicaNotes): Promise<Answer | Refusal> => {
    const said: Said = { ...notes, generation: session.generation, revision: session.seen }
    const args = [origin, replica, cluster, JSON.stringify(said), ...session.acquaintance()]
    return session.ask(SYNC, args, { expected: 'empty' })
  }

  return {
    get settled() {
      return settled
    },
    async sync(notes) {
      // What was heard here is there before it is asked what others heard.
      const stuck = await outbox.flush()
      if (stuck !== null && stuck.code !== 'store_refilling') return stuck
      const answer = await ask(notes)
      if (isRefusal(answer)) return answer
      if (answer[0] === 'empty') {
        const refused = await onEmpty(answer)
        return refused ?? { documents: {}, heard: [], facts: [], beats: new Map(), replicas: [], evaluates: true }
      }
      settled = true
      const [, , , , present, ...rest] = answer
      const news = session.takeNews(answer, rest)
      if (isRefusal(news)) return news
      outbox.knowBeats(news.beats)
      const [watchdog, since, texts] = present as [string, string, readonly string[]]
      const replicas = readPresent(texts).map(
        ({ name, seenAt, origin: run, said }): Replica => ({
          name,
          version: said.version,
          started_at: said.started_at,
          definitions: said.definitions,
          failing: said.failing,
          seen_at: seenAt,
          // What this very question has brought is known now.
          behind: run === origin ? 0 : Math.max(0, session.seen - said.revision),
          evaluates: run === watchdog,
          in_charge_since: run === watchdog ? Number(since) : null,
        }),
      )
      return { ...news, replicas, evaluates: watchdog === origin }
    },
    async leave() {
      await session.ask(LEAVE, [origin, replica, cluster])
    },
  }
}

/** `texts`: name, `MS RUN JSON`, … */
function readPresent(texts: readonly string[]): Present[] {
  const present: Present[] = []
  for (let i = 0; i + 1 < texts.length; i += 2) {
    const [seenAt, origin, text] = threeParts(texts[i + 1] as string)
    present.push({ name: texts[i] as string, seenAt: Number(seenAt), origin, said: JSON.parse(text) })
  }
  return present
}
