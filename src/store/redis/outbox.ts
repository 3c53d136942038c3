/**
 * What need not be there at once: facts of this replica, beats and uses of tokens. All of it leaves as soon as Redis answers, in order,
 * one message at a time; while Redis is away it waits here, bounded.
 */
import type { Fact } from '../../core/events.ts'
import type { Beat, Beats, Uses } from '../../core/nouns.ts'
import { own } from '../../core/own.ts'
import { isRefusal, type Refusal } from '../../errors.ts'
import { APPEND } from './scripts/append.ts'
import { HEARD } from './scripts/heard.ts'
import type { Script } from './scripts/script.ts'

/** Facts that wait at most; the oldest go first. */
const MOST_FACTS = 10_000

export interface Outbox {
  append(facts: readonly Fact[]): void
  saveBeats(beats: Beats): void
  saveUses(uses: Uses): void
  /** Beats that came from Redis need not be sent there. */
  knowBeats(beats: Beats): void
  /** Redis has lost the beats. */
  forgetBeats(): void
  /** Sends what waits. Null when all of it has been taken. */
  flush(): Promise<Refusal | null>
}

export interface OutboxOptions {
  readonly ask: (script: Script, args: readonly (string | number)[], batch?: boolean) => Promise<unknown | Refusal>
  readonly origin: string
  /** Where the others hear that there is news. */
  readonly channel: string
  /** The tokens that there are. */
  readonly tokens: () => readonly string[]
}

export function createOutbox({ ask, origin, channel, tokens }: OutboxOptions): Outbox {
  let waiting: Fact[] = []
  /** Sent, but not known to have been taken: it goes again as it was, under the same number. */
  let batch: { readonly number: number; readonly facts: readonly Fact[] } | null = null
  let batches = 0
  let beats: Beats = new Map()
  let sentBeats: Beats = beats
  let sent = new WeakSet<Beat>()
  let uses: Uses | null = null
  let sending: Promise<Refusal | null> | null = null

  const sendFacts = async (): Promise<Refusal | null> => {
    while (batch !== null || waiting.length > 0) {
      if (batch === null) {
        batch = { number: ++batches, facts: waiting }
        waiting = []
      }
      const texts = batch.facts.flatMap(({ id, ...fact }) => [id, JSON.stringify(fact)])
      const taken = await ask(APPEND, [origin, batch.number, channel, batch.facts.length, ...texts], true)
      if (isRefusal(taken)) return taken
      batch = null
    }
    return null
  }

  const sendHeard = async (): Promise<Refusal | null> => {
    while (beats !== sentBeats || uses !== null) {
      const [theseBeats, theseUses] = [beats, uses]
      uses = null
      const news = [...each(theseBeats, sentBeats)].filter(({ beat }) => !sent.has(beat))
      const known = theseUses === null ? [] : tokens().flatMap(id => [id, own(theseUses, id) ?? 0])
      if (news.length > 0 || known.length > 0) {
        const said = news.flatMap(({ place, beat }) => [place, beat.at, JSON.stringify(beat.said)])
        const taken = await ask(HEARD, [origin, news.length, ...said, known.length / 2, ...known])
        if (isRefusal(taken)) {
          uses = { ...theseUses, ...(uses as Uses | null) }
          return taken
        }
      }
      for (const { beat } of news) sent.add(beat)
      sentBeats = theseBeats
    }
    return null
  }

  const flush = (): Promise<Refusal | null> => {
    sending ??= (async () => (await sendFacts()) ?? (await sendHeard()))().finally(() => {
      sending = null
    })
    return sending
  }

  return {
    append(facts) {
      waiting = [...waiting, ...facts].slice(-MOST_FACTS)
      queueMicrotask(() => void flush())
    },
    saveBeats(next) {
      beats = next
      void flush()
    },
    saveUses(next) {
      uses = {
        ...uses,
        ...Object.fromEntries(Object.entries(next).map(([id, at]) => [id, Math.max(at, own(uses ?? {}, id) ?? 0)])),
      }
      void flush()
    },
    knowBeats(known) {
      for (const { beat } of each(known)) sent.add(beat)
    },
    forgetBeats() {
      sent = new WeakSet()
      sentBeats = new Map()
    },
    async flush() {
      // What came while a message was under way goes with the next one.
      return (await flush()) ?? (await flush())
    },
  }
}

/** Every beat, with its place: `GATEWAY/INSTANCE`; without those of gateways that are in `known` as they are. */
function* each(beats: Beats, known?: Beats): Generator<{ readonly place: string; readonly beat: Beat }> {
  for (const [gateway, instances] of beats) {
    if (known?.get(gateway) === instances) continue
    for (const [instance, beat] of Object.entries(instances)) yield { place: `${gateway}/${instance}`, beat }
  }
}
