/**
 * What one run of a replica knows of the store in Redis: which store it is, the documents as they were last seen, the last event that was
 * heard, where the audit chain ends. Every question goes through here, so that no answer of another store is believed, what a store has
 * lost is put back before anything else is done, and every answer sets the clock.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { type AuditEnd, ORIGIN } from '../../core/audit.ts'
import type { Documents, Fact } from '../../core/events.ts'
import type { News, Values } from '../../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import type { Cache } from './cache.ts'
import type { Connection } from './connect.ts'
import { type Changed, type Complete, DOCUMENTS, NEVER_WRITTEN, readChanged, wholeArguments } from './documents.ts'
import type { Fitness } from './fitness.ts'
import type { Keys } from './keys.ts'
import { MEND } from './scripts/mend.ts'
import type { Script } from './scripts/script.ts'
import { type SharedClock, sharedClock } from './shared-clock.ts'
import { type Entry, factOf, field } from './streams.ts'
import { readBeats } from './texts.ts'

/** How often what a store has lost is put back before one question. */
const MOST_MENDS = 3

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
  /** The generation of the store that is there; another one than `generation` where that is foreign. */
  readonly found: string
  readonly known: Documents
  /** The highest revision that was seen. */
  readonly seen: number
  readonly auditEnd: AuditEnd
  /** Why the store that is there is not the one we know, or not to be used; null: it is, or it was not asked yet. */
  readonly strange: Refusal | null
  /** Asks; what is not an answer of the store that we know is a refusal, but for the kind `expected`. */
  ask(script: Script, args: readonly (string | number)[], options?: AskOptions): Promise<Answer | Refusal>
  /** The arguments of the scripts' `news`. */
  acquaintance(): readonly (string | number)[]
  /** Takes in what the scripts' `news` answered, the `news` of `answer`. Refused where this version cannot read it. */
  takeNews(answer: Answer, news: readonly unknown[]): News | Refusal
  /** Remembers what was written here. */
  wrote(what: Written): void
  /** The audit chain ends there now. */
  audited(end: AuditEnd): void
  /** Redis has lost the beats: those that come are all new. */
  forgetBeats(): void
  /** Asks no more. */
  close(): void
}

export interface Written {
  readonly revision: number
  readonly documents: Partial<Documents>
  /** Which version they are. */
  readonly tag: string
  readonly facts: readonly Fact[]
}

export interface AskOptions {
  /** One more key. */
  readonly key?: string
  readonly expected?: 'empty' | 'adopted'
}

export interface SessionOptions {
  readonly connection: Connection
  readonly fitness: Pick<Fitness, 'look'>
  readonly keys: Keys
  readonly clock: Clock
  readonly cache: Cache | null
  readonly cluster: string
  readonly replica: string
  readonly complete: Complete
  /** Told how long each answer took, ms. */
  readonly onAnswer: (ms: number) => void
}

export function createSession(options: SessionOptions): Session {
  const { connection, fitness, keys, clock, cache, cluster, replica, complete, onAnswer } = options
  const origin = randomBytes(8).toString('hex')
  const remembered = cache?.read()
  const time = sharedClock(clock, remembered?.offset ?? null)
  let generation = remembered?.generation ?? ''
  let found = generation
  let known: Documents = { ...NEVER_WRITTEN, ...remembered?.documents }
  let tags: Readonly<Record<string, string>> = remembered?.tags ?? {}
  let seen = remembered?.seen ?? 0
  let auditEnd = remembered?.audit ?? ORIGIN
  let strange: Refusal | null = null
  /** The newest event that was heard; '': none yet, and none is wanted. */
  let cursor = ''
  /** Since when beats are known, ms of Redis's clock. */
  let heardBeats = 0
  /** Ids of facts that were written here: they are no news when they come back. */
  const written = new Set<string>()
  let closed = false

  const remember = () => cache?.keep({ generation, documents: known, tags, seen, audit: auditEnd, offset: time.offset })

  const learn = (documents: Partial<Documents>, theirTags: Readonly<Record<string, string>>) => {
    known = { ...known, ...documents }
    tags = { ...tags, ...theirTags }
    remember()
  }

  /** The store has taken the place of the one that we knew: all of it is news. */
  const follow = (heir: string, after: string) => {
    generation = heir
    // Also what was never written there.
    const unknown = Object.fromEntries(DOCUMENTS.map(name => [name, { ...NEVER_WRITTEN[name], revision: -1 }]))
    known = unknown as unknown as Documents
    tags = {}
    seen = 0
    auditEnd = ORIGIN
    cursor = after
    heardBeats = 0
  }

  /** The arguments of the scripts' `stranger`. */
  const identity = () => [generation, seen, ...DOCUMENTS.flatMap(name => [known[name].revision, tags[name] ?? ''])]

  const put = async (
    script: Script,
    args: readonly (string | number)[],
    key: string | undefined,
  ): Promise<Answer | Refusal> => {
    if (closed) return refuse('store_unavailable', 'the store is closed')
    const unfit = await fitness.look()
    if (unfit !== null) return unfit
    const askedAt = clock.now()
    try {
      const used = key === undefined ? keys.all : [...keys.all, key]
      const answer = (await connection.run(script, used, [...identity(), ...args])) as Answer
      const [, its, seconds, microseconds] = answer
      onAnswer(clock.now() - askedAt)
      time.heard(milliseconds(seconds, microseconds), askedAt)
      found = its
      return answer
    } catch (error) {
      return connection.refusal(error)
    }
  }

  const mend = (): Promise<Answer | Refusal> =>
    put(MEND, [origin, replica, cluster, keys.news, ...wholeArguments(known)], undefined)

  return {
    time,
    origin,
    get generation() {
      return generation
    },
    get found() {
      return found
    },
    get known() {
      return known
    },
    get seen() {
      return seen
    },
    get auditEnd() {
      return auditEnd
    },
    get strange() {
      return strange
    },
    async ask(script, args, { key, expected } = {}) {
      let answer = await put(script, args, key)
      for (let mends = 0; !isRefusal(answer) && answer[0] === 'behind' && mends < MOST_MENDS; mends++) {
        const mended = await mend()
        if (isRefusal(mended)) return mended
        answer = await put(script, args, key)
      }
      if (isRefusal(answer)) return answer
      const [kind, its, , , after] = answer
      strange = kind === expected ? null : strangeness(kind)
      if (kind === 'adopted') follow(its, String(after))
      if (strange !== null) return strange
      if (generation === '') generation = its
      return answer
    },
    acquaintance: () => [cursor, heardBeats],
    takeNews(answer, [changed, told, last, beats, audited, revision]) {
      const documents = readChanged(changed as Changed, complete)
      if (isRefusal(documents)) return documents
      const [, , seconds, microseconds] = answer
      heardBeats = milliseconds(seconds, microseconds)
      const [seq, hash] = audited as [string, string]
      const isNew = seen < Number(revision) || hash !== auditEnd.hash
      seen = Math.max(seen, Number(revision))
      auditEnd = { seq: Number(seq), hash }
      const theirTags = Object.fromEntries((changed as Changed).map(([name, , tag]) => [name, tag]))
      if (Object.keys(documents).length > 0 || isNew) learn(documents, theirTags)
      const first = cursor === ''
      // Also where it is before what was heard: that stream has lost its end.
      cursor = last as string
      const entries = told as readonly Entry[]
      const heard = entries.filter(entry => field(entry, 'origin') !== origin)
      const own = entries.filter(entry => field(entry, 'origin') === origin && !written.delete(field(entry, 'id')))
      // What this replica told of itself was told when it happened.
      const facts = own.map(factOf).filter(({ replica }) => replica === undefined)
      const news = { documents, heard: heard.map(factOf), facts, beats: readBeats(beats as readonly string[], origin) }
      return first ? { ...news, first } : news
    },
    wrote({ revision, documents, tag, facts }) {
      for (const { id } of facts) written.add(id)
      seen = Math.max(seen, revision)
      learn(documents, Object.fromEntries(Object.keys(documents).map(name => [name, tag])))
    },
    audited(end) {
      auditEnd = end
      remember()
    },
    forgetBeats() {
      heardBeats = 0
    },
    close() {
      closed = true
    },
  }
}

/** Why a store is not to be written or believed; null: it is the one we know. */
function strangeness(kind: string): Refusal | null {
  switch (kind) {
    case 'empty':
      return refuse('store_refilling', 'the store has lost everything and is about to be filled again')
    case 'foreign':
      return refuse('store_foreign', 'Redis holds another store than the one that this replica knows')
    case 'adopted':
      return refuse('store_refilling', 'another store was adopted and is about to be read')
    case 'newer':
      return refuse('store_newer', 'the store was written by a newer version of gatepool')
    case 'behind':
      return refuse('store_refilling', 'the store has lost its newest end, which is about to be put back')
    default:
      return null
  }
}

const milliseconds = (seconds: string, microseconds: string): number =>
  Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)

/** Documents with the revision that they got. */
export function versioned(documents: Partial<Values>, revision: number): Partial<Documents> {
  return Object.fromEntries(Object.entries(documents).map(([name, value]) => [name, { revision, value }]))
}
