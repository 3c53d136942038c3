/**
 * What a connection begins with before its bytes are anybody's: perhaps a PROXY header, perhaps a ClientHello. Fed piece by piece; says what
 * it still waits for.
 */
import { type Endpoint, readProxyHeader } from '../proxy-protocol/read.ts'
import { ClientHelloReader } from '../tls/client-hello.ts'

export type Awaited =
  | 'proxy'
  | 'hello'
  /** Nothing more. */
  | 'done'
  | 'no_proxy_header'
  | 'no_client_hello'

export class Opening {
  /** Who the proxy speaks for; null: the peer is the client. */
  source: Endpoint | null = null
  destination: Endpoint | null = null
  /** What the client asks for. */
  sni: string | null = null
  alpn: readonly string[] = []
  /** What came and goes on: all but the PROXY header. */
  bytes: Buffer | null = null

  #awaits: Awaited
  readonly #wantsHello: boolean
  readonly #hello = new ClientHelloReader()

  constructor(wantsProxy: boolean, wantsHello: boolean) {
    this.#wantsHello = wantsHello
    this.#awaits = wantsProxy ? 'proxy' : 'hello'
  }

  /** Takes in what came. */
  read(chunk: Buffer): Awaited {
    this.bytes = this.bytes === null ? chunk : Buffer.concat([this.bytes, chunk])
    if (this.#awaits === 'proxy') this.#awaits = this.#readProxy(this.bytes)
    if (this.#awaits === 'hello' && this.bytes !== null) this.#awaits = this.#readHello(this.bytes)
    return this.#awaits
  }

  #readProxy(bytes: Buffer): Awaited {
    const reading = readProxyHeader(bytes)
    if (reading.kind === 'more') return 'proxy'
    if (reading.kind === 'malformed') return 'no_proxy_header'
    this.bytes = bytes.length > reading.length ? bytes.subarray(reading.length) : null
    if (reading.kind === 'proxied') {
      this.source = reading.source
      this.destination = reading.destination
    }
    return this.#wantsHello ? 'hello' : 'done'
  }

  #readHello(bytes: Buffer): Awaited {
    const reading = this.#hello.read(bytes)
    if (reading.kind === 'more') return 'hello'
    if (reading.kind === 'malformed') return 'no_client_hello'
    this.sni = reading.sni
    this.alpn = reading.alpn
    return 'done'
  }
}
