/**
 * The live stream of events (server-sent events, WHATWG HTML section 9.2). A client that comes back gets what it missed from the history
 * first; one that reads too slowly is dropped, since it can come back.
 */
import type { ServerResponse } from 'node:http'
import type { Clock } from '../clock.ts'
import { breaksHistory, type EventFilter, isWanted } from '../core/event-filter.ts'
import type { Fact } from '../core/events.ts'
import type { Store } from '../core/store.ts'
import type { State } from '../state.ts'
import { sentence } from '../telemetry/facts.ts'

/** Bytes that a client may be behind. */
export const MOST_BEHIND = 2 ** 20
/** Streams at once. */
export const MOST_STREAMS = 100
/** Ms between two signs of life, so that neither side nor anything between them takes the connection for dead. */
const SIGN_OF_LIFE = 15_000
/** Events read from the history at once. */
const PAGE = 500
/** Ms after which a client that lost us is to come back. */
const COME_BACK = 2_000

/** Without an id, so that a client that is cut off here asks for the same again. */
const RESET = `event: reset\ndata: ${JSON.stringify({ text: 'events may be missing: not everything that was told is kept' })}\n\n`

export interface Wanted {
  /** Everything after the event with this id first. */
  readonly after: string | undefined
  /** Without `after`: the newest so many first. */
  readonly last: number
  readonly filter: EventFilter
  /** Asked again and again: a token may be deleted or expire while its stream is open. */
  allowed(): boolean
  /** Ms until its token expires, if it does. */
  readonly expiresIn?: number | undefined
}

export interface EventStreams extends Disposable {
  readonly full: boolean
  /** Streams to `response` until either side ends it. Resolves when the client has caught up with the present. */
  open(response: ServerResponse, wanted: Wanted): Promise<void>
}

export interface StreamsOptions {
  readonly state: State
  readonly store: Store
  readonly clock: Clock
}

interface Client {
  readonly wanted: Wanted
  readonly response: ServerResponse
  /** What happened while the history is still being sent; null once that is done. */
  waiting: { readonly id: string; readonly frame: string }[] | null
  waitingBytes: number
  /** Ids of the end of the history: an event may come from there and live as well. */
  sent: ReadonlySet<string>
}

export function createEventStreams({ state, store, clock }: StreamsOptions): EventStreams {
  const clients = new Set<Client>()

  const stop = state.onFact(fact => {
    if (clients.size === 0) return
    if (breaksHistory(fact)) for (const client of clients) take(client, '', RESET)
    const frame = frameOf(fact)
    for (const client of clients) if (isWanted(client.wanted.filter, fact)) take(client, fact.id, frame)
  })
  const dismiss = () => {
    for (const { response, wanted } of clients) if (!wanted.allowed()) response.destroy()
  }
  const signs = clock.every(SIGN_OF_LIFE, () => {
    dismiss()
    for (const { response, waiting } of clients) if (waiting === null) send(response, ': still here\n\n')
  })
  let { access } = state.snapshot.world
  const unsubscribe = state.onChange(() => {
    if (access === state.snapshot.world.access) return
    ;({ access } = state.snapshot.world)
    dismiss()
  })

  return {
    get full() {
      return clients.size >= MOST_STREAMS
    },
    async open(response, wanted) {
      const client: Client = { wanted, response, waiting: [], waitingBytes: 0, sent: new Set() }
      // From here on nothing is missed: what happens during the replay waits.
      clients.add(client)
      const { expiresIn } = wanted
      // A timer may ring within the last ms.
      const expiry = expiresIn === undefined ? null : clock.after(expiresIn + 1, dismiss)
      response.on('close', () => {
        clients.delete(client)
        expiry?.[Symbol.dispose]()
      })
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      })
      send(response, `retry: ${COME_BACK}\n\n`)
      try {
        await replay(client, store)
      } catch (error) {
        response.destroy()
        throw error
      }
      const { waiting, sent } = client
      client.waiting = null
      for (const { id, frame } of waiting ?? []) if (!sent.has(id)) send(response, frame)
    },
    [Symbol.dispose]() {
      stop()
      unsubscribe()
      signs[Symbol.dispose]()
      for (const { response } of clients) response.end()
    },
  }
}

function take(client: Client, id: string, frame: string): void {
  if (client.waiting === null) {
    if (!client.sent.has(id)) send(client.response, frame)
    return
  }
  client.waiting.push({ id, frame })
  client.waitingBytes += Buffer.byteLength(frame)
  if (client.waitingBytes > MOST_BEHIND) client.response.destroy()
}

async function replay(client: Client, store: Store): Promise<void> {
  const { response } = client
  const { after, last, filter } = client.wanted
  if (after === undefined && last === 0) return
  // What it saw last is gone, or of another history: it gets all that there is, and has to forget what it knows.
  if (after !== undefined && !(await store.keeps(after))) send(response, RESET)
  const limit = after === undefined ? last : PAGE
  let cursor = after
  for (;;) {
    const facts = await store.events({ limit, ...filter, ...(cursor === undefined ? {} : { after: cursor }) })
    for (const fact of facts) {
      if (isOver(response)) return
      // At the client's own pace: being behind is no fault while there is a past to catch up with.
      response.write(frameOf(fact))
      await taken(response)
    }
    client.sent = new Set(facts.map(({ id }) => id))
    cursor = facts.at(-1)?.id
    if (after === undefined || facts.length < PAGE) return
  }
}

/** Resolves once the client has read enough to be sent more, or is gone. */
function taken(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || isOver(response)) return Promise.resolve()
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}

function send(response: ServerResponse, frame: string): void {
  if (isOver(response)) return
  response.write(frame)
  if (response.writableLength > MOST_BEHIND) response.destroy()
}

/** Writing to a response that is over would be an error that nobody catches. */
function isOver(response: ServerResponse): boolean {
  return response.destroyed || response.writableEnded
}

/** An event as clients of the API get it. */
export function told(fact: Fact): Fact & { readonly text: string } {
  return { ...fact, text: sentence(fact) }
}

/** JSON holds no raw line break, so the data is one line; ids and kinds are ours. */
function frameOf(fact: Fact): string {
  return `id: ${fact.id}\nevent: ${fact.kind}\ndata: ${JSON.stringify(told(fact))}\n\n`
}
