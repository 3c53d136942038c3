import { once } from 'node:events'
import { createServer } from 'node:net'
import { connect } from 'node:tls'
import { test } from 'tap'
import { ClientHelloReader, type HelloReading } from '../../../src/traffic/tls/client-hello.ts'
import { clientHello, extension, messageOf, records, serverName, uint16, vector } from '../../support/client-hello.ts'
import { createDice } from '../../support/dice.ts'
import { seed } from '../../support/seed.ts'

const read = (bytes: Buffer): HelloReading => new ClientHelloReader().read(bytes)

/** As it comes from a socket: piece by piece, everything so far each time. */
function readInPieces(bytes: Buffer, ends: readonly number[]): HelloReading {
  const reader = new ClientHelloReader()
  for (const end of ends) {
    const reading = reader.read(bytes.subarray(0, end))
    if (reading.kind !== 'more') return end === bytes.length ? reading : { kind: 'malformed', why: `early, at ${end}` }
  }
  return reader.read(bytes)
}

const asked = { kind: 'hello', sni: 'db.example.org', alpn: ['h2', 'http/1.1'] } as const
const hello = clientHello({ sni: 'db.example.org', alpn: ['h2', 'http/1.1'] })

test('the name and the protocols that a client asks for', t => {
  t.strictSame(read(hello), asked)
  t.strictSame(read(clientHello({ sni: 'DB.Example.ORG.' })), { kind: 'hello', sni: 'db.example.org', alpn: [] })
  t.strictSame(read(clientHello({ alpn: ['postgresql'] })), { kind: 'hello', sni: null, alpn: ['postgresql'] })
  t.strictSame(read(clientHello({})), { kind: 'hello', sni: null, alpn: [] }, 'without extensions at all')
  t.strictSame(read(Buffer.concat([hello, Buffer.from('whatever follows')])), asked)
  t.end()
})

test('real clients are understood', async t => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  for (const options of [
    { servername: 'one.example.com', ALPNProtocols: ['h2', 'http/1.1'] },
    { servername: 'two.example.com', maxVersion: 'TLSv1.2' as const },
    { maxVersion: 'TLSv1.3' as const },
  ]) {
    const client = connect({ ...options, port, host: '127.0.0.1', rejectUnauthorized: false })
    client.on('error', () => undefined)
    const [socket] = await once(server, 'connection')
    const [bytes] = await once(socket, 'data')
    t.strictSame(read(bytes), { kind: 'hello', sni: options.servername ?? null, alpn: options.ALPNProtocols ?? [] })
    socket.destroy()
    client.destroy()
  }
  server.close()
})

test('cut at every byte there is more to come', t => {
  const reader = new ClientHelloReader()
  for (let length = 0; length < hello.length; length++) {
    const all = hello.subarray(0, length)
    if (read(all).kind !== 'more' || reader.read(all).kind !== 'more') t.fail(`${length} bytes are taken for whole`)
  }
  t.strictSame(reader.read(hello), asked)
  t.end()
})

test('spread over records, cut at every byte of the message', t => {
  const message = messageOf(hello)
  for (let cut = 1; cut < message.length; cut++) {
    const bytes = records([message.subarray(0, cut), message.subarray(cut)])
    const every = Array.from({ length: bytes.length }, (_, i) => i + 1)
    if (JSON.stringify(read(bytes)) !== JSON.stringify(asked)) t.fail(`cut at ${cut}`)
    if (cut % 16 === 0) t.strictSame(readInPieces(bytes, every), asked)
  }
  t.strictSame(read(records([...message].map(byte => Buffer.from([byte])))), asked, 'a record for each byte')
  t.end()
})

test('what is no ClientHello is malformed, as soon as that shows', t => {
  const message = messageOf(hello)
  const wrong: Record<string, Buffer> = {
    http: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'a client of SSL 2': Buffer.from([0x80, 0x2e, 1, 0, 2]),
    'an alert': Buffer.from([21, 3, 1, 0, 2]),
    'a version that never was': Buffer.from([22, 4]),
    'an empty record': Buffer.from([22, 3, 1, 0, 0]),
    'a record too long': Buffer.from([22, 3, 1, 0x40, 0]),
    'a ServerHello': records([Buffer.from([2, 0, 0, 0])]),
    'a message too long': records([Buffer.from([1, 0, 0x40, 0])]),
    'an alert within the message': Buffer.concat([
      records([message.subarray(0, 9)]),
      Buffer.from([21, 3, 3, 0, 2, 1, 0]),
    ]),
    'an empty message': records([Buffer.from([1, 0, 0, 0])]),
  }
  for (const [what, bytes] of Object.entries(wrong)) t.match(read(bytes), { kind: 'malformed' }, what)
  t.end()
})

test('a ClientHello whose inside does not fit is malformed', t => {
  const names = (entries: Buffer) => extension(0, vector(2, entries))
  const host = (name: string) => Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))])
  const wrong: Record<string, Buffer> = {
    'the same extension twice': clientHello({ extensions: [serverName('a.b'), serverName('a.b')] }),
    'two names': clientHello({ extensions: [names(Buffer.concat([host('a.b'), host('c.d')]))] }),
    'no name': clientHello({ extensions: [names(Buffer.alloc(0))] }),
    'an empty name': clientHello({ extensions: [serverName('')] }),
    'a name of another type': clientHello({ extensions: [names(Buffer.from([1, 0, 1, 97]))] }),
    'a name with a zero byte': clientHello({ extensions: [serverName('a\0b')] }),
    'a name with a slash': clientHello({ extensions: [serverName('a/b')] }),
    'something behind the name': clientHello({
      extensions: [extension(0, Buffer.concat([vector(2, host('a.b')), Buffer.of(0)]))],
    }),
    'no protocols': clientHello({ extensions: [extension(16, vector(2, Buffer.alloc(0)))] }),
    'an empty protocol': clientHello({ extensions: [extension(16, vector(2, Buffer.of(0, 0)))] }),
    'a protocol cut short': clientHello({ extensions: [extension(16, vector(2, Buffer.of(3, 97)))] }),
    'an extension cut short': clientHello({ extensions: [Buffer.concat([uint16(5), uint16(9), Buffer.of(1)])] }),
    'half an extension': clientHello({ extensions: [Buffer.of(0)] }),
    'no cipher suites': clientHello({ suites: Buffer.alloc(0) }),
    'half a cipher suite': clientHello({ suites: Buffer.of(1, 2, 3) }),
    'a session of 33 bytes': clientHello({ session: Buffer.alloc(33) }),
    'no compression': clientHello({ compression: Buffer.alloc(0) }),
    'bytes behind the extensions': clientHello({ behind: Buffer.of(0) }),
  }
  for (const [what, bytes] of Object.entries(wrong)) t.match(read(bytes), { kind: 'malformed' }, what)
  t.match(read(clientHello({ session: Buffer.alloc(32), sni: 'a.b' })), { kind: 'hello' })
  t.end()
})

test('at most 16 KiB', t => {
  const padded = (size: number) => clientHello({ sni: 'a.b', extensions: [extension(21, Buffer.alloc(size))] })
  const room = 16 * 1024 - padded(0).length
  t.match(read(padded(room)), { kind: 'hello', sni: 'a.b' })
  t.match(read(padded(room + 1)), { kind: 'malformed' })
  const message = messageOf(padded(room - 5))
  t.match(read(records([message.subarray(0, 8000), message.subarray(8000)])), { kind: 'hello' })
  const longer = messageOf(padded(room - 4))
  t.match(read(records([longer.subarray(0, 8000), longer.subarray(8000)])), { kind: 'malformed' })
  t.end()
})

test('garbage is malformed or unfinished, never a crash', t => {
  t.comment(`seed ${seed}`)
  const { int, maybe } = createDice(seed)
  const kinds = new Set<string>()
  for (let round = 0; round < 20_000; round++) {
    const bytes = Buffer.from(maybe(0.3) ? hello.subarray(0, int(hello.length + 1)) : hello)
    for (let times = int(4); times >= 0; times--) if (bytes.length > 0) bytes[int(bytes.length)] = int(256)
    const reading = read(bytes)
    kinds.add(reading.kind)
    if (reading.kind === 'hello' && reading.sni !== null && !/^[a-z0-9_.-]*$/.test(reading.sni)) t.fail(reading.sni)
    const at = int(bytes.length + 1)
    const again = readInPieces(bytes, [at, bytes.length])
    if (again.kind !== reading.kind && reading.kind !== 'malformed') t.fail(`in two pieces it is ${again.kind}`)
  }
  t.strictSame([...kinds].sort(), ['hello', 'malformed', 'more'])
  t.end()
})
