/**
 * A connection of a trusted proxy before its first request: the PROXY header that says for whom it is. What follows the header is the
 * client's, as if it had come by itself.
 */
import type { Socket } from 'node:net'
import { HEADER_WITHIN, readProxyHeader } from '../proxy-protocol/read.ts'
import type { HttpListener } from './listener.ts'

export class ProxiedConnection {
  /** Ms of the coarse clock. */
  readonly deadline: number

  readonly #listener: HttpListener
  readonly #socket: Socket
  readonly #proxy: string
  #bytes: Buffer | null = null

  /** `proxy` is the address of the peer. */
  constructor(listener: HttpListener, socket: Socket, proxy: string) {
    this.#listener = listener
    this.#socket = socket
    this.#proxy = proxy
    this.deadline = listener.coarseNow() + HEADER_WITHIN
    socket.on('data', this.#onData)
    socket.on('end', this.#onGone)
    socket.on('error', this.#onGone)
    socket.on('close', this.#onGone)
  }

  /** Without an answer: whatever is wrong here is between us and the proxy. */
  close(): void {
    this.#letGo()
    // What is still told of it concerns nobody.
    this.#socket.on('error', () => undefined)
    this.#socket.destroy()
    this.#listener.unproxied(this)
  }

  #letGo(): void {
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onGone)
    this.#socket.off('error', this.#onGone)
    this.#socket.off('close', this.#onGone)
  }

  readonly #onGone = (): void => this.close()

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#bytes === null ? chunk : Buffer.concat([this.#bytes, chunk])
    const reading = readProxyHeader(bytes)
    switch (reading.kind) {
      case 'more':
        this.#bytes = bytes
        return
      case 'malformed':
        this.#listener.counts.malformed++
        this.close()
        return
      case 'local':
        this.#pass(bytes.subarray(reading.length), this.#proxy, this.#listener.port)
        return
      case 'proxied':
        this.#pass(bytes.subarray(reading.length), reading.source.address, reading.destination.port)
    }
  }

  #pass(rest: Buffer, address: string, port: number): void {
    const socket = this.#socket
    this.#letGo()
    // Back to where it came from: whoever listens next finds it before what is still to come.
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    this.#listener.proxied(this, socket, address, port)
    socket.resume()
  }
}
