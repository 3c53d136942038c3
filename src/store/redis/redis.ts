/**
 * The store in Redis, shared by the replicas of a cluster. What it promises beyond the contract: a write that was acknowledged is one
 * that Redis has taken (how durable that is, is Redis's configuration); a write whose answer never came may have been taken, and says so.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { type AuditEnd, link, ORIGIN } from '../../core/audit.ts'
import type { Fact } from '../../core/events.ts'
import type { SharedStore, Write, WriteResult } from '../../core/store.ts'
import { isRefusal, type Refusal, refuse } from '../../errors.ts'
import { StoreError } from '../store-error.ts'
import { openCache } from './cache.ts'
import { connect } from './connect.ts'
import { livenessArguments } from './documents.ts'
import { type KeyName, keysOf, NAMES } from './keys.ts'
import { createOutbox } from './outbox.ts'
import { createPresence } from './presence.ts'
import { READ, WRITE } from './scripts.ts'
import { createSession, versioned } from './session.ts'
import { type Entry, field, placeOf, readAudit, readEvents } from './streams.ts'
import { readBeats } from './texts.ts'
import { readAddress } from './url.ts'

/** How often a write is bound to the audit chain again when others were faster. */
const MOST_LINKS = 10

export interface RedisStoreOptions {
  readonly url: string
  readonly cluster: string
  /** The name of this replica. */
  readonly replica: string
  /** The file of its own copy; null: none is kept. */
  readonly cache: string | null
  readonly clock: Clock
  readonly random: () => number
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
  const { url, cluster, replica, clock, random, onError = () => {}, onAnswer = () => {} } = options
  const address = readAddress(url)
  if (isRefusal(address)) throw new StoreError('store_unavailable', address.detail)
  const cache = options.cache === null ? null : openCache(options.cache, clock, onError)
  const connection = connect({ address, name: `gatepool:${replica}`, random })
  const { client } = connection
  const keys = keysOf(cluster)
  const key = (name: KeyName) => keys.all[NAMES.indexOf(name)] as string
  const session = createSession({ connection, keys, clock, cache, onAnswer })
  const outbox = createOutbox({
    ask: (script, args, batch) => session.ask(script, args, batch ? { key: keys.batch(session.origin) } : {}),
    origin: session.origin,
    tokens: () => session.known.access.value.tokens.map(({ id }) => id),
  })
  const presence = createPresence({ session, outbox, cluster, replica })
  let auditEnd: AuditEnd = ORIGIN
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
    const common = [
      ...[randomBytes(16).toString('hex'), at, by, session.origin, keys.news],
      ...[Object.keys(expect).length, ...Object.entries(expect).flat()],
      ...[values.length / 2, ...values],
      ...livenessArguments(liveness, expect.liveness, session.known.liveness),
      ...[told.length, ...told.map(fact => JSON.stringify(fact))],
    ]
    for (let tries = 0; tries < MOST_LINKS; tries++) {
      const record = audit && link(auditEnd, audit, sha256)
      const chained =
        record === undefined ? ['no'] : ['record', auditEnd.seq, auditEnd.hash, record.seq, record.hash, record.text]
      const answer = await session.ask(WRITE, [...common, ...chained, ...session.acquaintance()])
      if (isRefusal(answer)) return answer
      switch (answer[0]) {
        case 'conflict': {
          const news = session.takeNews(answer)
          outbox.knowBeats(news.beats)
          return { kind: 'conflict', ...news, documents: session.known }
        }
        case 'moved':
          auditEnd = { seq: Number(answer[4]), hash: String(answer[5]) }
          break
        default: {
          if (record) auditEnd = record
          const revision = Number(answer[4])
          const stored = versioned(documents, revision)
          const taken = told.map((fact, i) => ({ ...fact, id: `${revision}-${i + 1}` }) as Fact)
          session.wrote(
            stored,
            taken.map(({ id }) => id),
          )
          return { kind: 'written', revision, documents: stored, facts: taken }
        }
      }
    }
    return refuse('revision_conflict', 'others keep writing into the audit chain: try again')
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
    now: session.time.now,
    get known() {
      return session.known
    },

    async read() {
      session.takeNews(await orThrow(session.ask(READ, session.acquaintance())))
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

    readCursors: () => afterFlush(async () => JSON.parse((await client.get(key('cursors'))) ?? '{}')),

    saveCursors(cursors) {
      // One that is lost is told again: whoever sends knows where it is, and says so with the next one.
      afterFlush(() => client.set(key('cursors'), JSON.stringify(cursors))).catch(() => undefined)
    },

    append: outbox.append,
    events: query => afterFlush(() => readEvents(client, key('events'), query)),
    keeps: event => afterFlush(async () => (await placeOf(client, key('events'), event)) !== undefined),

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

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
