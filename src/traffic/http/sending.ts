/**
 * A request on its way to an upstream: head and body leave together, by an idle connection or a new one, to whomever the attempt names;
 * what may have to be sent again is kept until an answer comes.
 */
import type { Refusal } from '../../errors.ts'
import type { Attempt } from '../attempt.ts'
import { gather, MANY, MOST_GATHERED } from '../gather.ts'
import { SMALL_PART } from '../pour.ts'
import type { ClientConnection } from './client.ts'
import type { FieldChanges } from './field-changes.ts'
import type { IdleConnections } from './idle.ts'
import type { HttpListener } from './listener.ts'
import { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'
import { type Served, UpstreamConnection } from './upstream.ts'

/** Ms, as a route has them. */
interface Patience {
  readonly connect_timeout: number
  readonly response_timeout: number
  readonly response_body_timeout: number
}

const NO_PATIENCE: Patience = { connect_timeout: 0, response_timeout: 0, response_body_timeout: 0 }

export class Sending {
  /** The connection that the request was sent on, or will be. */
  upstream: UpstreamConnection | null = null
  /** It left as one of many, so that its answer may wait for others, too; see `gather`. */
  crowded = false

  readonly #client: ClientConnection
  readonly #listener: HttpListener
  readonly #attempt: Attempt
  readonly #body: RequestBody
  readonly #served: Served
  #patience: Patience = NO_PATIENCE
  /** The head as it is sent. */
  #head = ''

  /** `served` is told of the answer. */
  constructor(client: ClientConnection, listener: HttpListener, attempt: Attempt, served: Served) {
    this.#client = client
    this.#listener = listener
    this.#attempt = attempt
    this.#served = served
    this.#body = new RequestBody(listener.limits.max_body, listener.limits.min_body_rate)
  }

  /** All of the body has come. */
  get whole(): boolean {
    return this.#body.done
  }

  /** So much of the body waits to be sent that no more should be read. */
  get heldUp(): boolean {
    return this.#body.heldUp
  }

  /** The body is small enough to wait here until somebody can take it. */
  get holdable(): boolean {
    return this.#body.holdable
  }

  /** Another request, whose head has just been read. */
  begin({ body, contentLength }: RequestHead): void {
    this.#body.begin(body, contentLength, this.#listener.coarseNow())
  }

  /** What is to be sent: `head`, and the body without the trailers that the route drops. */
  prepare(head: string, patience: Patience, changes: FieldChanges | null): void {
    this.#head = head
    this.#patience = patience
    this.#body.changes = changes
  }

  /** Takes in the body from `bytes[from…]`, and sends it on if it can be sent already. Answers why it is refused, or null. */
  read(bytes: Buffer, from: number): Refusal | null {
    const body = this.#body
    const attempt = this.#attempt
    const upstream = attempt.sent ? (this.upstream?.socket ?? null) : null
    const used = body.read(bytes, from, upstream, this.#listener.coarseNow())
    attempt.held = body.held
    if (body.refusal !== null) return body.refusal
    if (upstream !== null) this.#awaitMore()
    if (!body.done && (body.heldUp || (upstream !== null && !body.writable))) this.#client.socket.pause()
    if (body.done && used < bytes.length) this.#client.keep(bytes.subarray(used))
    return null
  }

  /**
   * Frees a part of a body that has been written and is needed no more. The collector sees a small object and comes late for the memory
   * behind it: left to it, uploads cost twice the processor time.
   */
  letGo({ buffer, length }: Buffer): void {
    const written = this.upstream?.socket.writableLength === 0
    if (written && length > SMALL_PART && buffer instanceof ArrayBuffer && buffer.byteLength === length)
      buffer.transfer(0)
  }

  /** Sends the request to `attempt.slot`, by an idle connection if there is one. */
  dial(): void {
    const attempt = this.#attempt
    const { slot } = attempt
    if (slot === null) return
    const listener = this.#listener
    const idle = slot.held as IdleConnections
    const known = attempt.fresh ? undefined : idle.take(listener.coarseNow())
    attempt.reused = known !== undefined
    if (known !== undefined) {
      this.upstream = known
      this.transmit()
      return
    }
    this.#client.arm(0)
    const { connect_timeout } = this.#patience
    this.upstream = new UpstreamConnection(slot, idle, listener.wire, listener.coarseNow, this.#served, connect_timeout)
  }

  /** Head and as much of the body as has come leave in one write. */
  transmit(): void {
    const { upstream } = this
    if (upstream === null) return
    const body = this.#body
    const attempt = this.#attempt
    upstream.begin(this.#served)
    attempt.sent = true
    const text = this.#head + body.takeHeld(attempt.idempotent)
    this.crowded = (attempt.slot?.load.inFlight ?? 0) >= MANY && body.done && text.length <= MOST_GATHERED
    if (this.crowded) gather(upstream.socket)
    const writable = upstream.socket.write(text, 'latin1')
    attempt.held = body.held
    this.#awaitMore()
    if (!body.done && writable) this.#readOn()
  }

  /** The upstream can take more. */
  drained(): void {
    if (!this.#body.done) this.#readOn()
  }

  /** It will not be sent again. */
  forget(): void {
    this.#head = ''
    this.#body.release()
  }

  /** Closes the connection to the upstream: another one is needed, or none any more. */
  drop(): void {
    const { upstream } = this
    this.upstream = null
    upstream?.destroy()
  }

  /** The answer is whole. The connection may serve others, unless `spent`. */
  release(spent: boolean): void {
    const { upstream } = this
    this.upstream = null
    if (this.#body.done && !spent) upstream?.release()
    else upstream?.destroy()
  }

  /** What is waited for next: the rest of the request, the answer, the rest of that, or that the client takes it. */
  #awaitMore(): void {
    const { body_timeout } = this.#listener.limits
    const { response_timeout, response_body_timeout } = this.#patience
    if (!this.#body.done) this.#client.arm(body_timeout)
    else if (!this.#attempt.answered) this.#client.arm(response_timeout)
    else this.#client.arm(this.#client.socket.writableNeedDrain ? body_timeout : response_body_timeout)
  }

  /** The body goes on; that it stood still was not the client's doing. */
  #readOn(): void {
    if (!this.#client.socket.isPaused()) return
    this.#body.restartWindow(this.#listener.coarseNow())
    this.#client.socket.resume()
  }
}
