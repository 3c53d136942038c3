/**
 * One end of a TCP connection in a test: it keeps every byte that came, and nothing is sent, read away or closed but on demand. The
 * messages it takes apart are taken apart by a few lines of its own, not by the readers under test.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Ms after which something that was awaited is taken to never come. */
const LONGEST_WAIT = 10_000

/** How the other side let go of the connection. */
export type Ending = 'open' | 'end' | 'reset' | 'gone'

export interface RawMessage {
  /** First line and fields as they came, with the empty line. */
  readonly head: string
  readonly startLine: string
  /** Of an answer; 0 of a request. */
  readonly status: number
  /** The body without its framing. */
  readonly body: string
  /** All of it, as it came. */
  readonly raw: string
  /** The value of a field, undefined when there is none; all values joined by commas when it is repeated. */
  field(name: string): string | undefined
}

/** `promise`, or an error that says what was waited for. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), LONGEST_WAIT)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks `holds` on every turn of the loop until it does. For what no event tells. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const start = performance.now()
  while (!holds()) {
    if (performance.now() - start > LONGEST_WAIT) throw new Error(`waited in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

/** Waits until `measure` has answered the same for a while: what was going on has come to rest. Answers that value. */
export async function rest(measure: () => number): Promise<number> {
  let last = measure()
  for (let same = 0; same < 12; same++) {
    await new Promise(resolve => setTimeout(resolve, 5))
    const now = measure()
    if (now !== last) same = 0
    last = now
  }
  return last
}

/** TCP connections of this process that are open; both ends count when both are here. */
export function openSockets(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
}

export class RawPeer {
  readonly socket: Socket
  ending: Ending = 'open'
  /** What came and was not taken by a reading call yet, as latin1. */
  unread = ''
  readonly #chunks: Buffer[] = []
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      this.#chunks.push(chunk as Buffer)
      this.unread += (chunk as Buffer).toString('latin1')
      this.#wake()
    })
    socket.on('end', () => this.#end('end'))
    socket.on('error', error => this.#end((error as NodeJS.ErrnoException).code === 'ECONNRESET' ? 'reset' : 'gone'))
    socket.on('close', () => this.#end('gone'))
  }

  /** A connection to a port of this host. */
  static async to(port: number): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    await within(once(socket, 'connect'), `a connection to port ${port}`)
    return new RawPeer(socket)
  }

  /** Everything that came, as latin1. */
  get received(): string {
    return Buffer.concat(this.#chunks).toString('latin1')
  }

  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Sends one byte after the other, each in a segment and a read of its own. */
  async dribble(text: string): Promise<void> {
    for (const character of text) {
      if (!this.socket.writable) return
      this.send(character)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Ends this side; the other may go on. */
  end(bytes?: string): void {
    if (bytes !== undefined) this.send(bytes)
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  close(): void {
    this.socket.destroy()
  }

  /** Waits for `text` and takes everything up to its end. */
  async text(text: string): Promise<string> {
    return this.take(() => {
      const at = this.unread.indexOf(text)
      return at < 0 ? undefined : at + text.length
    }, JSON.stringify(text))
  }

  /** A request, whole with its body. */
  request(): Promise<RawMessage> {
    return this.#message('request', false)
  }

  /** An answer, whole with its body; one of 1xx is an answer of its own. `toHead`: to a HEAD request. */
  answer({ toHead = false } = {}): Promise<RawMessage> {
    return this.#message('answer', toHead)
  }

  /** Waits until the other side has let go, and says how. */
  async ended(): Promise<Ending> {
    await this.#wait(() => this.ending !== 'open', 'the end of the connection')
    return this.ending
  }

  /** Waits until `measure` says how many of the unread characters to take. */
  async take(measure: () => number | undefined, what: string): Promise<string> {
    let length: number | undefined
    await this.#wait(() => {
      length = measure()
      return length !== undefined || this.ending !== 'open'
    }, what)
    if (length === undefined)
      throw new Error(`${this.ending} instead of ${what}, behind ${JSON.stringify(this.unread.slice(-200))}`)
    const taken = this.unread.slice(0, length)
    this.unread = this.unread.slice(length)
    return taken
  }

  async #message(kind: 'request' | 'answer', toHead: boolean): Promise<RawMessage> {
    const head = await this.text('\r\n\r\n')
    const [startLine = '', ...lines] = head.slice(0, -4).split('\r\n')
    const field = (name: string): string | undefined => {
      const own = lines.filter(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
      return own.length === 0 ? undefined : own.map(line => line.slice(name.length + 1).trim()).join(', ')
    }
    const status = kind === 'answer' ? Number(startLine.split(' ')[1]) : 0
    const length = field('content-length')
    const bodiless = toHead || (status > 0 && status < 200) || status === 204 || status === 304
    let framed = ''
    let body = ''
    if (bodiless) framed = ''
    else if (field('transfer-encoding') !== undefined) {
      for (;;) {
        const line = await this.text('\r\n')
        framed += line
        const size = Number.parseInt(line, 16)
        if (size === 0) break
        const data = await this.#exactly(size + 2)
        framed += data
        body += data.slice(0, size)
      }
      for (let line = ''; line !== '\r\n'; framed += line) line = await this.text('\r\n')
    } else if (length !== undefined) framed = body = await this.#exactly(Number(length))
    else if (kind === 'answer') {
      await this.ended()
      framed = body = await this.#exactly(this.unread.length)
    }
    return { head, startLine, status, body, raw: head + framed, field }
  }

  #exactly(length: number): Promise<string> {
    return this.take(() => (this.unread.length >= length ? length : undefined), `${length} bytes`)
  }

  #end(ending: Ending): void {
    if (this.ending === 'open' || (this.ending === 'end' && ending === 'reset')) this.ending = ending
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
  }

  async #wait(holds: () => boolean, what: string): Promise<void> {
    if (holds()) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const check = () => {
      if (holds()) resolve()
    }
    this.#waiting.add(check)
    try {
      await within(promise, `${what}; came: ${JSON.stringify(this.unread.slice(0, 300))}`)
    } finally {
      this.#waiting.delete(check)
    }
  }
}
