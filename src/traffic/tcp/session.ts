/**
 * One TCP connection of a client, from its first byte to its last: perhaps a PROXY header and a ClientHello are read, an upstream is
 * dialled, and from then on bytes go both ways untouched. What ends one side ends the other in the same way.
 */
import type { Socket } from 'node:net'
import type { AttemptEnd } from '../../core/after.ts'
import type { Snapshot } from '../../core/nouns.ts'
import { hashText } from '../../core/policies/ip-hash.ts'
import { plainAddress } from '../address.ts'
import { Attempt } from '../attempt.ts'
import type { L4Route } from '../l4-route.ts'
import { type Endpoint, HEADER_WITHIN } from '../proxy-protocol/read.ts'
import { proxyHeader } from '../proxy-protocol/write.ts'
import { ReadBuffer } from '../read-buffer.ts'
import type { Session } from '../sessions.ts'
import { alerts } from '../tls/alert.ts'
import type { Ticket } from '../waiting.ts'
import { dialEnd } from '../wire.ts'
import type { TcpListener } from './listener.ts'
import { Opening } from './opening.ts'
import { type Course, Through } from './through.ts'

/** Ms in which a ClientHello has to be whole. */
const HELLO_WITHIN = 5_000
/** Ms after which the kernel probes a connection: most are over before, and are spared the calls. */
const PROBED_AFTER = 10_000
const PROBE_EVERY = 60_000
/** Ms in which the last bytes may be taken after both sides have ended. */
const LINGER = 30_000
/** Ms in which a client may take it that it was refused. */
const REFUSED_WITHIN = 5_000
/** Bytes of a client that are read while it waits, so that its leaving is noticed. */
const MOST_AHEAD = 16 * 1024

/** Without a ClientHello. */
const NO_PROTOCOLS: readonly string[] = []

type Phase = 'opening' | 'connecting' | 'open' | 'closing' | 'gone'

export class TcpSession {
  /** The client's, also where a proxy speaks for it. */
  address: string
  /** When the sweep has to look after it (ms of the coarse clock). */
  deadline = Number.POSITIVE_INFINITY
  /** It counts for its address. */
  isAdmitted = false

  readonly #listener: TcpListener
  readonly #client: Socket
  readonly #attempt: Attempt
  readonly #buffer: ReadBuffer
  readonly #since: number
  #phase: Phase
  #source: Endpoint
  #destination: Endpoint | null = null
  #route: L4Route | null = null
  #upstream: Socket | null = null
  #through: Through | null = null
  /** Who served when it was asked for; and what its pool may close, once it is open. */
  #asked: Snapshot | null = null
  #session: Session | null = null
  /** What the client sent before an upstream was there. */
  #waiting: Buffer | null = null
  #opening: Opening | null = null
  #awaits: 'proxy' | 'hello' = 'proxy'
  /** Its place among those that wait for somebody to return. */
  #ticket: Ticket | null = null
  #connectTimer: NodeJS.Timeout | null = null
  #clientEnded = false
  #isProbed = false

  /** `socket` is paused. */
  constructor(listener: TcpListener, socket: Socket, address: string) {
    this.#listener = listener
    this.#client = socket
    this.address = address
    this.#source = { address, port: socket.remotePort ?? 0 }
    this.#attempt = new Attempt(listener.context)
    this.#buffer = new ReadBuffer(listener.context.coarseNow)
    this.#since = listener.context.coarseNow()
    this.#phase = 'connecting'
    socket.on('data', chunk => this.#onClientData(chunk as Buffer))
    socket.on('drain', () => this.#through?.clientDrained())
    socket.on('end', () => this.#onClientEnd())
    socket.on('error', () => this.#clientLeft())
    socket.on('close', () => this.#clientLeft())
  }

  /** Whose bytes these are and where they go is found out first, as far as it has to be. */
  start(): void {
    const wantsProxy = this.#listener.sendsProxy(this.address)
    const { wantsHello } = this.#listener
    // Of a proxy's connections it is not known yet for whom they are.
    if (!wantsProxy && !this.#listener.admit(this)) {
      this.close()
      return
    }
    if (!wantsProxy && !wantsHello) {
      this.#match(null, NO_PROTOCOLS)
      return
    }
    this.#opening = new Opening(wantsProxy, wantsHello)
    this.#phase = 'opening'
    this.#await(wantsProxy ? 'proxy' : 'hello')
    this.#client.resume()
  }

  /** The upstream that it is connected to, or that is dialled. */
  get upstream() {
    return this.#attempt.slot?.upstream ?? null
  }

  /** To be called now and then with ms of the coarse clock. */
  sweep(now: number): void {
    if (this.deadline <= now && this.#isWaiting) this.#outage()
    else if (this.deadline <= now) this.close()
    else if (this.#phase === 'connecting') this.#readAhead()
    else if (!this.#isProbed && this.#phase === 'open' && now - this.#since > PROBED_AFTER) {
      this.#isProbed = true
      this.#client.setKeepAlive(true, PROBE_EVERY)
      this.#upstream?.setKeepAlive(true, PROBE_EVERY)
    }
  }

  /** Closes both sides now. */
  close(): void {
    this.#client.destroy()
    this.#upstream?.destroy()
    this.#leave()
  }

  // --- Before there is an upstream.

  #await(what: 'proxy' | 'hello'): void {
    this.#awaits = what
    this.#arm(what === 'proxy' ? HEADER_WITHIN : HELLO_WITHIN)
  }

  #onOpening(opening: Opening, chunk: Buffer): void {
    const awaits = opening.read(chunk)
    switch (awaits) {
      case 'proxy':
      case 'hello':
        if (awaits !== this.#awaits) this.#await(awaits)
        return
      case 'no_proxy_header':
        this.#listener.counts.malformed++
        this.close()
        return
      case 'no_client_hello':
        this.#listener.counts.malformed++
        this.#refuse(alerts.decode_error)
        return
      case 'done':
        this.#client.pause()
        this.#opened(opening)
    }
  }

  #opened({ source, destination, bytes, sni, alpn }: Opening): void {
    this.#opening = null
    this.#waiting = bytes
    if (source !== null) {
      this.address = source.address
      this.#source = source
      this.#destination = destination
    }
    if (!this.isAdmitted && !this.#listener.admit(this)) this.close()
    else this.#match(sni, alpn)
  }

  #match(sni: string | null, alpn: readonly string[]): void {
    const route = this.#listener.match(sni, alpn)
    if (route === null) this.#refuse(alerts.unrecognized_name)
    else this.#send(route)
  }

  /** Tells the client why, and no more. */
  #refuse(alert: Buffer): void {
    this.#phase = 'closing'
    this.#opening = null
    this.#arm(REFUSED_WITHIN)
    this.#client.end(alert)
    // Read to its end: closing on unread bytes would reset the alert away.
    this.#client.resume()
  }

  // --- Finding an upstream.

  #send(route: L4Route): void {
    if (route.admits !== null && !route.admits(this.address)) {
      this.#listener.counts.denied++
      this.close()
      return
    }
    this.#phase = 'connecting'
    this.deadline = Number.POSITIVE_INFINITY
    this.#route = route
    const { context } = this.#listener
    this.#asked = context.state.snapshot
    if (this.#attempt.begin(route, hashText(this.address), context.now()) === null) this.#nobody()
    else this.#dial()
  }

  /** Waits for somebody, where the pool wants that. */
  #nobody(): void {
    const { context, draining } = this.#listener
    const route = this.#route
    const ticket =
      route === null || draining
        ? null
        : context.waiting.wait(this.#ticket, this.#attempt, route.target, context.coarseNow(), () => this.#resume())
    if (ticket === null) {
      this.#outage()
      return
    }
    this.#ticket = ticket
    this.deadline = ticket.until
    this.#readAhead()
  }

  /** Whoever leaves while it waits is to be noticed. Only then: nearly always there is an upstream at once, and a read takes its time. */
  #readAhead(): void {
    if ((this.#waiting?.length ?? 0) < MOST_AHEAD) this.#client.resume()
  }

  /** Somebody may be there. */
  #resume(): void {
    this.deadline = Number.POSITIVE_INFINITY
    this.#client.pause()
    if (this.#attempt.resume(this.#listener.context.now()) === null) this.#nobody()
    else this.#dial()
  }

  #leaveRoom(served: boolean): void {
    const ticket = this.#ticket
    this.#ticket = null
    if (ticket !== null) this.#listener.context.waiting.leave(ticket, served)
  }

  get #isWaiting(): boolean {
    return this.#ticket?.isWaiting === true
  }

  /** The listener goes: nothing is waited for any more. */
  drain(): void {
    if (this.#isWaiting) this.#outage()
  }

  #dial(): void {
    const { slot } = this.#attempt
    const { context } = this.#listener
    if (slot === null || this.#route === null) return
    const upstream = context.wire.dial(slot.upstream, {
      buffer: () => this.#buffer.next,
      callback: (size, bytes) => this.#onUpstreamRead(bytes as Buffer, size),
    })
    this.#upstream = upstream
    upstream.on('connect', () => this.#onConnect())
    upstream.on('drain', () => this.#through?.upstreamDrained())
    upstream.on('end', () => this.#onUpstreamEnd())
    upstream.on('error', error => this.#onUpstreamError(upstream, error))
    upstream.on('close', () => this.#onUpstreamClose(upstream))
    const { connect_timeout } = this.#route.route
    this.#connectTimer = setTimeout(() => this.#notConnected('connect_timeout'), connect_timeout)
  }

  #notConnected(end: AttemptEnd): void {
    const upstream = this.#upstream
    this.#upstream = null
    this.#stopTimer()
    upstream?.destroy()
    const step = this.#attempt.fail(end)
    if (step === 'again') this.#dial()
    else if (step === 'outage') this.#nobody()
    else this.#outage()
  }

  #outage(): void {
    this.#listener.counts.outages++
    if (!this.#listener.wantsHello) {
      this.close()
      return
    }
    this.#leaveRoom(false)
    this.#refuse(alerts.internal_error)
  }

  #stopTimer(): void {
    if (this.#connectTimer !== null) clearTimeout(this.#connectTimer)
    this.#connectTimer = null
  }

  #onConnect(): void {
    const upstream = this.#upstream
    const route = this.#route
    if (this.#phase !== 'connecting' || upstream === null || route === null) return
    this.#stopTimer()
    this.#attempt.establish()
    this.#phase = 'open'
    this.#leaveRoom(true)
    this.#arm(route.idleTimeout)
    const through = new Through(this.#client, upstream, this.#buffer, this.#listener.counts)
    this.#through = through
    const header = route.proxy === 'off' ? null : this.#header(route.proxy)
    const waiting = this.#waiting
    this.#waiting = null
    // One segment for both: whoever reads only once would see half of it.
    if (header !== null && waiting !== null) upstream.cork()
    if (header !== null) upstream.write(header)
    if (waiting !== null) through.fromClient(waiting)
    upstream.uncork()
    if (this.#clientEnded) this.#follow(through.clientEnded())
    else if (!upstream.writableNeedDrain) this.#client.resume()
    this.#join(route)
  }

  /** From now on its pool may want it closed. */
  #join({ target }: L4Route): void {
    const { upstream } = this
    if (upstream === null || this.#asked === null) return
    this.#session = { target, upstream, end: () => this.close() }
    this.#listener.context.sessions.add(this.#session, this.#asked)
    this.#asked = null
  }

  #header(version: 'v1' | 'v2'): Buffer {
    const { localAddress = '', localPort = 0 } = this.#client
    const destination = this.#destination ?? { address: plainAddress(localAddress), port: localPort }
    return proxyHeader(version, 'stream', this.#source, destination)
  }

  // --- What the sockets say.

  #onClientData(chunk: Buffer): void {
    if (this.#phase === 'open' && this.#through !== null) {
      this.#touch()
      this.#through.fromClient(chunk)
    } else if (this.#opening !== null) this.#onOpening(this.#opening, chunk)
    else if (this.#phase === 'connecting') {
      this.#waiting = this.#waiting === null ? chunk : Buffer.concat([this.#waiting, chunk])
      if (this.#waiting.length >= MOST_AHEAD) this.#client.pause()
    }
  }

  /** False pauses the upstream. */
  #onUpstreamRead(bytes: Buffer, size: number): boolean {
    if (this.#phase !== 'open' || this.#through === null) return false
    this.#touch()
    return this.#through.fromUpstream(bytes, size)
  }

  #onClientEnd(): void {
    this.#clientEnded = true
    if (this.#phase === 'open') this.#follow(this.#through?.clientEnded())
    else if (this.#phase === 'opening' || (this.#isWaiting && this.#waiting === null)) this.close()
  }

  #onUpstreamEnd(): void {
    if (this.#phase === 'open') this.#follow(this.#through?.upstreamEnded())
  }

  #clientLeft(): void {
    if (this.#phase === 'gone') return
    if (this.#through === null) this.close()
    else this.#follow(this.#through.clientLeft())
  }

  #onUpstreamError(upstream: Socket, { code }: NodeJS.ErrnoException): void {
    if (upstream !== this.#upstream) return
    if (this.#phase === 'connecting') this.#notConnected(dialEnd(code))
    else this.#upstreamLeft()
  }

  #onUpstreamClose(upstream: Socket): void {
    if (upstream !== this.#upstream) return
    if (this.#phase === 'connecting') this.#notConnected('connect_refused')
    else this.#upstreamLeft()
  }

  #upstreamLeft(): void {
    if (this.#phase !== 'gone') this.#follow(this.#through?.upstreamLeft())
  }

  #follow(course: Course = 'over'): void {
    if (course === 'over') this.close()
    else if (course === 'closing' && this.#phase === 'open') {
      this.#phase = 'closing'
      this.#arm(LINGER)
    }
  }

  /** The next deadline, `ms` from now. */
  #arm(ms: number): void {
    this.deadline = this.#listener.context.coarseNow() + ms
  }

  #touch(): void {
    this.deadline = this.#listener.context.coarseNow() + (this.#route as L4Route).idleTimeout
  }

  #leave(): void {
    if (this.#phase === 'gone') return
    this.#phase = 'gone'
    this.deadline = Number.POSITIVE_INFINITY
    this.#waiting = null
    this.#stopTimer()
    this.#leaveRoom(false)
    this.#buffer.release()
    if (this.#session !== null) this.#listener.context.sessions.delete(this.#session)
    // One that was never connected says nothing about its upstream.
    if (this.#attempt.answered) this.#attempt.finish()
    else this.#attempt.fail('client_left')
    this.#listener.left(this)
  }
}
