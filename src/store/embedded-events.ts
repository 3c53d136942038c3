/**
 * The history of facts in the embedded store: what writes commit and what this replica tells, in one order. What this replica tells
 * waits in memory for the next transaction; it is always newer than everything in the table, since a write takes it along before its own.
 */
import type { DatabaseSync } from 'node:sqlite'
import { isWanted } from '../core/event-filter.ts'
import type { Fact } from '../core/events.ts'
import type { EventQuery } from '../core/store.ts'

/** Facts kept, and facts that wait at most; the oldest go first. */
const MOST_EVENTS = 10_000

export interface EventLog {
  /** True when something waits for `put`. */
  readonly waits: boolean
  /** Takes facts without writing them. */
  append(facts: readonly Fact[]): void
  /** Puts what waits and then `facts` into the table. To be called inside a transaction, and `settled` once that is through. */
  put(facts: readonly Fact[]): void
  /** What waited has been committed. */
  settled(): void
  /** Answers with what waits too. */
  query(query: EventQuery): Fact[]
  /** Is it here, or does it wait? */
  keeps(id: string): boolean
}

export function openEventLog(db: DatabaseSync): EventLog {
  // A fact that is there already stays as it is: one that came twice must not keep all others out.
  const add = db.prepare('INSERT INTO event (id, kind, subject, fact) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING')
  // Positions have no gaps, so this touches only the rows that go.
  const trim = db.prepare(`DELETE FROM event WHERE position <= (SELECT max(position) FROM event) - ${MOST_EVENTS}`)
  const findPosition = db.prepare('SELECT position FROM event WHERE id = ?')
  const filter = `(:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
    AND (:subject IS NULL OR subject = :subject)
    AND (:since IS NULL OR json_extract(fact, '$.at') >= :since)
    AND (:until IS NULL OR json_extract(fact, '$.at') < :until)`
  const selectNewest = db.prepare(`SELECT fact FROM event WHERE ${filter} ORDER BY position DESC LIMIT :limit`)
  const selectAfter = db.prepare(
    `SELECT fact FROM event WHERE position > :position AND ${filter} ORDER BY position LIMIT :limit`,
  )

  let waiting: Fact[] = []

  return {
    get waits() {
      return waiting.length > 0
    },
    append(facts) {
      waiting = [...waiting, ...facts].slice(-MOST_EVENTS)
    },
    put(facts) {
      for (const fact of [...waiting, ...facts]) add.run(fact.id, fact.kind, fact.subject, JSON.stringify(fact))
      trim.run()
    },
    settled() {
      waiting = []
    },
    keeps: id => waiting.some(fact => fact.id === id) || findPosition.get(id) !== undefined,
    query({ after, limit, ...filter }) {
      const matches = (fact: Fact) => isWanted(filter, fact)
      const { kinds, subject = null, since = null, until = null } = filter
      const wanted = { kinds: kinds === undefined ? null : JSON.stringify(kinds), subject, since, until, limit }
      if (after === undefined) {
        const facts = [...selectNewest.all(wanted).map(parse).reverse(), ...waiting.filter(matches)]
        return facts.slice(Math.max(0, facts.length - limit))
      }
      const seen = waiting.findIndex(({ id }) => id === after)
      // An id that is not known, or kept no longer, comes before everything.
      const position = Number(findPosition.get(after)?.position ?? 0)
      const written = seen < 0 ? selectAfter.all({ ...wanted, position }).map(parse) : []
      return [...written, ...waiting.slice(seen + 1).filter(matches)].slice(0, limit)
    },
  }
}

const parse = (row: Readonly<Record<string, unknown>>): Fact => JSON.parse(String(row.fact))
