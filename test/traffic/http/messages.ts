/** What the comparisons with Node's parser share: random bodies, random damage, and a message taken apart. */
import fc from 'fast-check'
import { chunkLine, createChunkReader, LAST_CHUNK, readChunks } from '../../../src/traffic/http/chunks.ts'

/** Data that looks like framing. */
export const text = fc.string({ unit: fc.constantFrom(...'ab0\r\n;:\x00\xff'), maxLength: 20 })

const extension = fc.constantFrom('', '', ';a', ';a=b', ';a="b;\\"c"', ';a;b')
const trailers = fc.constantFrom('', 'A: 1\r\n', 'Host: x\r\nB: 2\r\n')

/** A field that says how the body is framed, and the body. */
export const framedBody = fc.oneof(
  text.map(body => ({ field: `Content-Length: ${body.length}`, body })),
  fc.tuple(fc.array(fc.tuple(text, extension, fc.nat(2)), { maxLength: 3 }), trailers).map(([chunks, trailers]) => {
    const framed = chunks
      .filter(([data]) => data !== '')
      .map(([data, extension, zeros]) => `${'0'.repeat(zeros)}${data.length.toString(16)}${extension}\r\n${data}\r\n`)
    return { field: 'Transfer-Encoding: chunked', body: `${framed.join('')}0\r\n${trailers}\r\n` }
  }),
)

/** A head with its fields turned round, so that each comes first and last at times. */
export function assemble(startLine: string, fields: readonly string[], turn: number, body: string): string {
  const at = turn % fields.length
  return `${startLine}\r\n${[...fields.slice(at), ...fields.slice(0, at)].join('\r\n')}\r\n\r\n${body}`
}

const damage = fc.record({
  at: fc.nat(400),
  remove: fc.nat(2),
  insert: fc.string({ unit: fc.constantFrom(...'\0\t\n\v\r :;,=0aX_"\x7f\x80'), maxLength: 2 }),
})

/** Messages with up to two bytes removed and inserted at up to two places. */
export function damaged(message: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(message, fc.array(damage, { maxLength: 2 })).map(([message, damages]) =>
    damages.reduce((raw, { at, remove, insert }) => {
      const place = at % raw.length
      return raw.slice(0, place) + insert + raw.slice(place + remove)
    }, message),
  )
}

export interface Body {
  readonly length: number
  /** Where it ends in the message. */
  readonly end: number
  /** The body as we would frame it. */
  readonly forwarded: string
}

/** A body of so many bytes; undefined when it is not all there. */
export function sizedBody(raw: string, at: number, length: number): Body | undefined {
  const end = at + length
  return end > raw.length ? undefined : { length, end, forwarded: raw.slice(at, end) }
}

/** A chunked body; undefined when it is refused or not all there. */
export function chunkedBody(raw: string, start: number): Body | undefined {
  const bytes = Buffer.from(raw, 'latin1')
  const chunks = createChunkReader()
  let length = 0
  let forwarded = ''
  for (let at = start; ; at = chunks.at) {
    const progress = readChunks(chunks, bytes, at, bytes.length)
    if (progress === 'done')
      return { length, end: chunks.at, forwarded: `${forwarded}${LAST_CHUNK}${chunks.trailers}\r\n` }
    if (progress !== 'data') return undefined
    const data = bytes.toString('latin1', chunks.dataStart, chunks.dataEnd)
    forwarded += `${chunkLine(data.length)}${data}\r\n`
    length += data.length
  }
}

/** The names and values of the field lines of a head, in turn. */
export function fieldsOf(head: string): string[] {
  const [, ...lines] = head.slice(0, head.indexOf('\r\n\r\n')).replace(/^\r\n/, '').split('\r\n')
  return lines.flatMap(line => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]
  })
}
