/** ClientHellos byte by byte, right and wrong ones. */
export const uint16 = (value: number): Buffer => Buffer.of(value >> 8, value & 255)

/** `bytes` with their length in front of them. */
export function vector(lengthBytes: 1 | 2, bytes: Buffer): Buffer {
  return Buffer.concat([lengthBytes === 1 ? Buffer.of(bytes.length) : uint16(bytes.length), bytes])
}

export function extension(type: number, value: Buffer): Buffer {
  return Buffer.concat([uint16(type), vector(2, value)])
}

export function serverName(name: string): Buffer {
  return extension(0, vector(2, Buffer.concat([Buffer.of(0), vector(2, Buffer.from(name, 'latin1'))])))
}

export function protocols(names: readonly string[]): Buffer {
  return extension(16, vector(2, Buffer.concat(names.map(name => vector(1, Buffer.from(name))))))
}

/** Handshake records with these parts of a message. */
export function records(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.map(part => Buffer.concat([Buffer.of(22, 3, 1), vector(2, part)])))
}

/** The message in one record. */
export function messageOf(record: Buffer): Buffer {
  return record.subarray(5)
}

export interface HelloParts {
  readonly sni?: string
  readonly alpn?: readonly string[]
  readonly extensions?: readonly Buffer[]
  readonly session?: Buffer
  readonly suites?: Buffer
  readonly compression?: Buffer
  /** Behind everything, within the message. */
  readonly behind?: Buffer
}

/** A ClientHello in one record. */
export function clientHello(parts: HelloParts): Buffer {
  const { sni, alpn, extensions = [], session = Buffer.alloc(0), suites = Buffer.of(0x13, 1), behind } = parts
  const all = [
    ...(sni === undefined ? [] : [serverName(sni)]),
    ...(alpn === undefined ? [] : [protocols(alpn)]),
    ...extensions,
  ]
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    vector(1, session),
    vector(2, suites),
    vector(1, parts.compression ?? Buffer.of(0)),
    ...(all.length === 0 ? [] : [vector(2, Buffer.concat(all))]),
    ...(behind === undefined ? [] : [behind]),
  ])
  const message = Buffer.concat([Buffer.of(1, 0), uint16(body.length), body])
  return records([message])
}
