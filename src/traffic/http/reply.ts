/**
 * An upstream's answer on its way to the client: framed anew in what the client can read, small parts gathered so that they leave
 * together, and nobody waited for without end who takes nothing of it.
 */
import { PAUSE, type Poured, pour, SMALL_PART, TAKEN } from '../pour.ts'
import { CHUNK_END, chunkLine, LAST_CHUNK } from './chunks.ts'
import type { ClientConnection } from './client.ts'
import { type FieldChanges, withoutDropped } from './field-changes.ts'
import type { HttpListener } from './listener.ts'
import type { ResponseHead } from './response-head.ts'
import { downstreamResponseHead, framingFor } from './write-head.ts'

const NOTHING = Buffer.alloc(0)

export class Reply {
  /** Of the answer that began last. */
  status = 0

  readonly #client: ClientConnection
  readonly #listener: HttpListener
  #framing: ResponseHead['body'] = 'none'
  #changes: FieldChanges | null = null
  /** What waits to be written: the head leaves with the first bytes of the body, small chunks with each other. */
  #unwritten = ''

  constructor(client: ClientConnection, listener: HttpListener) {
    this.#client = client
    this.#listener = listener
  }

  /** Settles how a client of HTTP/1.`minor` gets the body. True: it ends when we close. */
  frame(head: ResponseHead, minor: number): boolean {
    this.status = head.status
    this.#framing = framingFor(head, minor)
    return this.#framing === 'close'
  }

  /** The head, after `frame`. `connection`: what to say about the connection, '' for nothing; `changes` of the route; `line`: one more field. */
  begin(head: ResponseHead, connection: '' | 'close' | 'keep-alive', changes: FieldChanges | null, line: string): void {
    this.#changes = changes
    this.#unwritten = downstreamResponseHead(head, this.#framing, connection, changes, line)
  }

  /** Body bytes `[from, to)`. */
  body(bytes: Buffer, from: number, to: number): Poured {
    if (this.#framing !== 'chunked') return this.#pour(bytes, from, to, '')
    this.#unwritten += chunkLine(to - from)
    if (to - from > SMALL_PART) return this.#pour(bytes, from, to, CHUNK_END)
    // Small chunks are gathered until all of a read is through.
    this.#unwritten += bytes.toString('latin1', from, to) + CHUNK_END
    return TAKEN
  }

  /** What was gathered has to leave. */
  flush(): Poured {
    return this.#unwritten === '' ? TAKEN : this.#pour(NOTHING, 0, 0, '')
  }

  /** The answer is whole. `trailers`: field lines, each with its CR LF. */
  end(trailers: string): void {
    if (this.#framing === 'chunked') this.#unwritten += `${LAST_CHUNK}${withoutDropped(trailers, this.#changes)}\r\n`
    this.flush()
  }

  /** Writes what was gathered, and `bytes[from, to)` behind it. */
  #pour(bytes: Buffer, from: number, to: number, after: string): Poured {
    const before = this.#unwritten
    this.#unwritten = ''
    const poured = pour(this.#client.socket, before, bytes, from, to, after)
    // Whoever takes nothing of its answer is not waited for without end.
    if ((poured & PAUSE) !== 0) this.#client.arm(this.#listener.limits.body_timeout)
    return poured
  }
}
