/**
 * The store in Redis, shared by the replicas of a cluster. What it promises beyond the contract: a write that was acknowledged is one
 * that Redis has taken (how durable that is, is Redis's configuration); a write whose answer never came may have been taken, and says so.
 */
import type { Clock } from '../../clock.ts'
import { ORIGIN } from '../../core/audit.ts'
import type { Fact } from '../../core/events.ts'
import type { Adopted, AuditDraft, SharedStore, Write, WriteResult } from '../../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import { isStoreCode, StoreError } from '../store-error.ts'
import { openCache } from './cache.ts'
import { connect } from './connect.ts'
import { type CredentialFiles, readCredentials } from './credentials.ts'
import { type Complete, livenessArguments } from './documents.ts'
import { createFitness } from './fitness.ts'
import { type KeyName, keysOf, NAMES } from './keys.ts'
import { createOutbox } from './outbox.ts'
import { createPresence } from './presence.ts'
import { link, recordArguments } from './record.ts'
import { ADOPT } from './scripts/adopt.ts'
import { CURSORS } from './scripts/cursors.ts'
import { READ } from './scripts/read.ts'
import { WRITE } from './scripts/write.ts'
import { createSession, versioned } from './session.ts'
import { type Entry, field, placeOf, readAudit, readEvents } from './streams.ts'
import { readBeats, tagOf } from './texts.ts'
import { readAddress } from './url.ts'

/** How often a write is bound to the audit chain again when others were faster. */
const MOST_LINKS = 10

export interface RedisStoreOptions {
  readonly url: string
  readonly tls?: CredentialFiles
  readonly cluster: string
  /** The name of this replica. */
  readonly replica: string
  /** The file of its own copy; null: none is kept. */
  readonly cache: string | null
  readonly clock: Clock
  readonly random: () => number
  /** Absent: definitions are taken as they are. */
  readonly complete?: Complete
  /** Told of a copy that could not be written. */
  readonly onError?: (error: unknown) => void
  /** Told how long each answer of Redis took, ms. */
  readonly onAnswer?: (ms: number) => void
}

/**
 * Answers at once; the connection comes about by itself. Throws a StoreError when the address makes no sense, or the own copy cannot be
 * used.
 */
export function openRedisStore(options: RedisStoreOptions): SharedStore {
  const { url, tls = {}, cluster, replica, clock, random, onError = () => {}, onAnswer = () => {} } = options
  const { complete = definitions => definitions } = options
  const address = readAddress(url)
  if (isRefusal(address)) throw new StoreError('store_unavailable', address.detail)
  const cache = options.cache === null ? null : openCache(options.cache, clock, onError)
  const connection = connect({ address, tls: readCredentials(tls), name: `gatepool:${replica}`, random })
  const { client } = connection
  const keys = keysOf(cluster)
  const key = (name: KeyName) => keys.all[NAMES.indexOf(name)] as string
  const fitness = createFitness(connection, keys)
  const session = createSession({
    ...{ connection, fitness, keys, clock, cache, cluster, replica, complete, onAnswer },
  })
  const outbox = createOutbox({
    ask: (script, args, batch) => session.ask(script, args, batch ? { key: keys.batch(session.origin) } : {}),
    origin: session.origin,
    channel: keys.news,
    tokens: () => session.known.access.value.tokens.map(({ id }) => id),
  })
  const presence = createPresence({ session, outbox, cluster, replica })
  let saving: Promise<unknown> = Promise.resolve()
  let closing: Promise<void> | null = null

  const write = async ({ expect, documents, facts, at, by, audit }: Write): Promise<WriteResult> => {
    if (!presence.settled)
      return refuse('store_refilling', 'the store is empty: whoever knows most is about to fill it')
    // What was told before comes before.
    const stuck = await outbox.flush()
    if (stuck !== null) return stuck
    const { liveness, ...texts } = documents
    const told = facts.map((draft): Omit<Fact, 'id'> => ({ ...draft, cluster }))
    const values = Object.entries(texts).flatMap(([name, value]) => [name, JSON.stringify(value)])
    const tag = tagOf(at)
    const common = [
      ...[tag, at, by, session.origin, keys.news],
      ...[Object.keys(expect).length, ...Object.entries(expect).flat()],
      ...[values.length / 2, ...values],
      ...livenessArguments(liveness, expect.liveness, session.known.liveness),
      ...[told.length, ...told.map(fact => JSON.stringify(fact))],
    ]
    for (let tries = 0; tries < MOST_LINKS; tries++) {
      const record = audit && link(session.auditEnd, audit)
      const chained = record === undefined ? ['no'] : ['record', ...recordArguments(record)]
      const answer = await session.ask(WRITE, [...common, ...chained, ...session.acquaintance()])
      if (isRefusal(answer)) return answer
      switch (answer[0]) {
        case 'conflict': {
          const news = session.takeNews(answer, answer.slice(4))
          if (isRefusal(news)) return news
          outbox.knowBeats(news.beats)
          return { kind: 'conflict', ...news, documents: session.known }
        }
        case 'moved':
          session.audited({ seq: Number(answer[4]), hash: String(answer[5]) })
          break
        default: {
          if (record) session.audited({ seq: record.seq, hash: record.hash })
          const revision = Number(answer[4])
          const stored = versioned(documents, revision)
          const taken = told.map((fact, i) => ({ ...fact, id: `${revision}-${i + 1}` }) as Fact)
          session.wrote({ revision, documents: stored, tag, facts: taken })
          return { kind: 'written', revision, documents: stored, facts: taken }
        }
      }
    }
    return refuse('revision_conflict', 'others keep writing into the audit chain: try again')
  }

  const adopt = async (asked: Omit<AuditDraft, 'at' | 'subject' | 'before' | 'after'>): Promise<Adopted | Refusal> => {
    const { generation: before, found: after } = session
    if (session.strange?.code !== 'store_foreign') return NOT_FOREIGN
    const draft = { ...asked, at: session.time.now(), subject: 'store', before, after }
    const { revision, value } = session.known.definitions
    let end = ORIGIN
    for (let tries = 0; tries < MOST_LINKS; tries++) {
      const args = [after, asked.by, session.origin, cluster, keys.news, JSON.stringify(value)]
      const record = recordArguments(link(end, draft))
      const answer = await session.ask(ADOPT, [...args, ...record], { expected: 'adopted' })
      if (isRefusal(answer)) return answer
      if (answer[0] === 'known') return NOT_FOREIGN
      if (answer[0] === 'adopted') return { kind: 'adopted', before, after, orphaned: revision > 0 }
      end = { seq: Number(answer[4]), hash: String(answer[5]) }
    }
    return refuse('revision_conflict', 'others keep writing into the audit chain: try again')
  }

  /** Rejects with a StoreError where a refusal cannot be answered. */
  const orThrow = async <T>(asked: Promise<T | Refusal>): Promise<T> => {
    const outcome = await asked.catch((error: unknown) => connection.refusal(error))
    if (isRefusal(outcome))
      throw new StoreError(isStoreCode(outcome.code) ? outcome.code : 'store_unavailable', outcome.detail)
    return outcome
  }

  /** What is read now has to have what was said before. It is asked without a generation: of a store that is not ours nothing is believed. */
  const afterFlush = <T>(read: () => Promise<T>): Promise<T> =>
    orThrow((async () => (await outbox.flush()) ?? session.strange ?? (await read()))())

  return {
    now: session.time.now,
    get known() {
      return session.known
    },

    async read() {
      await orThrow(
        (async () => {
          const answer = await session.ask(READ, session.acquaintance())
          return isRefusal(answer) ? answer : session.takeNews(answer, answer.slice(4))
        })(),
      )
      // Nobody hears of them from this answer.
      session.forgetBeats()
      return session.known
    },

    write,

    readBeats: () => afterFlush(async () => readBeats(Object.entries(await client.hgetall(key('instances'))).flat())),
    saveBeats: outbox.saveBeats,

    readUses: () =>
      afterFlush(async () => {
        const uses = await client.hgetall(key('uses'))
        return Object.fromEntries(Object.entries(uses).map(([id, at]) => [id, Number(at)]))
      }),
    saveUses: outbox.saveUses,

    readCursors: () =>
      afterFlush(async () => {
        await saving
        return JSON.parse((await client.get(key('cursors'))) ?? '{}')
      }),

    saveCursors(cursors) {
      // One that is lost is told again: whoever sends knows where it is, and says so with the next one.
      const args = [session.origin, JSON.stringify(cursors)]
      saving = afterFlush(() => session.ask(CURSORS, args)).catch(() => undefined)
    },

    append: outbox.append,
    events: query => afterFlush(() => readEvents(client, key('events'), query)),
    keeps: event => afterFlush(async () => (await placeOf(client, key('events'), event)) !== undefined),

    audit: query =>
      afterFlush(async () => {
        const [seq, hash] = await client.hmget(key('meta'), 'anchor_seq', 'anchor_hash')
        const anchor = seq && hash ? { seq: Number(seq), hash } : ORIGIN
        return { anchor, links: await readAudit(client, key('audit'), query) }
      }),

    history: ({ before, limit }) =>
      afterFlush(async () => {
        if (limit <= 0) return []
        const from = before === undefined ? '+' : `(${before}-0`
        const entries: Entry[] = await client.xrevrange(key('history'), from, '-', 'COUNT', limit)
        return entries.map(entry => ({
          revision: Number.parseInt(entry[0], 10),
          at: Number(field(entry, 'at')),
          by: field(entry, 'by'),
        }))
      }),

    definitionsAt: revision =>
      afterFlush(async () => {
        const [entry] = await client.xrange(key('history'), `${revision}-0`, `${revision}-0`)
        return entry === undefined ? undefined : JSON.parse(field(entry, 'value'))
      }),

    get warnings() {
      return fitness.warnings
    },
    get generation() {
      return session.generation
    },
    adopt,
    sync: presence.sync,
    onNews: listener => connection.subscribe(keys.news, listener),

    [Symbol.asyncDispose]() {
      closing ??= (async () => {
        if ((await outbox.flush()) === null) await presence.leave()
        session.close()
        await connection[Symbol.asyncDispose]()
        cache?.[Symbol.dispose]()
      })()
      return closing
    },
  }
}

const NOT_FOREIGN = refuse('store_known', 'Redis holds the very store that this replica goes by')
