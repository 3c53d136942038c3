import type { Held } from '../slots.ts'
import type { UpstreamConnection } from './upstream.ts'

/** More idle connections than any load needs again at once. */
const MOST_IDLE = 1024

/**
 * The idle connections to one upstream. The one that was used last is used next: it is the least likely to have been closed, and the
 * others may age out. Each connection knows its place, so one in the middle goes without a search.
 */
export class IdleConnections implements Held {
  readonly #connections: UpstreamConnection[] = []

  /** One that may be used at `now`, or undefined. */
  take(now: number): UpstreamConnection | undefined {
    for (;;) {
      const connection = this.#connections.pop()
      if (connection === undefined) return undefined
      connection.place = -1
      if (connection.idleUntil > now && connection.usable) return connection
      connection.destroy()
    }
  }

  /** False: there are enough, the connection is the caller's to close. */
  put(connection: UpstreamConnection): boolean {
    if (this.#connections.length >= MOST_IDLE) return false
    connection.place = this.#connections.length
    this.#connections.push(connection)
    return true
  }

  /** Takes a connection out that went away by itself. */
  remove(connection: UpstreamConnection): void {
    const { place } = connection
    if (place < 0) return
    connection.place = -1
    const last = this.#connections.pop()
    if (last === undefined || last === connection) return
    this.#connections[place] = last
    last.place = place
  }

  /** Closes those that have been idle for long enough. */
  sweep(now: number): void {
    for (let i = this.#connections.length - 1; i >= 0; i--) {
      const connection = this.#connections[i]
      if (connection !== undefined && connection.idleUntil <= now) connection.destroy()
    }
  }

  release(): void {
    for (const connection of [...this.#connections]) connection.destroy()
  }
}
