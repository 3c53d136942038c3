/**
 * Node's own parser, asked in this process and without a socket: an `http.Server` and `http.request` take any stream for a connection.
 */
import { createServer, type IncomingMessage, request } from 'node:http'
import { Duplex } from 'node:stream'
import type { Message } from './readings.ts'

/** Larger than any head that our readers take. */
const MOST_HEAD = 65_536
/** Ms after which nothing more will come: all that happens here takes a few turns of the loop. */
const PATIENCE = 500

/** A connection whose far end says what it was told to, piece by piece, and hears nothing. */
class Line extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done()
  }

  say(bytes: Buffer, ends: readonly number[]): void {
    let from = 0
    for (const to of ends) {
      if (to > from) this.push(bytes.subarray(from, to))
      from = to
    }
  }
}

export interface NodeParser {
  /** The requests that Node finds in `bytes`, or why it refuses them. */
  requests(bytes: Buffer, ends: readonly number[], expected: number): Promise<readonly Message[] | string>
  /** The answer to one request, interim ones first; undefined when there is none in the end. */
  responses(bytes: Buffer, ends: readonly number[], toHead: boolean): Promise<readonly Message[] | string | undefined>
}

export function nodeParser(): NodeParser {
  let seen: Message[] = []
  let failure: string | undefined
  let wake = () => {}
  const server = createServer({ maxHeaderSize: MOST_HEAD, keepAliveTimeout: 0 }, (message, response) => {
    void whole(message).then(body => {
      seen.push(messageOf(`${message.method} ${message.url}`, message, body))
      response.end()
      wake()
    }, fail)
  })
  const fail = (error: NodeJS.ErrnoException) => {
    failure ??= error.code ?? error.message
    wake()
  }
  server.on('clientError', (error, line) => {
    fail(error)
    line.destroy()
  })

  return {
    async requests(bytes, ends, expected) {
      seen = []
      failure = undefined
      const line = new Line()
      server.emit('connection', line)
      const enough = new Promise<void>(resolve => {
        wake = () => {
          if (failure !== undefined || seen.length >= expected) resolve()
        }
      })
      line.say(bytes, ends)
      await untilOr(enough)
      // With the end of the connection Node says whether something was left unfinished.
      const closed = new Promise(resolve => line.once('close', resolve))
      line.push(null)
      await untilOr(closed)
      line.destroy()
      return failure ?? seen
    },
    async responses(bytes, ends, toHead) {
      const line = new Line()
      const interim: Message[] = []
      const { promise, resolve } = Promise.withResolvers<readonly Message[] | string>()
      const asked = request({ createConnection: () => line, method: toHead ? 'HEAD' : 'GET', maxHeaderSize: MOST_HEAD })
      asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      asked.on('information', ({ statusCode, rawHeaders }) =>
        interim.push({ start: String(statusCode), fields: rawHeaders, body: '', trailers: [] }),
      )
      asked.on('upgrade', answer => {
        resolve([...interim, messageOf(String(answer.statusCode), answer, '')])
        line.destroy()
      })
      asked.on('response', answer => {
        whole(answer).then(
          body => resolve([...interim, messageOf(String(answer.statusCode), answer, body)]),
          (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message),
        )
      })
      asked.end()
      line.say(bytes, ends)
      line.push(null)
      return untilOr(promise)
    },
  }
}

function messageOf(start: string, { rawHeaders, rawTrailers }: IncomingMessage, body: string): Message {
  return { start, fields: rawHeaders, body, trailers: rawTrailers }
}

/** The body of a message; rejects when it was cut short. */
function whole(message: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let body = ''
    message.setEncoding('latin1')
    message.on('data', (text: string) => {
      body += text
    })
    message.on('end', () => resolve(body))
    message.on('error', reject)
  })
}

/** What `promise` brings, or nothing when that takes too long. */
async function untilOr<T>(promise: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), PATIENCE)
  const first = await Promise.race([promise, late])
  clearTimeout(timer)
  return first
}
