/**
 * What one run of a replica knows of the store in Redis: which store it is, the documents as they were last seen, the last event that was
 * heard. Every question goes through here, so that no answer of another store is believed and every answer sets the clock.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Documents } from '../../core/events.ts'
import type { News, Values } from '../../core/store.ts'
import { type Refusal, refuse } from '../../errors.ts'
import type { Cache } from './cache.ts'
import type { Connection } from './connect.ts'
import { DOCUMENTS, NEVER_WRITTEN, readChanged } from './documents.ts'
import type { Keys } from './keys.ts'
import type { Script } from './scripts.ts'
import { type SharedClock, sharedClock } from './shared-clock.ts'
import { type Entry, factOf, field } from './streams.ts'
import { readBeats } from './texts.ts'

export type Answer = readonly [
  kind: string,
  generation: string,
  seconds: string,
  microseconds: string,
  ...rest: unknown[],
]

export interface Session {
  readonly time: SharedClock
  /** This run of this replica. */
  readonly origin: string
  /** '': no store was seen yet, now or before this start. */
  readonly generation: string
  readonly known: Documents
  /** Asks; what is not an answer of the store that we know is a refusal, but for the kinds of `expected`. */
  ask(script: Script, args: readonly (string | number)[], options?: AskOptions): Promise<Answer | Refusal>
  /** The arguments of the scripts' `news`. */
  acquaintance(): readonly (string | number)[]
  /** Takes in what the scripts' `news` answers, which begins at the fifth place of an answer. */
  takeNews(answer: Answer): News
  /** Remembers what was written here. */
  wrote(documents: Partial<Documents>, ids: readonly string[]): void
  /** Redis has lost the beats: those that come are all new. */
  forgetBeats(): void
  /** Asks no more. */
  close(): void
}

export interface AskOptions {
  /** One more key. */
  readonly key?: string
  readonly expected?: 'empty'
}

export interface SessionOptions {
  readonly connection: Connection
  readonly keys: Keys
  readonly clock: Clock
  readonly cache: Cache | null
  /** Told how long each answer took, ms. */
  readonly onAnswer: (ms: number) => void
}

export function createSession({ connection, keys, clock, cache, onAnswer }: SessionOptions): Session {
  const origin = randomBytes(8).toString('hex')
  const remembered = cache?.read()
  const time = sharedClock(clock, remembered?.offset ?? null)
  let generation = remembered?.generation ?? ''
  let known: Documents = { ...NEVER_WRITTEN, ...remembered?.documents }
  let cursor = ''
  /** Since when beats are known, ms of Redis's clock. */
  let heardBeats = 0
  /** Ids of facts that were written here: they are no news when they come back. */
  const written = new Set<string>()
  let closed = false

  const learn = (documents: Partial<Documents>) => {
    known = { ...known, ...documents }
    cache?.keep({ generation, documents: known, offset: time.offset })
  }

  return {
    time,
    origin,
    get generation() {
      return generation
    },
    get known() {
      return known
    },
    async ask(script, args, { key, expected } = {}) {
      if (closed) return refuse('store_unavailable', 'the store is closed')
      const askedAt = clock.now()
      let answer: Answer
      try {
        const used = key === undefined ? keys.all : [...keys.all, key]
        answer = (await connection.run(script, used, [generation, highest(known), ...args])) as Answer
      } catch (error) {
        return connection.refusal(error)
      }
      const [kind, itsGeneration, seconds, microseconds] = answer
      onAnswer(clock.now() - askedAt)
      time.heard(milliseconds(seconds, microseconds), askedAt)
      if (kind !== expected) {
        const strange = strangeness(kind)
        if (strange !== null) return strange
      }
      if (generation === '') generation = itsGeneration
      return answer
    },
    acquaintance: () => [...DOCUMENTS.map(name => known[name].revision), cursor, heardBeats],
    takeNews([, , seconds, microseconds, changed, told, last, beats]) {
      heardBeats = milliseconds(seconds, microseconds)
      const documents = readChanged(changed as Parameters<typeof readChanged>[0])
      if (Object.keys(documents).length > 0) learn(documents)
      // Two questions may have been under way at once: what one answer told is not told by the other.
      const news = (told as readonly Entry[]).filter(([place]) => isLater(place, cursor))
      if (cursor === '' || isLater(last as string, cursor)) cursor = last as string
      const heard = news.filter(entry => field(entry, 'origin') !== origin)
      const own = news.filter(entry => field(entry, 'origin') === origin && !written.delete(field(entry, 'id')))
      // What this replica told of itself was told when it happened.
      const facts = own.map(factOf).filter(({ replica }) => replica === undefined)
      return { documents, heard: heard.map(factOf), facts, beats: readBeats(beats as readonly string[], origin) }
    },
    wrote(documents, ids) {
      for (const id of ids) written.add(id)
      learn(documents)
    },
    forgetBeats() {
      heardBeats = 0
    },
    close() {
      closed = true
    },
  }
}

/** The highest revision that was seen. */
export const highest = (known: Documents): number => Math.max(...DOCUMENTS.map(name => known[name].revision))

/** Why a store is not to be written or believed; null: it is the one we know. */
function strangeness(kind: string): Refusal | null {
  switch (kind) {
    case 'empty':
      return refuse('store_refilling', 'the store has lost everything and is about to be filled again')
    case 'foreign':
      return refuse('store_foreign', 'the store in Redis is not the one that this replica knows')
    case 'newer':
      return refuse('store_newer', 'the store was written by a newer version of gatepool')
    default:
      return null
  }
}

const milliseconds = (seconds: string, microseconds: string): number =>
  Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)

/** Compares two places of a stream: `<ms>-<n>`. */
function isLater(a: string, b: string): boolean {
  const [am = 0, an = 0] = a.split('-').map(Number)
  const [bm = 0, bn = 0] = b.split('-').map(Number)
  return am > bm || (am === bm && an > bn)
}

/** Documents with the revision that they got. */
export function versioned(documents: Partial<Values>, revision: number): Partial<Documents> {
  return Object.fromEntries(Object.entries(documents).map(([name, value]) => [name, { revision, value }]))
}
