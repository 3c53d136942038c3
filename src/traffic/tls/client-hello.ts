/**
 * Reads the ClientHello that a TLS connection begins with (RFC 8446 section 4.1.2; older versions look the same), for what the client asks:
 * a server name and protocols. Nothing is changed or answered. It may be spread over records and come in pieces; what is not exactly a
 * ClientHello is malformed.
 */

/** Bytes of records that we are ready to gather. */
export const MOST_HELLO = 16 * 1024

const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const SERVER_NAME = 0
const ALPN = 16
const HOST_NAME = 0

export type HelloReading =
  | { readonly kind: 'more' }
  | { readonly kind: 'malformed'; readonly why: string }
  | {
      readonly kind: 'hello'
      /** Lower case, without a final dot; null: the client names no server. */
      readonly sni: string | null
      /** In the client's order of preference. */
      readonly alpn: readonly string[]
    }

const MORE: HelloReading = { kind: 'more' }

export class ClientHelloReader {
  /** Where the first record that was not whole yet begins. */
  #at = 0
  #message: Buffer = Buffer.alloc(0)

  /** Reads on; `bytes` are all that have come on the connection so far. Records that were whole before are not looked at again. */
  read(bytes: Buffer): HelloReading {
    for (;;) {
      const [type, major] = bytes.subarray(this.#at)
      if (type !== undefined && type !== HANDSHAKE) return malformed('the record is none of a handshake')
      if (major !== undefined && major !== 3) return malformed('the version is unknown')
      if (bytes.length < this.#at + RECORD_HEADER) return MORE
      const length = bytes.readUInt16BE(this.#at + RECORD_HEADER - 2)
      const from = this.#at + RECORD_HEADER
      const to = from + length
      if (length === 0) return malformed('an empty record')
      if (to > MOST_HELLO) return malformed('the ClientHello is too long')
      if (bytes.length < to) return MORE
      const record = bytes.subarray(from, to)
      this.#message = this.#message.length === 0 ? record : Buffer.concat([this.#message, record])
      this.#at = to
      const reading = readMessage(this.#message)
      if (reading.kind !== 'more') return reading
    }
  }
}

function malformed(why: string): HelloReading {
  return { kind: 'malformed', why }
}

function readMessage(message: Buffer): HelloReading {
  if (message[0] !== CLIENT_HELLO) return malformed('the message is no ClientHello')
  if (message.length < MESSAGE_HEADER) return MORE
  const end = MESSAGE_HEADER + message.readUIntBE(1, 3)
  if (end > MOST_HELLO) return malformed('the ClientHello is too long')
  if (message.length < end) return MORE
  try {
    return readHello(new Reader(message, MESSAGE_HEADER, end))
  } catch (error) {
    if (error instanceof MalformedError) return malformed(error.message)
    throw error
  }
}

class MalformedError extends Error {
  override name = 'MalformedError'
}

function readHello(reader: Reader): HelloReading {
  if (reader.uint8() !== 3) throw new MalformedError('the version is unknown')
  reader.skip(1 + 32)
  reader.vector(1, 0, 32)
  if (reader.vector(2, 2).left % 2 !== 0) throw new MalformedError('half a cipher suite')
  reader.vector(1, 1)
  let sni: string | null = null
  let alpn: readonly string[] = []
  if (reader.left === 0) return { kind: 'hello', sni, alpn }
  const extensions = reader.vector(2)
  const seen = new Set<number>()
  while (extensions.left > 0) {
    const type = extensions.uint16()
    const value = extensions.vector(2)
    if (seen.has(type)) throw new MalformedError('an extension comes twice')
    seen.add(type)
    if (type === SERVER_NAME) sni = readServerName(value)
    else if (type === ALPN) alpn = readProtocols(value)
  }
  reader.end()
  return { kind: 'hello', sni, alpn }
}

/** RFC 6066 section 3: one host name; a name of any other type would be a surprise to everybody. */
function readServerName(value: Reader): string {
  const list = value.vector(2, 1)
  value.end()
  if (list.uint8() !== HOST_NAME) throw new MalformedError('the server name is no host name')
  const name = list.vector(2, 1).text()
  list.end()
  if (!/^[A-Za-z0-9_.-]{1,255}$/.test(name)) throw new MalformedError('the server name is no host name')
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
}

/** RFC 7301 section 3.1. */
function readProtocols(value: Reader): readonly string[] {
  const list = value.vector(2, 2)
  value.end()
  const protocols: string[] = []
  while (list.left > 0) protocols.push(list.vector(1, 1).text())
  return protocols
}

/** Reads numbers and vectors, and never past the end. */
class Reader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes
    this.#at = from
    this.#end = to
  }

  get left(): number {
    return this.#end - this.#at
  }

  skip(count: number): void {
    if (count > this.left) throw new MalformedError('the ClientHello is cut short')
    this.#at += count
  }

  uint8(): number {
    this.skip(1)
    return this.#bytes[this.#at - 1] as number
  }

  uint16(): number {
    this.skip(2)
    return this.#bytes.readUInt16BE(this.#at - 2)
  }

  /** A vector whose length is written in front of it in so many bytes. */
  vector(lengthBytes: 1 | 2, least = 0, most = 65_535): Reader {
    const length = lengthBytes === 1 ? this.uint8() : this.uint16()
    if (length < least || length > most) throw new MalformedError('a part of the ClientHello has no such length')
    this.skip(length)
    return new Reader(this.#bytes, this.#at - length, this.#at)
  }

  /** All that is left. */
  text(): string {
    return this.#bytes.toString('latin1', this.#at, this.#end)
  }

  end(): void {
    if (this.left > 0) throw new MalformedError('something follows where nothing should')
  }
}
