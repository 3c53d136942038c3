/**
 * One request and its answer: finds the route, asks the attempt where to send it, relays what comes back, and starts over elsewhere as
 * long as that is safe. `sending.ts` knows how it is sent, `reply.ts` how the answer is written; what comes next is decided here. One
 * per client connection, used again for every request on it.
 */
import type { AttemptEnd } from '../../core/after.ts'
import type { Snapshot } from '../../core/nouns.ts'
import { hashText } from '../../core/policies/ip-hash.ts'
import { matchRoute, type RouteEntry } from '../../core/routes.ts'
import { type ErrorCode, type Refusal, refuse } from '../../errors.ts'
import { Attempt, type Cookies } from '../attempt.ts'
import { gather, MOST_GATHERED } from '../gather.ts'
import { type Poured, TAKEN } from '../pour.ts'
import type { Ticket } from '../waiting.ts'
import type { ClientConnection } from './client.ts'
import { readCookie } from './cookies.ts'
import type { HttpListener } from './listener.ts'
import { type FixedAnswer, ownAnswer, statusOf } from './own-answers.ts'
import { Reply } from './reply.ts'
import { type RequestHead, requestPath } from './request-head.ts'
import { blamesNextHop, type ResponseHead } from './response-head.ts'
import { applyRules, type RouteRules } from './route-rules.ts'
import { isIdempotent, protocolName } from './rules.ts'
import { Sending } from './sending.ts'
import { Tally } from './tally.ts'
import { Tunnel } from './tunnel.ts'
import type { Served } from './upstream.ts'
import { downstreamResponseHead, upstreamRequestHead } from './write-head.ts'

const tooLate = refuse('request_timeout', 'the body of the request did not arrive in time')

export class Exchange implements Served, Cookies {
  /** The request is a HEAD. */
  toHead = false

  readonly #client: ClientConnection
  readonly #listener: HttpListener
  readonly #head: RequestHead
  readonly #attempt: Attempt
  readonly #tally: Tally
  readonly #sending: Sending
  readonly #reply: Reply
  /** Of the peer's address, for policies that keep a client in one place. */
  #peerKey: number
  #entry: RouteEntry<RouteRules | null> | null = null
  #requestId = ''
  #tunnel: Tunnel | null = null
  /** When an upgrade was asked for: what may change until it comes is not missed. */
  #asked: Snapshot | null = null
  /** Its place among those that wait, from when it first found nobody until it is answered. */
  #ticket: Ticket | null = null
  /** The connection to the client may serve another request. */
  #persistent = false

  constructor(client: ClientConnection, listener: HttpListener, head: RequestHead) {
    this.#client = client
    this.#listener = listener
    this.#head = head
    this.#peerKey = hashText(client.peer.address)
    this.#attempt = new Attempt(listener.context)
    this.#tally = new Tally(client, listener, head, this.#attempt)
    this.#sending = new Sending(client, listener, this.#attempt, this)
    this.#reply = new Reply(client, listener)
  }

  /** The connection is another client's. Whoever left in the middle of a request has left more behind than one that was answered. */
  open(): void {
    this.#peerKey = hashText(this.#client.peer.address)
    this.#tally.open()
    this.#reset()
  }

  /** So much of the body waits to be sent that no more should be read. */
  get heldUp(): boolean {
    return this.#sending.heldUp
  }

  // --- The request.

  /** Serves the request whose head was read from `bytes`; what follows it there is its body, and perhaps more. */
  serve(bytes: Buffer): void {
    const listener = this.#listener
    const head = this.#head
    this.#persistent = head.persistent
    this.toHead = head.line.method === 'HEAD'
    this.#requestId = head.requestId === '' ? listener.nextRequestId() : head.requestId
    this.#sending.begin(head)
    const entry = matchRoute(listener.routes(), head.host, requestPath(head))
    this.#tally.begin(entry)
    if (entry === undefined) {
      this.#answerAtOnce('no_route', bytes)
      return
    }
    this.#entry = entry
    const { route, rules } = entry
    const ours = rules === null ? null : applyRules(rules, head)
    if (ours !== null) {
      this.#answerAtOnce(ours, bytes)
      return
    }
    if (head.upgrade !== '' && !route.upgrade.includes(protocolName(head.upgrade))) head.upgrade = ''
    if (head.upgrade !== '') this.#asked = listener.context.state.snapshot
    const text = upstreamRequestHead(head, this.#requestId, route.upstream_host ?? '', rules)
    this.#sending.prepare(text, route, rules?.request ?? null)
    const attempt = this.#attempt
    attempt.idempotent = isIdempotent(head.line.method)
    const key = this.#client.peer.trusted ? hashText(head.client) : this.#peerKey
    const slot = attempt.begin(entry, key, listener.context.now(), this)
    // The body may be refused on sight.
    if (!this.#readBody(bytes, head.end)) return
    if (slot === null) this.#outage()
    else this.#sending.dial()
  }

  cookie(name: string): string | null {
    const { text, line, end } = this.#head
    return readCookie(text, line.at, end - 2, name)
  }

  onClientData(chunk: Buffer): void {
    const sending = this.#sending
    if (this.#tunnel !== null) this.#tunnel.fromClient(chunk)
    else if (sending.whole) this.#client.keep(chunk)
    else if (this.#readBody(chunk, 0) && this.#isWaiting) {
      if (!sending.holdable) this.#answerOutage()
    } else if (!sending.whole) sending.letGo(chunk)
  }

  onClientEnd(): void {
    if (this.#tunnel !== null) this.#tunnel.clientEnded()
    else if (this.#isWaiting || (!this.#sending.whole && !this.#attempt.answered)) this.#client.close()
    // Whoever ends its side while an upstream works for it, or once it has seen what the answer is, still wants that.
  }

  /** The client is gone: nobody's fault. */
  onClientLeft(): void {
    if (this.#tunnel !== null) {
      this.#tunnel.clientLeft()
      return
    }
    this.#leaveRoom(false)
    this.#sending.drop()
    this.#attempt.fail('client_left')
    this.#tally.reason = 'client_gone'
    this.#tally.end(499, this.#requestId)
    this.#sending.forget()
  }

  /** False: the body was refused, and so the request has been. */
  #readBody(bytes: Buffer, from: number): boolean {
    const refusal = this.#sending.read(bytes, from)
    if (refusal !== null) this.#giveUp(refusal)
    return refusal === null
  }

  /** The request cannot be taken to its end, and that is the client's doing. */
  #giveUp({ code, detail }: Refusal): void {
    this.#sending.drop()
    const { answered } = this.#attempt
    this.#attempt.fail('client_left')
    if (answered) this.#cut()
    else this.refuse(code, detail)
  }

  // --- Towards the upstream.

  onConnected(): void {
    this.#sending.transmit()
  }

  onDrain(): void {
    if (this.#tunnel !== null) this.#tunnel.upstreamDrained()
    else this.#sending.drained()
  }

  onFailed(end: AttemptEnd): void {
    if (this.#tunnel !== null) {
      this.#tunnel.upstreamLeft()
      return
    }
    this.#sending.drop()
    const attempt = this.#attempt
    switch (attempt.fail(end)) {
      case 'again':
        this.#sending.dial()
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
    this.#tally.end(this.#reply.status, this.#requestId)
    this.#sending.forget()
    this.#client.reset()
  }

  /** The deadline of whatever is waited for is over. */
  expire(): void {
    if (this.#tunnel !== null) {
      this.#tunnel.expire()
      return
    }
    if (this.#isWaiting) {
      this.#answerOutage()
      return
    }
    if (this.#attempt.answered) {
      this.#expireAnswer()
      return
    }
    // A body that stands still because the upstream takes no more of it is the upstream's doing.
    if (this.#sending.whole || this.#client.socket.isPaused()) {
      this.#sending.upstream?.fail('response_timeout')
      return
    }
    this.#giveUp(tooLate)
  }

  /** An answer has begun and stands still. */
  #expireAnswer(): void {
    if (this.#sending.whole && !this.#client.socket.writableNeedDrain) {
      this.#sending.upstream?.fail('body_cut')
      return
    }
    // A client that takes nothing of its answer: it must not take what it has for whole, nor the kernel keep the rest for it.
    this.onClientLeft()
    this.#client.reset()
  }

  // --- The answer.

  onHead(head: ResponseHead): boolean {
    const { status } = head
    const attempt = this.#attempt
    const { minor } = this.#head.line
    const changes = this.#entry?.rules?.response ?? null
    if (status === 101) return this.#switch(head)
    if (status < 200) {
      // HTTP/1.0 knows no interim answers.
      if (minor === 1) this.#client.socket.write(downstreamResponseHead(head, 'none', '', changes), 'latin1')
      return true
    }
    const excused = status >= 500 && blamesNextHop(head)
    if (attempt.retryStatus(status, excused)) {
      this.#sending.drop()
      this.#sending.dial()
      return false
    }
    attempt.respond(status, excused)
    this.#leaveRoom(true)
    this.#sending.forget()
    const untilClose = this.#reply.frame(head, minor)
    // A client that is still sending has not been heard to the end: no other request can follow on this connection.
    if (!this.#sending.whole || untilClose || this.#listener.draining) this.#persistent = false
    // A last answer leaves at once: only then can the connection be closed behind it with a single call.
    if (this.#sending.crowded && this.#persistent && isSmall(head)) gather(this.#client.socket)
    this.#reply.begin(head, this.#connectionField(), changes, attempt.cookieLine)
    this.#awaitAnswer()
    return true
  }

  onBody(bytes: Buffer, from: number, to: number): Poured {
    return this.#reply.body(bytes, from, to)
  }

  onFlush(): Poured {
    // A client that does not take what came is what is waited for.
    if (!this.#client.socket.writableNeedDrain) this.#awaitAnswer()
    return this.#reply.flush()
  }

  onDone(trailers: string): void {
    this.#reply.end(trailers)
    this.#attempt.finish()
    // A server that declined an upgrade may have half left HTTP behind: what it makes of another request is not to be relied on.
    this.#sending.release(this.#head.upgrade !== '')
    this.#finished(this.#reply.status, false)
  }

  /** The upstream has the next word. */
  #awaitAnswer(): void {
    this.#client.arm(this.#entry?.route.response_body_timeout ?? 0)
  }

  onClientDrain(): void {
    const { upstream } = this.#sending
    if (upstream === null) return
    if (this.#attempt.answered && this.#tunnel === null) this.#awaitAnswer()
    upstream.resume()
  }

  // --- Upgraded connections.

  #switch(head: ResponseHead): boolean {
    const { upstream } = this.#sending
    const entry = this.#entry
    const asked = this.#asked
    const protocol = protocolName(head.upgrade)
    // Only to what this client asked for, and only now: bytes behind its head have waited for this.
    if (upstream === null || entry === null || asked === null || protocol !== protocolName(this.#head.upgrade)) {
      upstream?.fail('malformed')
      return false
    }
    this.#asked = null
    const cookie = this.#attempt.cookieLine
    this.#attempt.respond(101)
    this.#leaveRoom(true)
    this.#sending.forget()
    const { sessions } = this.#listener.context
    const tunnel = new Tunnel(this.#client, upstream, {
      target: entry.target,
      timeout: entry.route.tunnel_timeout,
      isWebSocket: protocol === 'websocket',
      onOver: () => {
        sessions.delete(tunnel)
        this.#tunnelOver()
      },
    })
    this.#tunnel = tunnel
    tunnel.open(downstreamResponseHead(head, 'none', 'upgrade', entry.rules?.response, cookie))
    sessions.add(tunnel, asked)
    return true
  }

  onTunnel(bytes: Buffer, from: number, to: number): Poured {
    return this.#tunnel?.fromUpstream(bytes, from, to) ?? TAKEN
  }

  onTunnelEnd(): void {
    this.#tunnel?.upstreamEnded()
  }

  #tunnelOver(): void {
    this.#tunnel = null
    this.#sending.upstream = null
    this.#attempt.finish()
    this.#tally.end(101, this.#requestId)
  }

  /** Everything is cut: a last word where there is one. */
  takeLeave(): void {
    this.#tunnel?.sayClose()
  }

  // --- Our own answers, and the end.

  /** Answers a request that goes to no upstream, unless its body was refused on sight. */
  #answerAtOnce(how: ErrorCode | FixedAnswer, bytes: Buffer): void {
    if (this.#readBody(bytes, this.#head.end)) this.#answer(how, '', 0)
  }

  /** Answers a request that was not understood or not fully read; the connection closes behind it. */
  refuse(code: ErrorCode, detail: string): void {
    if (!this.#tally.running) this.#tally.begin(undefined)
    this.#persistent = false
    this.#writeAnswer(code, detail, 0)
    this.#finished(statusOf(code), true)
  }

  #answer(how: ErrorCode | FixedAnswer, detail: string, retryAfter: number): void {
    if (!this.#sending.whole || this.#listener.draining) this.#persistent = false
    this.#writeAnswer(how, detail, retryAfter)
    this.#finished(statusOf(how), false)
  }

  /** Nobody is left: it waits for somebody where the pool wants that, or is told so. */
  #outage(): void {
    const { context, draining, coarseNow } = this.#listener
    const entry = this.#entry
    const mayWait = entry !== null && !draining && this.#sending.holdable
    const ticket = mayWait
      ? context.waiting.wait(this.#ticket, this.#attempt, entry.target, coarseNow(), () => this.#resume())
      : null
    if (ticket === null) {
      this.#answerOutage()
      return
    }
    this.#ticket = ticket
    this.#client.deadline = ticket.until
  }

  /** Somebody may be there. */
  #resume(): void {
    if (this.#attempt.resume(this.#listener.context.now()) === null) this.#outage()
    else this.#sending.dial()
  }

  get #isWaiting(): boolean {
    return this.#ticket?.isWaiting === true
  }

  #leaveRoom(served: boolean): void {
    const ticket = this.#ticket
    this.#ticket = null
    if (ticket !== null) this.#listener.context.waiting.leave(ticket, served)
  }

  /** The listener goes: nothing is waited for any more. */
  drain(): void {
    if (this.#isWaiting) this.#answerOutage()
  }

  #answerOutage(): void {
    if (this.#attempt.full) {
      this.#answer('pool_full', '', 1)
      return
    }
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
    this.#reset()
    if (this.#persistent) this.#client.finished('reuse')
    else this.#client.finished(unread || !this.#sending.whole ? 'unread' : 'close')
  }

  /** Forgets the request. */
  #reset(): void {
    this.#leaveRoom(false)
    this.#entry = null
    this.#asked = null
    this.#requestId = ''
    this.toHead = false
    this.#sending.forget()
  }

  /** What is said to the client about its connection: nothing where HTTP/1.1 means that it stays. */
  #connectionField(): '' | 'keep-alive' | 'close' {
    if (!this.#persistent) return 'close'
    return this.#head.line.minor === 1 ? '' : 'keep-alive'
  }
}

/** Is it known to leave in one write? */
function isSmall({ contentLength }: ResponseHead): boolean {
  return contentLength >= 0 && contentLength <= MOST_GATHERED
}
