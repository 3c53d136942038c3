/**
 * The listening sockets of routes that have their own: opened and closed as routes come and go, so that no other connection notices. One
 * that cannot be opened keeps its route and is tried again and again, since whoever has its port may go.
 */
import type { Clock } from '../clock.ts'
import type { Route } from '../core/nouns.ts'
import { whyNotListening } from './listen-errors.ts'

/** Ms to the first new try; each one waits twice as long as the one before, up to the longest. */
const FIRST_RETRY = 1_000
const LONGEST_RETRY = 30_000

export interface RouteListener {
  readonly address: { readonly host: string; readonly port: number }
  readonly open: boolean
  /** Opens the socket. Rejects with the system's error when that cannot be. */
  bind(): Promise<void>
  sweep(now: number): void
  /** Takes nothing new; resolves when the last connection or session has ended by itself. */
  drain(): Promise<void>
  cut(): void
}

export interface RouteListenersOptions<L extends RouteListener> {
  readonly clock: Clock
  readonly make: (route: Route) => L
  /** The same address for a route that has changed: for what comes from now on. */
  readonly configure: (listener: L, route: Route) => void
  /** Told once for each run of failures. */
  readonly onFailed: (route: Route, cause: string) => void
}

interface Place<L> {
  route: Route
  listener: L
  /** Ms; 0: it has not failed. */
  delay: number
  retry: Disposable | null
}

export class RouteListeners<L extends RouteListener> {
  readonly #options: RouteListenersOptions<L>
  readonly #places = new Map<string, Place<L>>()
  /** Closed to what is new, and when the last of theirs has gone. */
  readonly #leaving = new Map<L, Promise<void>>()

  constructor(options: RouteListenersOptions<L>) {
    this.#options = options
  }

  /** Makes the open ones those of `routes`. Resolves once every new one was tried. */
  async follow(routes: readonly Route[]): Promise<void> {
    const wanted = new Map(routes.map(route => [keyOf(route), route]))
    // First what goes: a new route may take the port of an old one.
    for (const [key, place] of this.#places) if (!wanted.has(key)) this.#retire(key, place)
    const opening: Promise<void>[] = []
    for (const [key, route] of wanted) {
      const place = this.#places.get(key)
      if (place !== undefined) {
        place.route = route
        this.#options.configure(place.listener, route)
        continue
      }
      const added = { route, listener: this.#options.make(route), delay: 0, retry: null }
      this.#places.set(key, added)
      opening.push(this.#bind(key, added))
    }
    await Promise.all(opening)
  }

  /** Those that are wanted, open or not. */
  *current(): Iterable<readonly [Route, L]> {
    for (const { route, listener } of this.#places.values()) yield [route, listener]
  }

  /** Those too whose route is gone and whose connections are not. */
  *all(): Iterable<L> {
    for (const { listener } of this.#places.values()) yield listener
    yield* this.#leaving.keys()
  }

  /** Takes nothing new anywhere; resolves when the last connection or session has ended by itself. */
  async drain(): Promise<void> {
    for (const [key, place] of this.#places) this.#retire(key, place)
    await Promise.all(this.#leaving.values())
  }

  cut(): void {
    for (const { retry } of this.#places.values()) retry?.[Symbol.dispose]()
    for (const listener of this.all()) listener.cut()
    this.#places.clear()
  }

  async #bind(key: string, place: Place<L>): Promise<void> {
    const { listener } = place
    try {
      await listener.bind()
      place.delay = 0
      // It may have been retired meanwhile.
      if (this.#places.get(key) !== place) listener.cut()
    } catch (error) {
      listener.cut()
      if (this.#places.get(key) !== place) return
      if (place.delay === 0) this.#options.onFailed(place.route, whyNotListening(error))
      place.delay = Math.min(Math.max(2 * place.delay, FIRST_RETRY), LONGEST_RETRY)
      place.retry = this.#options.clock.after(place.delay, () => {
        place.listener = this.#options.make(place.route)
        void this.#bind(key, place)
      })
    }
  }

  #retire(key: string, { listener, retry }: Place<L>): void {
    retry?.[Symbol.dispose]()
    this.#places.delete(key)
    this.#leaving.set(
      listener,
      listener.drain().then(() => void this.#leaving.delete(listener)),
    )
  }
}

/** Who listens where is the same listener, whatever its route is called. Port 0 is a free port, another one each time. */
function keyOf({ name, protocol, listen }: Route): string {
  return listen === undefined || listen.port === 0 ? `${protocol} ${name}` : `${protocol} ${listen.host} ${listen.port}`
}
