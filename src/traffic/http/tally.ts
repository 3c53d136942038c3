/** What is counted of the exchanges on one client connection and, where there is an access log, told of each. */
import { NO_POOL } from '../../core/homes.ts'
import type { RouteEntry } from '../../core/routes.ts'
import type { ErrorCode } from '../../errors.ts'
import type { AccessLog } from '../../telemetry/access.ts'
import type { Attempt } from '../attempt.ts'
import type { ClientConnection } from './client.ts'
import { countExchange, type RouteCounts } from './counters.ts'
import type { HttpListener } from './listener.ts'
import { type RequestHead, requestPath } from './request-head.ts'

export class Tally {
  /** Why the answer is ours, or was cut; null: it is the upstream's. */
  reason: ErrorCode | null = null

  readonly #client: ClientConnection
  readonly #listener: HttpListener
  readonly #head: RequestHead
  readonly #attempt: Attempt
  #counts: RouteCounts | null = null
  /** Ms of `performance.now`. */
  #startedAt = 0
  /** Bytes that had been written to the client when the last exchange was told. */
  #written = 0

  constructor(client: ClientConnection, listener: HttpListener, head: RequestHead, attempt: Attempt) {
    this.#client = client
    this.#listener = listener
    this.#head = head
    this.#attempt = attempt
  }

  /** The connection is another client's, and nothing has been written to it. */
  open(): void {
    this.reason = null
    this.#written = 0
  }

  get running(): boolean {
    return this.#counts !== null
  }

  /** An exchange begins, on this route; `undefined`: on none. */
  begin(entry: RouteEntry | undefined): void {
    this.#counts = this.#listener.counts.of(entry)
    this.#startedAt = performance.now()
  }

  /** It is over; 499: nobody was left to answer. */
  end(status: number, requestId: string): void {
    const counts = this.#counts
    if (counts === null) return
    const ms = performance.now() - this.#startedAt
    countExchange(counts, status, ms)
    this.#counts = null
    const { access } = this.#listener.context
    if (access !== null) this.#tell(access, counts, status, ms, requestId)
  }

  #tell(access: AccessLog, { route, pool }: RouteCounts, status: number, ms: number, requestId: string): void {
    const { socket, peer } = this.#client
    const { line, host, client } = this.#head
    const { reason } = this
    const { tries, last } = this.#attempt.forget()
    const before = this.#written
    this.reason = null
    this.#written = socket.bytesWritten
    if (!access.wants()) return
    const inPool = last?.pool ?? pool
    // A head that was refused may still hold what the one before it said.
    const understood = route !== '' || reason === 'no_route'
    access.write({
      listener: this.#listener.config.name,
      route: route === '' ? null : route,
      pool: inPool === '' || inPool === NO_POOL ? null : inPool,
      gateway: last?.gateway ?? null,
      method: line.method,
      host: understood ? host : '',
      path: understood ? requestPath(this.#head) : '',
      status,
      bytes: this.#written - before,
      duration_ms: Math.round(ms * 1000) / 1000,
      client: understood ? client : peer.address,
      request_id: requestId,
      attempts: tries,
      reason,
    })
  }
}
