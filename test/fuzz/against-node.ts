/**
 * Our readers against Node's parser, message by message. Two parsers that disagree about a message are a way to smuggle one, so whatever
 * our readers accept Node must read the same, as it came and as it is sent on, and where we say that it ends the next message must begin.
 * What comes in pieces must be read like what comes whole.
 */
import { METHODS } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import { createDice, type Dice } from '../support/dice.ts'
import { damaged, randomCuts, randomRequest, randomResponse } from './messages.ts'
import type { NodeParser } from './node-parser.ts'
import { type Accepted, type Message, type Reading, readRequest, readResponse } from './readings.ts'

export type Exception =
  /** Transfer-Encoding or Content-Length as a trailer: we drop it like every trailer that frames, Node refuses the message. */
  | 'framing_trailer'
  /** An interim answer that speaks of the connection: Node takes a `close` for the end at once, we only of the last answer. */
  | 'interim_connection'

export interface Tally {
  messages: number
  /** Accepted by us, and asked of Node. */
  compared: number
  /** Of these, how many were asked only as they are sent on. */
  readonly excepted: Record<Exception, number>
  refused: number
  incomplete: number
  /** Accepted by us with a method that Node does not know: it cannot say anything about them. */
  unknown: number
}

export interface Disagreement {
  /** Makes the same message again. */
  readonly seed: number
  readonly words: string
}

export function emptyTally(): Tally {
  return {
    messages: 0,
    compared: 0,
    excepted: { framing_trailer: 0, interim_connection: 0 },
    refused: 0,
    incomplete: 0,
    unknown: 0,
  }
}

/** Makes the message of this seed, asks both, and counts it. Null: they agree. */
export async function compareOne(node: NodeParser, tally: Tally, seed: number): Promise<Disagreement | null> {
  const dice = createDice(seed)
  tally.messages++
  const words = dice.maybe(0.5) ? await compareRequest(node, tally, dice) : await compareResponse(node, tally, dice)
  return words === null ? null : { seed, words }
}

/** What follows a message, to see where that ends. */
const NEXT = Buffer.from('GET /next HTTP/1.1\r\nHost: next.example\r\n\r\n')
const NEXT_MESSAGE: Message = { start: 'GET /next', fields: ['Host', 'next.example'], body: '', trailers: [] }

async function compareRequest(node: NodeParser, tally: Tally, dice: Dice): Promise<string | null> {
  const raw = damaged(dice, randomRequest(dice))
  const bytes = Buffer.from(raw, 'latin1')
  const ends = [...randomCuts(dice, bytes.length), bytes.length]
  const reading = readRequest(bytes, ends)
  const wrong = differs(raw, readRequest(bytes, [bytes.length]), reading)
  if (wrong !== null || !count(tally, reading)) return wrong
  const { messages, sentMessages, end, persistent, offersSwitch } = reading
  if (!METHODS.includes(messages[0]?.start.split(' ')[0] ?? '')) {
    tally.unknown++
    return null
  }
  tally.compared++
  const ask = async (what: string, message: Buffer, expected: readonly Message[], kept: boolean) => {
    const all = kept ? Buffer.concat([message, NEXT]) : message
    const wanted = kept ? [...expected, NEXT_MESSAGE] : expected
    const theirs = await node.requests(all, [...ends.filter(at => at < message.length), all.length], wanted.length)
    return isDeepStrictEqual(theirs, wanted) ? null : told(what, message, theirs, wanted)
  }
  const came = bytes.subarray(0, end)
  const sent = Buffer.from(reading.sent, 'latin1')
  // Nothing behind an offer to switch: one that Node declines makes it forget what came in the same read.
  const asItCame = excepted(tally, reading)
    ? null
    : await ask('a request as it came', came, messages, persistent && !offersSwitch)
  return asItCame ?? (await ask('a request as we send it on', sent, sentMessages, !offersSwitch))
}

async function compareResponse(node: NodeParser, tally: Tally, dice: Dice): Promise<string | null> {
  const made = randomResponse(dice)
  const raw = damaged(dice, made.raw)
  const bytes = Buffer.from(raw, 'latin1')
  const ends = [...randomCuts(dice, bytes.length), bytes.length]
  const reading = readResponse(bytes, ends, made.toHead)
  const wrong = differs(raw, readResponse(bytes, [bytes.length], made.toHead), reading)
  if (wrong !== null || !count(tally, reading)) return wrong
  tally.compared++
  const ask = async (what: string, message: Buffer, expected: readonly Message[]) => {
    const theirs = await node.responses(
      message,
      [...ends.filter(at => at < message.length), message.length],
      made.toHead,
    )
    return isDeepStrictEqual(theirs, expected) ? null : told(what, message, theirs, expected)
  }
  const came = bytes.subarray(0, reading.end)
  const sent = Buffer.from(reading.sent, 'latin1')
  const asItCame = excepted(tally, reading) ? null : await ask('an answer as it came', came, reading.messages)
  return asItCame ?? (await ask('an answer as we send it on', sent, reading.sentMessages))
}

/** Whether Node reads it otherwise as it came and we take it on purpose, since what it is about does not go on. */
function excepted(tally: Tally, { messages }: Accepted): boolean {
  let exception: Exception | null = null
  if (messages.some(({ trailers }) => hasField(trailers, FRAMING))) exception = 'framing_trailer'
  else if (messages.slice(0, -1).some(({ fields }) => hasField(fields, CONNECTION))) exception = 'interim_connection'
  if (exception !== null) tally.excepted[exception]++
  return exception !== null
}

const FRAMING = /^(transfer-encoding|content-length)$/i
const CONNECTION = /^connection$/i

function hasField(namesAndValues: readonly string[], name: RegExp): boolean {
  return namesAndValues.some((text, i) => i % 2 === 0 && name.test(text))
}

/** Only the chunks that are sent on may be others. */
function differs(raw: string, whole: Reading, inPieces: Reading): string | null {
  if (isDeepStrictEqual({ ...whole, sent: '' }, { ...inPieces, sent: '' })) return null
  return `of ${JSON.stringify(raw)}\nwe made, whole, ${JSON.stringify(whole)}\nbut in pieces   ${JSON.stringify(inPieces)}`
}

function count(tally: Tally, reading: Reading): reading is Accepted {
  if (reading.kind === 'refused') tally.refused++
  else if (reading.kind === 'more') tally.incomplete++
  return reading.kind === 'accepted'
}

function told(what: string, message: Buffer, theirs: unknown, ours: unknown): string {
  const text = JSON.stringify(message.toString('latin1'))
  return `of ${what}, ${text},\nNode made ${JSON.stringify(theirs)}\nwe made   ${JSON.stringify(ours)}`
}
