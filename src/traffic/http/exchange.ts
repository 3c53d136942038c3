/**
 * One request and its answer: finds the route, asks the attempt where to send it, sends it, relays what comes back, and starts over
 * elsewhere as long as that is safe. One per client connection, used again for every request on it.
 */
import type { AttemptEnd } from '../../core/after.ts'
import { hashText } from '../../core/policies/ip-hash.ts'
import { matchRoute, type RouteEntry } from '../../core/routes.ts'
import { type ErrorCode, type Refusal, refuse } from '../../errors.ts'
import { Attempt } from '../attempt.ts'
import { PAUSE, type Poured, pour, SMALL_PART, TAKEN } from '../pour.ts'
import { CHUNK_END, chunkLine, LAST_CHUNK } from './chunks.ts'
import type { ClientConnection } from './client.ts'
import { withoutDropped } from './field-changes.ts'
import type { IdleConnections } from './idle.ts'
import type { HttpListener } from './listener.ts'
import { type FixedAnswer, ownAnswer, statusOf } from './own-answers.ts'
import { RequestBody } from './request-body.ts'
import { type RequestHead, requestPath } from './request-head.ts'
import type { ResponseHead } from './response-head.ts'
import { applyRules, type RouteRules } from './route-rules.ts'
import { isIdempotent, protocolName } from './rules.ts'
import { Tally } from './tally.ts'
import { Tunnel } from './tunnel.ts'
import { type Served, UpstreamConnection } from './upstream.ts'
import { downstreamResponseHead, framingFor, upstreamRequestHead } from './write-head.ts'

const NOTHING = Buffer.alloc(0)
const tooLate = refuse('request_timeout', 'the body of the request did not arrive in time')

export class Exchange implements Served {
  /** The request is a HEAD. */
  toHead = false

  readonly #client: ClientConnection
  readonly #listener: HttpListener
  readonly #head: RequestHead
  readonly #attempt: Attempt
  readonly #tally: Tally
  readonly #body: RequestBody
  /** Of the peer's address, for policies that keep a client in one place. */
  readonly #peerKey: number
  #entry: RouteEntry<RouteRules | null> | null = null
  #requestId = ''
  /** The request's head as it is sent, kept until an answer comes. */
  #upstreamHead = ''
  #upstream: UpstreamConnection | null = null
  #tunnel: Tunnel | null = null
  /** The connection to the client may serve another request. */
  #persistent = false
  #status = 0
  #framing: ResponseHead['body'] = 'none'
  /** What of the answer waits to be written: its head leaves with the first bytes of the body, small chunks with each other. */
  #unwritten = ''

  constructor(client: ClientConnection, listener: HttpListener, head: RequestHead) {
    this.#client = client
    this.#listener = listener
    this.#head = head
    this.#peerKey = hashText(client.peer.address)
    this.#attempt = new Attempt(listener.context)
    this.#tally = new Tally(client, listener, head, this.#attempt)
    this.#body = new RequestBody(listener.limits.max_body, listener.limits.min_body_rate)
  }

  /** So much of the body waits to be sent that no more should be read. */
  get heldUp(): boolean {
    return this.#body.heldUp
  }

  // --- The request.

  /** Serves the request whose head was read from `bytes`; what follows it there is its body, and perhaps more. */
  serve(bytes: Buffer): void {
    const listener = this.#listener
    const head = this.#head
    this.#persistent = head.persistent
    this.toHead = head.line.method === 'HEAD'
    this.#requestId = head.requestId === '' ? listener.nextRequestId() : head.requestId
    this.#body.begin(head.body, head.contentLength, listener.coarseNow())
    const entry = matchRoute(listener.routes(), head.host, requestPath(head))
    this.#tally.begin(entry)
    if (entry === undefined) {
      this.#answerAtOnce('no_route', bytes)
      return
    }
    this.#entry = entry
    const { route, rules } = entry
    if (rules !== null) {
      const ours = applyRules(rules, head)
      if (ours !== null) {
        this.#answerAtOnce(ours, bytes)
        return
      }
      this.#body.changes = rules.request
    }
    if (head.upgrade !== '' && !route.upgrade.includes(protocolName(head.upgrade))) head.upgrade = ''
    this.#upstreamHead = upstreamRequestHead(head, this.#requestId, route.upstream_host ?? '', rules)
    const attempt = this.#attempt
    attempt.idempotent = isIdempotent(head.line.method)
    const key = this.#client.peer.trusted ? hashText(head.client) : this.#peerKey
    const slot = attempt.begin(entry, key, listener.context.now())
    this.#readBody(bytes, head.end)
    // The body may have been refused on sight.
    if (this.#body.refusal !== null) return
    if (slot === null) this.#outage()
    else this.#dial()
  }

  onClientData(chunk: Buffer): void {
    if (this.#tunnel !== null) this.#tunnel.fromClient(chunk)
    else if (this.#body.done) this.#client.keep(chunk)
    else {
      this.#readBody(chunk, 0)
      if (!this.#body.done) this.#letGo(chunk)
    }
  }

  onClientEnd(): void {
    if (this.#tunnel !== null) {
      if (this.#tunnel.clientEnded()) this.#tunnelOver()
    } else if (!this.#body.done && !this.#attempt.answered) this.#client.close()
    // Whoever ends its side while it waits, or once it has seen what the answer is, still wants that.
  }

  /** The client is gone: nobody's fault. */
  onClientLeft(): void {
    if (this.#tunnel !== null) {
      this.#tunnel.clientLeft()
      this.#tunnelOver()
      return
    }
    this.#dropUpstream()
    this.#attempt.fail('client_left')
    this.#tally.reason = 'client_gone'
    this.#tally.end(499, this.#requestId)
    this.#body.release()
  }

  #readBody(bytes: Buffer, from: number): void {
    const body = this.#body
    const upstream = this.#attempt.sent ? (this.#upstream?.socket ?? null) : null
    const used = body.read(bytes, from, upstream, this.#listener.coarseNow())
    this.#attempt.held = body.held
    if (body.refusal !== null) {
      this.#giveUp(body.refusal)
      return
    }
    if (upstream !== null) this.#awaitMore()
    if (!body.done && (body.heldUp || (upstream !== null && !body.writable))) this.#client.socket.pause()
    if (body.done && used < bytes.length) this.#client.keep(bytes.subarray(used))
  }

  /**
   * Frees a part of a body that has been written and is needed no more. The collector sees a small object and comes late for the memory
   * behind it: left to it, uploads cost twice the processor time.
   */
  #letGo({ buffer, length }: Buffer): void {
    const written = this.#upstream?.socket.writableLength === 0
    if (written && length > SMALL_PART && buffer instanceof ArrayBuffer && buffer.byteLength === length)
      buffer.transfer(0)
  }

  /** What is waited for next: the rest of the request, or the answer; with an answer under way only that the client takes it. */
  #awaitMore(): void {
    const { body_timeout } = this.#listener.limits
    if (!this.#body.done) this.#client.arm(body_timeout)
    else if (!this.#attempt.answered) this.#client.arm(this.#entry?.route.response_timeout ?? 0)
    else this.#client.arm(this.#client.socket.writableNeedDrain ? body_timeout : 0)
  }

  /** The request cannot be taken to its end, and that is the client's doing. */
  #giveUp({ code, detail }: Refusal): void {
    this.#dropUpstream()
    const { answered } = this.#attempt
    this.#attempt.fail('client_left')
    if (answered) this.#cut()
    else this.refuse(code, detail)
  }

  /** The body goes on; that it stood still was not the client's doing. */
  #readOn(): void {
    if (!this.#client.socket.isPaused()) return
    this.#body.restartWindow(this.#listener.coarseNow())
    this.#client.socket.resume()
  }

  // --- Towards the upstream.

  /** Sends the request to `attempt.slot`, by an idle connection if there is one. */
  #dial(): void {
    const attempt = this.#attempt
    const { slot } = attempt
    if (slot === null) return
    const listener = this.#listener
    const idle = slot.held as IdleConnections
    const known = attempt.fresh ? undefined : idle.take(listener.coarseNow())
    attempt.reused = known !== undefined
    if (known !== undefined) {
      this.#upstream = known
      this.#transmit(known)
      return
    }
    const timeout = this.#entry?.route.connect_timeout ?? 0
    this.#client.arm(0)
    this.#upstream = new UpstreamConnection(slot, idle, listener.wire, listener.coarseNow, this, timeout)
  }

  onConnected(): void {
    if (this.#upstream !== null) this.#transmit(this.#upstream)
  }

  /** Head and as much of the body as has come leave in one write. */
  #transmit(upstream: UpstreamConnection): void {
    const body = this.#body
    const attempt = this.#attempt
    upstream.begin(this)
    attempt.sent = true
    const writable = upstream.socket.write(this.#upstreamHead + body.takeHeld(attempt.idempotent), 'latin1')
    attempt.held = body.held
    this.#awaitMore()
    if (!body.done && writable) this.#readOn()
  }

  onDrain(): void {
    if (this.#tunnel !== null) this.#tunnel.upstreamDrained()
    else if (!this.#body.done) this.#readOn()
  }

  onFailed(end: AttemptEnd): void {
    if (this.#tunnel !== null) {
      this.#tunnel.upstreamLeft()
      this.#tunnelOver()
      return
    }
    this.#dropUpstream()
    const attempt = this.#attempt
    switch (attempt.fail(end)) {
      case 'again':
        this.#dial()
        return
      case 'outage':
        this.#outage()
        return
      case 'answer':
        this.#answer(attempt.code, '', 0)
        return
      case 'cut':
        this.#cut()
    }
  }

  /** An answer has begun and cannot be finished: the client must not take it for whole. */
  #cut(): void {
    this.#tally.reason = this.#attempt.code
    this.#tally.end(this.#status, this.#requestId)
    this.#body.release()
    this.#client.reset()
  }

  /** The deadline of whatever is waited for is over. */
  expire(): void {
    if (this.#tunnel !== null) {
      this.#client.close()
      return
    }
    if (this.#attempt.answered) {
      // A client that takes nothing of its answer: it must not take what it has for whole, nor the kernel keep the rest for it.
      this.onClientLeft()
      this.#client.reset()
      return
    }
    // A body that stands still because the upstream takes no more of it is the upstream's doing.
    if (this.#body.done || this.#client.socket.isPaused()) {
      this.#upstream?.fail('response_timeout')
      return
    }
    this.#giveUp(tooLate)
  }

  // --- The answer.

  onHead(head: ResponseHead): boolean {
    const { status } = head
    const attempt = this.#attempt
    const { minor } = this.#head.line
    const changes = this.#entry?.rules?.response
    if (status === 101) return this.#switch(head)
    if (status < 200) {
      // HTTP/1.0 knows no interim answers.
      if (minor === 1) this.#client.socket.write(downstreamResponseHead(head, 'none', '', changes), 'latin1')
      return true
    }
    if (attempt.retryStatus(status)) {
      this.#dropUpstream()
      this.#dial()
      return false
    }
    attempt.respond(status)
    this.#upstreamHead = ''
    this.#body.release()
    this.#status = status
    this.#framing = framingFor(head, minor)
    // A client that is still sending has not been heard to the end: no other request can follow on this connection.
    if (!this.#body.done || this.#framing === 'close' || this.#listener.draining) this.#persistent = false
    this.#unwritten = downstreamResponseHead(head, this.#framing, this.#connectionField(), changes)
    this.#client.arm(0)
    return true
  }

  onBody(bytes: Buffer, from: number, to: number): Poured {
    if (this.#framing !== 'chunked') return this.#pour(bytes, from, to, '')
    this.#unwritten += chunkLine(to - from)
    if (to - from > SMALL_PART) return this.#pour(bytes, from, to, CHUNK_END)
    // Small chunks are gathered until all of a read is through.
    this.#unwritten += bytes.toString('latin1', from, to) + CHUNK_END
    return TAKEN
  }

  onFlush(): Poured {
    return this.#unwritten === '' ? TAKEN : this.#pour(NOTHING, 0, 0, '')
  }

  /** Writes what was gathered, and `bytes[from, to)` behind it. */
  #pour(bytes: Buffer, from: number, to: number, after: string): Poured {
    const before = this.#unwritten
    this.#unwritten = ''
    const poured = pour(this.#client.socket, before, bytes, from, to, after)
    // Whoever takes nothing of its answer is not waited for without end.
    if ((poured & PAUSE) !== 0) this.#client.arm(this.#listener.limits.body_timeout)
    return poured
  }

  onDone(trailers: string): void {
    const left = withoutDropped(trailers, this.#entry?.rules?.response)
    if (this.#framing === 'chunked') this.#unwritten += `${LAST_CHUNK}${left}\r\n`
    this.onFlush()
    const upstream = this.#upstream
    this.#upstream = null
    this.#attempt.finish()
    // A server that declined an upgrade may have half left HTTP behind: what it makes of another request is not to be relied on.
    if (this.#body.done && this.#head.upgrade === '') upstream?.release()
    else upstream?.destroy()
    this.#finished(this.#status, false)
  }

  onClientDrain(): void {
    const upstream = this.#upstream
    if (upstream === null) return
    if (this.#attempt.answered && this.#tunnel === null) this.#client.arm(0)
    upstream.resume()
  }

  // --- Upgraded connections.

  #switch(head: ResponseHead): boolean {
    const upstream = this.#upstream
    // Only to what this client asked for, and only now: bytes behind its head have waited for this.
    if (
      upstream === null ||
      this.#head.upgrade === '' ||
      protocolName(head.upgrade) !== protocolName(this.#head.upgrade)
    ) {
      upstream?.fail('malformed')
      return false
    }
    this.#attempt.respond(101)
    this.#upstreamHead = ''
    this.#body.release()
    this.#tunnel = new Tunnel(this.#client, upstream, this.#entry?.route.tunnel_timeout ?? 0)
    this.#tunnel.open(downstreamResponseHead(head, 'none', 'upgrade', this.#entry?.rules?.response))
    return true
  }

  onTunnel(bytes: Buffer, from: number, to: number): Poured {
    return this.#tunnel?.fromUpstream(bytes, from, to) ?? TAKEN
  }

  onTunnelEnd(): void {
    if (this.#tunnel?.upstreamEnded()) this.#tunnelOver()
  }

  #tunnelOver(): void {
    this.#tunnel = null
    this.#upstream = null
    this.#attempt.finish()
    this.#tally.end(101, this.#requestId)
  }

  // --- Our own answers, and the end.

  /** Answers a request that goes to no upstream, unless its body was refused on sight. */
  #answerAtOnce(how: ErrorCode | FixedAnswer, bytes: Buffer): void {
    this.#readBody(bytes, this.#head.end)
    if (this.#body.refusal === null) this.#answer(how, '', 0)
  }

  /** Answers a request that was not understood or not fully read; the connection closes behind it. */
  refuse(code: ErrorCode, detail: string): void {
    if (!this.#tally.running) this.#tally.begin(undefined)
    this.#persistent = false
    this.#writeAnswer(code, detail, 0)
    this.#finished(statusOf(code), true)
  }

  #answer(how: ErrorCode | FixedAnswer, detail: string, retryAfter: number): void {
    if (!this.#body.done || this.#listener.draining) this.#persistent = false
    this.#writeAnswer(how, detail, retryAfter)
    this.#finished(statusOf(how), false)
  }

  #outage(): void {
    const { message, retryAfter } = this.#listener.outage(this.#attempt.pool)
    this.#answer('pool_outage', message, this.#attempt.retryAfter ?? retryAfter)
  }

  #writeAnswer(how: ErrorCode | FixedAnswer, detail: string, retryAfter: number): void {
    if (typeof how === 'string') this.#tally.reason = how
    const connection = this.#connectionField()
    const now = this.#listener.context.now()
    const circumstances = { detail, retryAfter, requestId: this.#requestId, connection, toHead: this.toHead, now }
    this.#client.socket.write(ownAnswer(how, this.#head, circumstances))
  }

  /** An answer is written whole. `unread`: bytes of the client's may be on their way that nobody wants. */
  #finished(status: number, unread: boolean): void {
    this.#tally.end(status, this.#requestId)
    this.#entry = null
    this.#upstreamHead = this.#requestId = ''
    this.toHead = false
    this.#body.release()
    if (this.#persistent) this.#client.finished('reuse')
    else this.#client.finished(unread || !this.#body.done ? 'unread' : 'close')
  }

  /** What is said to the client about its connection: nothing where HTTP/1.1 means that it stays. */
  #connectionField(): '' | 'keep-alive' | 'close' {
    if (!this.#persistent) return 'close'
    return this.#head.line.minor === 1 ? '' : 'keep-alive'
  }

  #dropUpstream(): void {
    const upstream = this.#upstream
    this.#upstream = null
    upstream?.destroy()
  }
}
