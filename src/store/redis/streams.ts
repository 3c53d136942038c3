/** Reading the streams: events, the audit chain, past revisions of the definitions. */
import type { Cluster, Redis } from 'ioredis'
import type { AuditLink } from '../../core/audit.ts'
import { isWanted } from '../../core/event-filter.ts'
import type { Fact } from '../../core/events.ts'
import type { AuditPart, AuditQuery, EventQuery } from '../../core/store.ts'

/** Entries read at once. */
const PAGE = 500

/** An entry of a stream: its place, and its fields as name, text, name, text, … */
export type Entry = readonly [id: string, fields: readonly string[]]

export const field = ([, fields]: Entry, name: string): string => {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1] ?? ''
  return ''
}

export const factOf = (entry: Entry): Fact => ({ ...JSON.parse(field(entry, 'fact')), id: field(entry, 'id') })

/** The entries of a stream from `start` on; `back`: from there to older ones. `(ID` leaves that very entry out. */
async function* entries(client: Redis | Cluster, key: string, start: string, back: boolean): AsyncGenerator<Entry> {
  for (let from = start; ; ) {
    const page = back
      ? await client.xrevrange(key, from, '-', 'COUNT', PAGE)
      : await client.xrange(key, from, '+', 'COUNT', PAGE)
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    from = `(${last[0]}`
  }
}

/** The first `limit` of what `read` makes of the entries; it answers undefined for one that is not wanted. */
async function take<T>(from: AsyncIterable<Entry>, limit: number, read: (entry: Entry) => T | undefined): Promise<T[]> {
  const found: T[] = []
  if (limit <= 0) return found
  for await (const entry of from) {
    const one = read(entry)
    if (one !== undefined) found.push(one)
    if (found.length >= limit) break
  }
  return found
}

export async function readEvents(client: Redis | Cluster, key: string, query: EventQuery): Promise<readonly Fact[]> {
  const { after, limit } = query
  const wanted = (entry: Entry) => {
    const fact = factOf(entry)
    return isWanted(query, fact) ? fact : undefined
  }
  if (after === undefined) return (await take(entries(client, key, '+', true), limit, wanted)).reverse()
  const found = await placeOf(client, key, after)
  // An id that is not known, or kept no longer, comes before everything.
  return await take(entries(client, key, found === undefined ? '-' : `(${found}`, false), limit, wanted)
}

/** Where the event with this id is; undefined: it is not known, or kept no longer. */
export async function placeOf(client: Redis | Cluster, key: string, event: string): Promise<string | undefined> {
  // The streams' own places are in the order of telling, the facts' ids are not. What is asked for is nearly always among the newest.
  const place = (entry: Entry) => (field(entry, 'id') === event ? entry[0] : undefined)
  return (await take(entries(client, key, '+', true), 1, place))[0]
}

export async function readAudit(client: Redis | Cluster, key: string, query: AuditQuery): Promise<AuditPart['links']> {
  const { after, limit, by, action, subject } = query
  const wanted = (entry: Entry) => {
    const [seq = ''] = entry[0].split('-')
    const link: AuditLink = {
      seq: Number(seq),
      previous: field(entry, 'previous'),
      hash: field(entry, 'hash'),
      text: field(entry, 'text'),
    }
    if (by === undefined && action === undefined && subject === undefined) return link
    const said = readRecord(link.text)
    const matches =
      (by === undefined || said?.by === by) &&
      (action === undefined || said?.action === action) &&
      (subject === undefined || said?.subject === subject)
    return matches ? link : undefined
  }
  if (after === undefined) return (await take(entries(client, key, '+', true), limit, wanted)).reverse()
  return await take(entries(client, key, `(${after}-0`, false), limit, wanted)
}

/** Undefined for one that somebody has damaged. */
function readRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
