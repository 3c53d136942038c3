import { test } from 'tap'
import { type ChunkReader, createChunkReader, readChunks, resetChunkReader } from '../../../src/traffic/http/chunks.ts'

interface Read {
  readonly outcome: string
  readonly data: string
  readonly trailers: string
  readonly detail: string
  /** How many bytes it took. */
  readonly taken: number
}

/** Reads a body that arrives in pieces of so many bytes. */
function read(raw: string, piece: number, reader: ChunkReader = createChunkReader()): Read {
  const bytes = Buffer.from(raw, 'latin1')
  let data = ''
  let outcome = 'more'
  let at = 0
  for (
    let end = Math.min(piece, bytes.length);
    outcome === 'more' && at < bytes.length;
    end = Math.min(end + piece, bytes.length)
  ) {
    do {
      outcome = readChunks(reader, bytes, at, end)
      if (outcome === 'data') data += bytes.toString('latin1', reader.dataStart, reader.dataEnd)
      if (outcome !== 'refused') at = reader.at
    } while (outcome === 'data')
  }
  return {
    outcome,
    data,
    trailers: reader.trailers,
    detail: outcome === 'refused' ? reader.refusal.detail : '',
    taken: at,
  }
}

const accepted: readonly { title: string; raw: string; data: string; trailers?: string }[] = [
  { title: 'an empty body', raw: '0\r\n\r\n', data: '' },
  { title: 'one chunk', raw: '5\r\nhello\r\n0\r\n\r\n', data: 'hello' },
  {
    title: 'chunks whose data looks like framing',
    raw: '7\r\n\r\n0\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n',
    data: '\r\n0\r\n\r\n\r\n',
  },
  {
    title: 'sizes in either case and with leading zeros',
    raw: '00a\r\n0123456789\r\nB\r\n0123456789a\r\n0000000000000000\r\n\r\n',
    data: '01234567890123456789a',
  },
  { title: 'extensions', raw: '3;a;b=c;d="e\\";\t f"\r\nabc\r\n0;x\r\n\r\n', data: 'abc' },
  { title: 'the longest extension', raw: `1;${'a'.repeat(254)}\r\nx\r\n0\r\n\r\n`, data: 'x' },
  { title: 'trailers', raw: '1\r\nx\r\n0\r\nA: 1\r\nB:  2 \r\n\r\n', data: 'x', trailers: 'A: 1\r\nB:  2 \r\n' },
  {
    title: 'trailers that say what a head should have said',
    raw: `0\r\n${[
      'Content-Length: 5',
      'Transfer-Encoding: chunked',
      'Content_Length: 5',
      'Host: b',
      'Connection: close',
      'Authorization: x',
      'Cookie: y',
      'Set-Cookie: z',
      'Content-Type: text/html',
      'Trailer: x',
      'X-Forwarded-For: 1',
      'X-Gatepool-X: 1',
      'Checksum: ok',
      'grpc-status: 0',
    ].join('\r\n')}\r\n\r\n`,
    data: '',
    trailers: 'Checksum: ok\r\ngrpc-status: 0\r\n',
  },
]

const refused: readonly { title: string; raw: string; detail: RegExp }[] = [
  { title: 'an empty size', raw: '\r\n', detail: /not hexadecimal/ },
  { title: 'a size that is no number', raw: 'x\r\n', detail: /not hexadecimal/ },
  { title: 'a size with a prefix', raw: '0x5\r\nhello\r\n', detail: /not hexadecimal/ },
  { title: 'a negative size', raw: '-1\r\n', detail: /not hexadecimal/ },
  { title: 'a signed size', raw: '+5\r\nhello\r\n', detail: /not hexadecimal/ },
  { title: 'a blank before the size', raw: ' 5\r\nhello\r\n', detail: /not hexadecimal/ },
  { title: 'a blank behind the size', raw: '5 \r\nhello\r\n', detail: /not hexadecimal/ },
  { title: 'a NUL behind the size', raw: '5\x00\r\nhello\r\n', detail: /not hexadecimal/ },
  { title: 'a size of 2^53', raw: '20000000000000\r\n', detail: /too large/ },
  { title: 'a size that would wrap around', raw: '10000000000000005\r\n', detail: /too large/ },
  { title: 'a size of seventeen digits', raw: '00000000000000005\r\nhello\r\n', detail: /too large/ },
  { title: 'a bare LF behind the size', raw: '5\nhello\r\n', detail: /not hexadecimal/ },
  { title: 'a bare CR behind the size', raw: '5\rhello\r\n', detail: /CR LF/ },
  { title: 'data that is longer than its size', raw: '5\r\nhello!\r\n', detail: /does not end/ },
  { title: 'data that ends with a bare LF', raw: '5\r\nhello\n0\r\n\r\n', detail: /does not end/ },
  { title: 'data that ends with a bare CR', raw: '5\r\nhello\r0\r\n\r\n', detail: /does not end/ },
  { title: 'a bare LF in an extension', raw: '5;a\nhello\r\n', detail: /extension/ },
  { title: 'a bare CR in an extension', raw: '5;a\rb\r\n', detail: /CR LF/ },
  { title: 'an extension without a name', raw: '5;\r\nhello\r\n', detail: /extension/ },
  { title: 'an extension without a value', raw: '5;a=\r\nhello\r\n', detail: /extension/ },
  { title: 'an extension with a blank', raw: '5; a=b\r\nhello\r\n', detail: /extension/ },
  { title: 'a quoted value with a control byte', raw: '5;a="\x01"\r\n', detail: /extension/ },
  { title: 'a quoted value with a line break', raw: '5;a="\r\n"\r\n', detail: /extension/ },
  { title: 'more behind a quoted value', raw: '5;a="b"c\r\n', detail: /extension/ },
  { title: 'an extension that is too long', raw: `1;${'a'.repeat(256)}\r\nx\r\n`, detail: /too long/ },
  {
    title: 'extensions that are too long together',
    raw: `1;${'a'.repeat(250)}\r\nx\r\n`.repeat(66),
    detail: /too long/,
  },
  { title: 'a bare LF behind the last chunk', raw: '0\r\n\n', detail: /CR LF/ },
  { title: 'a bare CR behind the last chunk', raw: '0\r\n\rx', detail: /CR LF/ },
  { title: 'a trailer that is folded', raw: '0\r\nA: 1\r\n 2\r\n\r\n', detail: /folded/ },
  { title: 'a trailer with white space before its colon', raw: '0\r\nA : 1\r\n\r\n', detail: /white space/ },
  { title: 'a trailer that is no field', raw: '0\r\nGET / HTTP/1.1\r\n\r\n', detail: /white space/ },
  {
    title: 'a trailer section over 8 KiB',
    raw: `0\r\nA: ${'x'.repeat(8192)}\r\n\r\n`,
    detail: /trailer section is too large/,
  },
  { title: 'too many trailers', raw: `0\r\n${'A: 1\r\n'.repeat(101)}\r\n`, detail: /trailer section is too large/ },
]

test('accepted chunked bodies, in pieces of every size', t => {
  for (const { title, raw, data, trailers = '' } of accepted) {
    const behind = `${raw}GET / HTTP/1.1\r\n`
    for (let piece = 1; piece <= behind.length; piece++) {
      const result = read(behind, piece)
      const same =
        result.outcome === 'done' && result.data === data && result.trailers === trailers && result.taken === raw.length
      if (!same)
        t.strictSame(
          result,
          { outcome: 'done', data, trailers, detail: '', taken: raw.length },
          `${title}, pieces of ${piece}`,
        )
    }
    t.strictSame(read(behind, behind.length), { outcome: 'done', data, trailers, detail: '', taken: raw.length }, title)
  }
  t.end()
})

test('refused chunked bodies, in pieces of every size', t => {
  for (const { title, raw, detail } of refused) {
    const whole = read(raw, raw.length)
    t.equal(whole.outcome, 'refused', title)
    t.match(whole.detail, detail, title)
    for (let piece = 1; piece < Math.min(raw.length, 300); piece++) {
      const result = read(raw, piece)
      if (result.detail !== whole.detail) t.strictSame(result, whole, `${title}, pieces of ${piece}`)
    }
  }
  t.end()
})

test('the largest chunk is waited for', t => {
  const reader = createChunkReader()
  t.equal(read('1fffffffffffff\r\nabc', 99, reader).outcome, 'more')
  t.equal(reader.remaining, Number.MAX_SAFE_INTEGER - 3)
  t.end()
})

test('data is not copied: it is told where it is', t => {
  const reader = createChunkReader()
  const bytes = Buffer.from('..5\r\nhello\r\n0\r\n\r\n')
  t.equal(readChunks(reader, bytes, 2, bytes.length), 'data')
  t.strictSame([reader.dataStart, reader.dataEnd, reader.at], [5, 10, 10])
  t.equal(readChunks(reader, bytes, reader.at, bytes.length), 'done')
  t.equal(reader.at, bytes.length)
  t.end()
})

test('one reader serves every body of its connection', t => {
  const reader = createChunkReader()
  for (const { raw, data, trailers = '', title } of [...accepted, ...accepted.toReversed()]) {
    resetChunkReader(reader)
    t.strictSame(read(raw, 3, reader), { outcome: 'done', data, trailers, detail: '', taken: raw.length }, title)
  }
  t.end()
})
