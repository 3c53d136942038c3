/**
 * The store in Redis, shared by the replicas of a cluster. What it promises beyond the contract: a write that was acknowledged is one
 * that Redis has taken (how durable that is, is Redis's configuration); a write whose answer never came may have been taken, and says so.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { type AuditEnd, link, ORIGIN } from '../../core/audit.ts'
import type { Documents, Fact } from '../../core/events.ts'
import type { Beat, Beats } from '../../core/nouns.ts'
import type { Store, Values, Write, WriteResult } from '../../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import { StoreError } from '../store-error.ts'
import { connect } from './connect.ts'
import { DOCUMENTS, livenessArguments, NEVER_WRITTEN, readChanged } from './documents.ts'
import { type KeyName, keysOf, NAMES } from './keys.ts'
import { createOutbox } from './outbox.ts'
import { READ, type Script, WRITE } from './scripts.ts'
import { sharedClock } from './shared-clock.ts'
import { type Entry, factOf, field, readAudit, readEvents } from './streams.ts'
import { readAddress } from './url.ts'

/** How often a write is bound to the audit chain again when others were faster. */
const MOST_LINKS = 10

export interface RedisStoreOptions {
  readonly url: string
  readonly cluster: string
  readonly replica: string
  readonly clock: Clock
  readonly random: () => number
}

type Answer = readonly [kind: string, generation: string, seconds: string, microseconds: string, ...rest: unknown[]]

/** Answers at once; the connection comes about by itself. Throws a StoreError when the address makes no sense. */
export function openRedisStore({ url, cluster, replica, clock, random }: RedisStoreOptions): Store {
  const address = readAddress(url)
  if (isRefusal(address)) throw new StoreError('store_unavailable', address.detail)
  const connection = connect({ address, name: `gatepool:${replica}`, random })
  const { client } = connection
  const keys = keysOf(cluster)
  const key = (name: KeyName) => keys.all[NAMES.indexOf(name)] as string
  const time = sharedClock(clock, null)
  /** This run of this replica. */
  const origin = randomBytes(8).toString('hex')
  let generation = ''
  let known = NEVER_WRITTEN
  let cursor = ''
  /** Ids of facts that were written here, so that they are not news when they come back. */
  const written = new Set<string>()
  let auditEnd: AuditEnd = ORIGIN
  let closed = false

  const ask = async (script: Script, args: readonly (string | number)[], batch = false): Promise<Answer | Refusal> => {
    if (closed) return refuse('store_unavailable', 'the store is closed')
    const askedAt = clock.now()
    let answer: Answer
    try {
      const used = batch ? [...keys.all, keys.batch(origin)] : keys.all
      answer = (await connection.run(script, used, [generation, ...args])) as Answer
    } catch (error) {
      return connection.refusal(error)
    }
    const [kind, itsGeneration, seconds, microseconds] = answer
    time.heard(Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000), askedAt)
    const strange = strangeness(kind)
    if (strange !== null) return strange
    if (generation === '') generation = itsGeneration
    return answer
  }

  /** The arguments of the scripts' `news`. */
  const acquaintance = () => [...DOCUMENTS.map(name => known[name].revision), cursor]

  const takeNews = ([, , , , changed, told, last]: Answer): { documents: Partial<Documents>; facts: Fact[] } => {
    const documents = readChanged(changed as Parameters<typeof readChanged>[0])
    known = { ...known, ...documents }
    const news = (told as readonly Entry[]).filter(entry => isLater(entry[0], cursor))
    if (cursor === '' || isLater(last as string, cursor)) cursor = last as string
    const facts = news.filter(entry => field(entry, 'origin') !== origin || !written.has(field(entry, 'id')))
    for (const entry of news) written.delete(field(entry, 'id'))
    return { documents, facts: facts.map(factOf) }
  }

  const outbox = createOutbox({ ask, origin, tokens: () => known.access.value.tokens.map(({ id }) => id) })

  const write = async (asked: Write): Promise<WriteResult> => {
    const { expect, documents, facts, at, by, audit } = asked
    // What was told before comes before.
    const stuck = await outbox.flush()
    if (stuck !== null) return stuck
    const { liveness, ...texts } = documents
    const told = facts.map((draft): Omit<Fact, 'id'> => ({ ...draft, cluster }))
    const common = [
      ...[randomBytes(16).toString('hex'), at, by, origin, keys.news],
      ...[Object.keys(expect).length, ...Object.entries(expect).flat()],
      ...[
        Object.keys(texts).length,
        ...Object.entries(texts).flatMap(([name, value]) => [name, JSON.stringify(value)]),
      ],
      ...livenessArguments(liveness, expect.liveness, known.liveness),
      ...[told.length, ...told.map(fact => JSON.stringify(fact))],
    ]
    for (let tries = 0; tries < MOST_LINKS; tries++) {
      const record = audit && link(auditEnd, audit, sha256)
      const chained =
        record === undefined ? ['no'] : ['record', auditEnd.seq, auditEnd.hash, record.seq, record.hash, record.text]
      const answer = await ask(WRITE, [...common, ...chained, ...acquaintance()])
      if (isRefusal(answer)) return answer
      switch (answer[0]) {
        case 'conflict': {
          const news = takeNews(answer)
          return { kind: 'conflict', documents: known, facts: news.facts }
        }
        case 'moved':
          auditEnd = { seq: Number(answer[4]), hash: String(answer[5]) }
          break
        default: {
          if (record) auditEnd = record
          return taken(documents, told, Number(answer[4]))
        }
      }
    }
    return refuse('revision_conflict', 'others keep writing into the audit chain: try again')
  }

  const taken = (documents: Partial<Values>, told: readonly Omit<Fact, 'id'>[], revision: number): WriteResult => {
    const stored = Object.fromEntries(Object.entries(documents).map(([name, value]) => [name, { revision, value }]))
    known = { ...known, ...stored }
    const facts = told.map((fact, i) => ({ ...fact, id: `${revision}-${i + 1}` }) as Fact)
    for (const { id } of facts) written.add(id)
    return { kind: 'written', revision, documents: stored, facts }
  }

  /** Rejects with a StoreError where a refusal cannot be answered. */
  const orThrow = async <T>(asked: Promise<T | Refusal>): Promise<T> => {
    const outcome = await asked.catch((error: unknown) => connection.refusal(error))
    if (isRefusal(outcome)) throw new StoreError('store_unavailable', outcome.detail)
    return outcome
  }

  /** What is read now has to have what was said before. */
  const afterFlush = <T>(read: () => Promise<T>): Promise<T> =>
    orThrow((async () => (await outbox.flush()) ?? (await read()))())

  return {
    now: time.now,

    async read() {
      takeNews(await orThrow(ask(READ, acquaintance())))
      return known
    },

    write,

    readBeats: () =>
      afterFlush(async () => {
        const [moments, said] = await Promise.all([
          client.zrange(key('beats'), '0', '-1', 'WITHSCORES'),
          client.hgetall(key('instances')),
        ])
        return readBeats(moments, said)
      }),

    saveBeats: outbox.saveBeats,

    readUses: () =>
      afterFlush(async () => {
        const uses = await client.hgetall(key('uses'))
        return Object.fromEntries(Object.entries(uses).map(([id, at]) => [id, Number(at)]))
      }),

    saveUses: outbox.saveUses,

    readCursors: () => afterFlush(async () => JSON.parse((await client.get(key('cursors'))) ?? '{}')),

    saveCursors(cursors) {
      // One that is lost is told again: whoever sends knows where it is, and says so with the next one.
      afterFlush(() => client.set(key('cursors'), JSON.stringify(cursors))).catch(() => undefined)
    },

    append: outbox.append,

    events: query => afterFlush(() => readEvents(client, key('events'), query)),

    audit: query =>
      orThrow(
        (async () => {
          const [seq, hash] = await client.hmget(key('meta'), 'anchor_seq', 'anchor_hash')
          const anchor = seq && hash ? { seq: Number(seq), hash } : ORIGIN
          return { anchor, links: await readAudit(client, key('audit'), query) }
        })(),
      ),

    history: ({ before, limit }) =>
      orThrow(
        (async () => {
          if (limit <= 0) return []
          const from = before === undefined ? '+' : `(${before}-0`
          const entries: Entry[] = await client.xrevrange(key('history'), from, '-', 'COUNT', limit)
          return entries.map(entry => ({
            revision: Number.parseInt(entry[0], 10),
            at: Number(field(entry, 'at')),
            by: field(entry, 'by'),
          }))
        })(),
      ),

    definitionsAt: revision =>
      orThrow(
        (async () => {
          const [entry] = await client.xrange(key('history'), `${revision}-0`, `${revision}-0`)
          return entry === undefined ? undefined : JSON.parse(field(entry, 'value'))
        })(),
      ),

    async [Symbol.asyncDispose]() {
      if (closed) return
      await outbox.flush()
      closed = true
      await connection[Symbol.asyncDispose]()
    },
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Why a store is not to be written or believed; null: it is the one we know. */
function strangeness(kind: string): Refusal | null {
  switch (kind) {
    case 'empty':
      return refuse('store_refilling', 'the store has lost everything and is about to be filled again')
    case 'foreign':
      return refuse('store_foreign', 'the store is not the one that this replica knows: see gatepool store adopt')
    case 'newer':
      return refuse('store_newer', 'the store was written by a newer version of gatepool')
    default:
      return null
  }
}

/** Compares two places of a stream: `<ms>-<n>`. */
function isLater(a: string, b: string): boolean {
  const [am = 0, an = 0] = a.split('-').map(Number)
  const [bm = 0, bn = 0] = b.split('-').map(Number)
  return am > bm || (am === bm && an > bn)
}

/** `moments`: `GATEWAY/INSTANCE`, ms, … */
function readBeats(moments: readonly string[], said: Readonly<Record<string, string>>): Beats {
  const beats: Record<string, Record<string, Beat>> = {}
  for (let i = 0; i + 1 < moments.length; i += 2) {
    const [place = '', at] = [moments[i], moments[i + 1]]
    const slash = place.indexOf('/')
    const text = said[place]
    if (text === undefined) continue
    const gateway = place.slice(0, slash)
    beats[gateway] = { ...beats[gateway], [place.slice(slash + 1)]: { at: Number(at), said: JSON.parse(text) } }
  }
  return beats
}
