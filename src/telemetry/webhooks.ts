/**
 * Tells webhooks what happened. The history of events is the outbox: each webhook has a cursor in it, which moves when the receiver has
 * taken an event, so that a crash loses nothing and a receiver that is away gets everything in order when it is back. What is told twice
 * has the same id.
 */
import type { Clock } from '../clock.ts'
import { breaksHistory } from '../core/event-filter.ts'
import type { Fact } from '../core/events.ts'
import type { Webhook } from '../core/nouns.ts'
import { own } from '../core/own.ts'
import type { Cursors, Store } from '../core/store.ts'
import { wants } from '../core/webhooks.ts'
import type { State } from '../state.ts'
import { sentence } from './facts.ts'
import type { Logger } from './log.ts'
import { callWebhook, type Delivery } from './webhook-call.ts'

/** Events read at once. */
const PAGE = 100
/** Ms between two attempts, by how many have failed in a row; the last goes on for ever. */
const BACK_OFF = [1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000]
/** Ms between two looks whether it is this replica's turn. */
const LOOK_EVERY = 1_000
/** Share by which they are longer by chance, so that receivers that were away together are not asked together. */
const JITTER = 0.2
/** Ms after which an event that could not be delivered is given up. */
const TOO_OLD = 3 * 24 * 3_600_000

export interface WebhooksOptions {
  readonly state: State
  readonly store: Store
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  /** Only one of several replicas tells. */
  readonly mayTell?: () => boolean
}

/** How telling one webhook goes. */
export interface WebhookState {
  /** The last event that it took; null: none since this process started. */
  readonly last: { readonly at: number; readonly event: string } | null
  /** What is in the way; null: nothing. */
  readonly failing: {
    readonly since: number
    readonly attempts: number
    readonly next_at: number
    readonly said: string
  } | null
}

export interface Webhooks extends AsyncDisposable {
  stateOf(name: string): WebhookState
  /** Sends an event that tells nothing, now and once. Undefined: there is no such webhook. */
  test(name: string): Promise<Delivery | undefined>
}

interface Courier {
  webhook: Webhook
  cursor: string
  last: WebhookState['last']
  failing: WebhookState['failing']
  timer: Disposable | null
  running: boolean
  /** Something happened while it was running. */
  more: boolean
  readonly ended: AbortController
}

/** Starts to tell. What happened since the last process told is told first. */
export async function tellWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const { state, store, clock, random, log, mayTell = () => true } = options
  const couriers = new Map<string, Courier>()
  let cursors: Cursors = {}
  let telling = false
  let working: Promise<unknown> = Promise.resolve()

  /** In turns, so that a webhook that is made, deleted and made again is looked at in that order. */
  const follow = () => {
    working = working.then(followNow).catch(error => log.error({ err: error }, 'webhooks could not be told'))
  }

  /** The history is another one: what was told is where its cursors say. */
  const startOver = () => {
    working = working.then(rest)
    follow()
  }

  const rest = () => {
    telling = false
    for (const courier of couriers.values()) stop(courier)
    couriers.clear()
  }

  const followNow = async () => {
    if (!mayTell()) {
      rest()
      return
    }
    // Where the one that told before has got to.
    if (!telling) cursors = await store.readCursors()
    telling = true
    const { webhooks } = state.snapshot.world.access.value
    for (const [name, courier] of couriers) {
      const webhook = webhooks.find(one => one.name === name)
      if (webhook?.created_at === courier.webhook.created_at) courier.webhook = webhook
      else end(name, courier)
    }
    for (const webhook of webhooks) if (!couriers.has(webhook.name)) await begin(webhook)
  }

  const begin = async (webhook: Webhook) => {
    // A new one is told what happens from its making on, also where a crash took its first cursor along.
    const before = { limit: 1, until: webhook.created_at }
    const cursor = own(cursors, webhook.name) ?? (await store.events(before))[0]?.id ?? ''
    const ended = new AbortController()
    const courier: Courier = {
      webhook,
      cursor,
      last: null,
      failing: null,
      timer: null,
      running: false,
      more: false,
      ended,
    }
    couriers.set(webhook.name, courier)
    moveTo(courier, cursor)
    void run(courier)
  }

  const stop = ({ ended, timer }: Courier) => {
    ended.abort()
    timer?.[Symbol.dispose]()
  }

  const end = (name: string, courier: Courier) => {
    stop(courier)
    couriers.delete(name)
    const { [name]: _, ...others } = cursors
    cursors = others
    store.saveCursors(cursors)
  }

  const moveTo = (courier: Courier, cursor: string) => {
    courier.cursor = cursor
    cursors = { ...cursors, [courier.webhook.name]: cursor }
    store.saveCursors(cursors)
  }

  /** Tells everything that there is to tell, in order, until an attempt fails. */
  const run = async (courier: Courier): Promise<void> => {
    // What happens while events are being read may not be among them: they have to be read once more.
    courier.more = true
    if (courier.running || courier.timer !== null || courier.ended.signal.aborted) return
    courier.running = true
    try {
      for (;;) {
        courier.more = false
        const facts = await store.events({ limit: PAGE, ...(courier.cursor === '' ? {} : { after: courier.cursor }) })
        if (facts.length === 0 && !courier.more) return
        for (const fact of facts) if (!(await tell(courier, fact))) return
      }
    } catch (error) {
      log.warn({ err: error, webhook: courier.webhook.name }, 'events could not be read for a webhook')
      again(courier, 'the store cannot be read')
    } finally {
      courier.running = false
    }
  }

  /** False: not now. */
  const tell = async (courier: Courier, fact: Fact): Promise<boolean> => {
    const { webhook, ended } = courier
    if (wants(webhook, fact.kind)) {
      const outcome = await callWebhook(webhook, messageOf(fact, clock.now()), ended.signal)
      if (ended.signal.aborted) return false
      if (!outcome.delivered && !outcome.gone && clock.now() - fact.at < TOO_OLD) {
        again(courier, outcome.said)
        return false
      }
      if (!outcome.delivered)
        log.warn({ webhook: webhook.name, event: fact.id, said: outcome.said }, 'an event was given up for a webhook')
      else courier.last = { at: clock.now(), event: fact.id }
      courier.failing = null
    }
    moveTo(courier, fact.id)
    return true
  }

  const again = (courier: Courier, said: string) => {
    const attempts = (courier.failing?.attempts ?? 0) + 1
    const pause = (BACK_OFF[Math.min(attempts, BACK_OFF.length) - 1] ?? 0) * (1 + JITTER * random())
    const since = courier.failing?.since ?? clock.now()
    courier.failing = { since, attempts, next_at: Math.round(clock.now() + pause), said }
    log.warn({ webhook: courier.webhook.name, attempts, said }, 'a webhook was not delivered')
    courier.timer = clock.after(pause, () => {
      courier.timer = null
      void run(courier)
    })
  }

  const stopFacts = state.onFact(fact => {
    if (breaksHistory(fact)) return startOver()
    for (const courier of couriers.values()) void run(courier)
  })
  const stopChanges = state.onChange(follow)
  // Nothing else need happen when it becomes this replica's turn.
  const looking = options.mayTell && clock.every(LOOK_EVERY, follow)
  follow()
  await working

  return {
    stateOf(name) {
      const courier = couriers.get(name)
      return { last: courier?.last ?? null, failing: courier?.failing ?? null }
    },
    async test(name) {
      const webhook = state.snapshot.world.access.value.webhooks.find(one => one.name === name)
      if (webhook === undefined) return undefined
      const at = clock.now()
      const body = JSON.stringify({
        type: 'webhook_test',
        timestamp: new Date(at).toISOString(),
        data: { webhook: name },
      })
      return callWebhook(webhook, { id: `test-${at}`, at, body }, new AbortController().signal)
    },
    async [Symbol.asyncDispose]() {
      stopFacts()
      stopChanges()
      looking?.[Symbol.dispose]()
      await working
      for (const courier of couriers.values()) stop(courier)
    },
  }
}

function messageOf(fact: Fact, at: number) {
  const { id, cluster, kind } = fact
  const data = { ...fact, text: sentence(fact) }
  const body = JSON.stringify({ type: kind, timestamp: new Date(fact.at).toISOString(), data })
  return { id: `${cluster}-${id}`, at, body }
}
