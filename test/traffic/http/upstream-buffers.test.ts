/**
 * Whose a read buffer is, and until when: a part that a client keeps must not change until it is given back, nor after the answer is done,
 * whatever the other connections read meanwhile.
 */
import { test } from 'tap'
import { begin } from '../../../src/core/advance.ts'
import { sharedBuffer } from '../../../src/traffic/buffers.ts'
import { IdleConnections } from '../../../src/traffic/http/idle.ts'
import type { ResponseHead } from '../../../src/traffic/http/response-head.ts'
import { type Served, UpstreamConnection } from '../../../src/traffic/http/upstream.ts'
import { KEPT, PAUSE, type Poured, TAKEN } from '../../../src/traffic/pour.ts'
import { Taken } from '../../../src/traffic/shared.ts'
import { type Slot, Slots } from '../../../src/traffic/slots.ts'
import { tcpWire } from '../../../src/traffic/wire.ts'
import { within } from '../../support/raw-peer.ts'
import { rawUpstream } from '../../support/raw-upstream.ts'
import { chance, seed } from '../../support/seed.ts'
import { define, worldOf } from '../../support/world.ts'

const PIECE = 64 * 1024

/** A clock in a hurry: a stall makes reads small for a second. */
const now = (): number => performance.now() * 200

interface Held {
  readonly bytes: Buffer
  readonly view: Buffer
  readonly copy: Buffer
}

/** A client connection that keeps what it gets as long as the contract allows. */
class Keeper implements Served {
  readonly toHead = false
  readonly changed: string[] = []
  held: readonly Held[] = []
  upstream: UpstreamConnection | undefined
  size = 0
  #answered = Promise.withResolvers<void>()
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  async ask(slot: Slot, idle: IdleConnections): Promise<void> {
    this.#answered = Promise.withResolvers()
    const known = idle.take(now())
    if (known === undefined) this.upstream = new UpstreamConnection(slot, idle, tcpWire, now, this, 5_000)
    else {
      this.upstream = known
      this.onConnected()
    }
    await within(this.#answered.promise, `an answer, seed ${seed}`)
  }

  onConnected(): void {
    this.upstream?.begin(this)
    this.upstream?.socket.write('GET / HTTP/1.1\r\n\r\n')
  }

  onHead(_: ResponseHead): boolean {
    return true
  }

  onFlush(): Poured {
    return TAKEN
  }

  onBody(bytes: Buffer, from: number, to: number): Poured {
    this.size += to - from
    const pause = this.#random() < 0.2
    if (pause) setImmediate(() => this.#resume(bytes))
    // Neither what all share, nor what is too small to be worth it, is ever kept.
    if (bytes === sharedBuffer || to - from <= 16_384 || this.#random() < 0.3) return pause ? PAUSE : TAKEN
    const view = bytes.subarray(from, to)
    this.held = [...this.held, { bytes, view, copy: Buffer.from(view) }]
    return pause ? KEPT | PAUSE : KEPT
  }

  onDone(): void {
    this.upstream?.release()
    this.upstream = undefined
    this.#answered.resolve()
  }

  onFailed(end: string): void {
    this.#answered.reject(new Error(end))
  }

  onTunnel(): Poured {
    return TAKEN
  }

  onTunnelEnd(): void {}
  onDrain(): void {}

  /** As when the client has drained: what was kept of the last read may be used again. Kept without a pause, or to the end, it may not. */
  #resume(bytes: Buffer): void {
    if (this.upstream === undefined) return
    this.check()
    this.held = this.held.filter(one => one.bytes !== bytes)
    this.upstream.resume()
  }

  check(): void {
    for (const { view, copy } of this.held) if (!view.equals(copy)) this.changed.push(`${copy.length} bytes`)
  }
}

test('what a client keeps of an answer stays as it is', async t => {
  const sends = chance(seed + 1)
  await using origin = await rawUpstream(async peer => {
    for (;;) {
      await peer.text('\r\n\r\n')
      const pieces = Math.floor(sends() * 40)
      const bodies = Array.from({ length: pieces }, () => Buffer.alloc(PIECE, Math.floor(sends() * 256)))
      if (sends() < 0.5) {
        peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${pieces * PIECE}\r\n\r\n`)
        for (const body of bodies) peer.send(body)
      } else {
        peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        for (const body of bodies) peer.send(Buffer.concat([Buffer.from('10000\r\n'), body, Buffer.from('\r\n')]))
        peer.send('0\r\n\r\n')
      }
    }
  })
  const definitions = define({
    gateways: [{ name: 'a', address: '127.0.0.1', http_port: origin.port }],
    pools: [{ name: 'all', members: ['a'] }],
  })
  const slots = new Slots(Math.random, new Taken(), () => new IdleConnections())
  const picker = slots.picker(begin(worldOf(definitions)), 'pool:all')
  const slot = picker?.choices.pick(0, [])?.instances.pick(0, [])
  if (slot === undefined) throw new Error('nobody to dial')

  const keepers = Array.from({ length: 8 }, (_, i) => new Keeper(chance(seed + 10 + i)))
  await Promise.all(
    keepers.map(async keeper => {
      for (let round = 0; round < 12; round++) await keeper.ask(slot, slot.held as IdleConnections)
    }),
  )
  for (const keeper of keepers) keeper.check()
  t.ok(keepers.flatMap(({ held }) => held).length > 20, 'much was kept')
  t.ok(keepers.some(({ size }) => size > 1_000_000))
  t.strictSame(
    keepers.flatMap(({ changed }) => changed),
    [],
    `seed ${seed}`,
  )
  slots.release()
})
