/**
 * One active check, made once: a request and its answer, or a connection and perhaps an exchange of text.
 */
import { connect } from 'node:net'
import { Agent, request } from 'undici'
import type { ActiveCheck } from '../core/checks.ts'

/** Bytes of an answer in which the expected text has to come. */
const MOST_ANSWER = 64 * 1024
/** Characters of an error's words that are kept. */
const MOST_SAID = 120

export interface CheckResult {
  readonly passed: boolean
  /** What it met, in words. */
  readonly said: string
}

export interface Place {
  readonly address: string
  readonly port: number
}

/** Makes `check` at `place`. Never rejects; ends within the check's timeout, or when `signal` fires. */
export async function runCheck(
  check: ActiveCheck,
  { address, port }: Place,
  signal: AbortSignal,
): Promise<CheckResult> {
  const place = { address, port: check.port ?? port }
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(check.timeout)])
  try {
    return check.kind === 'http' ? await ask(check, place, inTime) : await talk(check, place, inTime)
  } catch (error) {
    return { passed: false, said: inTime.aborted ? 'no answer in time' : words(error) }
  }
}

type Of<Kind extends ActiveCheck['kind']> = Extract<ActiveCheck, { kind: Kind }>

async function ask(check: Of<'http'>, { address, port }: Place, signal: AbortSignal): Promise<CheckResult> {
  // A connection of its own for each check: one that is open already would not show that a new one can be had.
  const dispatcher = new Agent({ pipelining: 0, maxHeaderSize: MOST_ANSWER })
  try {
    const host = address.includes(':') ? `[${address}]` : address
    const { statusCode, body } = await request(`http://${host}:${port}${check.path}`, {
      method: check.method,
      headers: { host: check.host ?? `${host}:${port}`, 'user-agent': 'gatepool' },
      dispatcher,
      signal,
    })
    body.on('error', () => undefined)
    const { expect_status: expected, expect_body: text } = check
    const passed = expected.length > 0 ? expected.includes(statusCode) : statusCode >= 200 && statusCode < 400
    if (!passed) return { passed, said: `status ${statusCode}` }
    if (text === undefined) return { passed, said: `status ${statusCode}` }
    const found = await holds(body, text)
    return { passed: found, said: found ? `status ${statusCode}, with the text` : 'the text is not in the body' }
  } finally {
    void dispatcher.destroy()
  }
}

async function talk(check: Of<'tcp'>, { address, port }: Place, signal: AbortSignal): Promise<CheckResult> {
  const socket = connect({ host: address, port, signal })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve())
      socket.once('error', reject)
    })
    socket.on('error', () => undefined)
    if (check.send !== undefined) socket.write(check.send)
    if (check.expect === undefined) return { passed: true, said: 'connected' }
    const found = await holds(socket, check.expect)
    return { passed: found, said: found ? 'the text came' : 'the text did not come' }
  } finally {
    socket.destroy()
  }
}

/** Does `text` come within the first part of a stream? */
async function holds(stream: AsyncIterable<Buffer>, text: string): Promise<boolean> {
  let read = Buffer.alloc(0)
  for await (const chunk of stream) {
    read = Buffer.concat([read, chunk]).subarray(0, MOST_ANSWER)
    if (read.includes(text)) return true
    if (read.length >= MOST_ANSWER) return false
  }
  return false
}

function words(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  return (code ?? String(error)).slice(0, MOST_SAID)
}
