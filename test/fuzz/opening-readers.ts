/** Our readers of what TCP connections begin with, against themselves in pieces, and against others. */
import { isDeepStrictEqual } from 'node:util'
import { type Endpoint, readProxyHeader } from '../../src/traffic/proxy-protocol/read.ts'
import { type Awaited, Opening } from '../../src/traffic/tcp/opening.ts'
import { ClientHelloReader } from '../../src/traffic/tls/client-hello.ts'
import { createDice, type Dice } from '../support/dice.ts'
import { randomCuts } from './messages.ts'
import { damagedBytes, randomHello, randomProxyHeader, realHellos } from './opening-bytes.ts'
import { readByOpenssl } from './openssl-reads.ts'
import { oneForm, readByTheLetter } from './proxy-by-the-letter.ts'

export interface OpeningTally {
  openings: number
  /** How many were read whole, refused, or unfinished. */
  readonly headers: Record<string, number>
  readonly hellos: Record<string, number>
}

export const openingTally = (): OpeningTally => ({ openings: 0, headers: {}, hellos: {} })

const HELLOS = await realHellos()

/** Makes what this seed makes, and asks everybody. Words: on what they disagree. */
export async function compareOpening(tally: OpeningTally, seed: number): Promise<string | null> {
  const dice = createDice(seed)
  tally.openings++
  const words = dice.maybe(0.7) ? compareHeader(tally, dice) : await compareHello(tally, dice)
  return words ?? compareInPieces(dice)
}

const count = (counts: Record<string, number>, kind: string) => {
  counts[kind] = (counts[kind] ?? 0) + 1
}

const endpoint = ({ address, port }: Endpoint) => `${oneForm(address)} ${port}`

function compareHeader(tally: OpeningTally, dice: Dice): string | null {
  const whole = randomProxyHeader(dice)
  const header = dice.maybe(0.5) ? whole : damagedBytes(dice, whole)
  const bytes = dice.maybe(0.5) ? header : Buffer.concat([header, Buffer.from('what follows')])
  const reading = readProxyHeader(bytes)
  count(tally.headers, reading.kind)
  const ours =
    reading.kind === 'proxied'
      ? { ...reading, source: endpoint(reading.source), destination: endpoint(reading.destination) }
      : reading.kind === 'malformed'
        ? { kind: reading.kind }
        : reading
  const theirs = readByTheLetter(bytes)
  if (isDeepStrictEqual(ours, theirs)) return null
  return `${bytes.toString('hex')}: ${JSON.stringify(reading)}, by the letter ${JSON.stringify(theirs)}`
}

async function compareHello(tally: OpeningTally, dice: Dice): Promise<string | null> {
  const whole = randomHello(dice, HELLOS)
  const isDamaged = dice.maybe(0.7)
  const bytes = isDamaged ? damagedBytes(dice, whole) : whole
  const reading = new ClientHelloReader().read(bytes)
  const openssl = await readByOpenssl(bytes)
  count(tally.hellos, reading.kind)
  const wrong = () => `${bytes.toString('hex')}: ${JSON.stringify(reading)}, by OpenSSL ${JSON.stringify(openssl)}`
  if (!isDamaged && reading.kind !== 'hello') return wrong()
  // Stricter than OpenSSL we may be; whom we relay must be whom it serves.
  if (reading.kind === 'malformed') return null
  if (reading.kind === 'more') return openssl.sni !== undefined || openssl.alpn !== undefined ? wrong() : null
  const ourAlpn = reading.alpn.map(ascii)
  const { sni = reading.sni ?? undefined, alpn = ourAlpn } = openssl
  const name = sni?.toLowerCase().replace(/\.$/, '') ?? null
  return name === reading.sni && isDeepStrictEqual(alpn, ourAlpn) ? null : wrong()
}

/** As Node tells the protocols of a client: seven bits of each byte. */
const ascii = (text: string) => Buffer.from(text, 'latin1').toString('ascii')

/** A header, a hello and what follows, any of which may be missing or damaged. */
export function randomOpening(dice: Dice): Buffer {
  const parts = [
    ...(dice.maybe(0.9) ? [randomProxyHeader(dice)] : []),
    ...(dice.maybe(0.9) ? [randomHello(dice, HELLOS)] : []),
    ...(dice.maybe(0.5) ? [Buffer.from('what follows')] : []),
  ]
  return Buffer.concat(parts.map(part => (dice.maybe(0.15) ? damagedBytes(dice, part) : part)))
}

/** `bytes` up to each of `cuts`, which are in order. */
export function pieces(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [0, ...cuts.filter(cut => cut > 0 && cut < bytes.length), bytes.length]
  return places.slice(1).flatMap((to, i) => (to > (places[i] as number) ? [bytes.subarray(places[i], to)] : []))
}

export interface Opened {
  readonly awaits: Awaited
  readonly source: Endpoint | null
  readonly sni: string | null
  readonly alpn: readonly string[]
  /** All that goes on, in hex. */
  readonly rest: string
}

/** Read like what comes by a socket: whatever comes behind the end of the opening goes on. */
export function open(parts: readonly Buffer[]): Opened {
  const opening = new Opening(true, true)
  let awaits: Awaited = 'proxy'
  let left = 0
  for (const part of parts) {
    awaits = opening.read(part)
    left++
    if (awaits !== 'proxy' && awaits !== 'hello') break
  }
  const { source, sni, alpn, bytes } = opening
  const isDone = awaits === 'done'
  const rest = isDone ? Buffer.concat([bytes ?? Buffer.alloc(0), ...parts.slice(left)]).toString('hex') : ''
  return { awaits, source, sni, alpn, rest }
}

function compareInPieces(dice: Dice): string | null {
  const bytes = randomOpening(dice)
  const cuts = dice.maybe(0.1) ? Array.from(bytes, (_, i) => i) : randomCuts(dice, bytes.length)
  const whole = open([bytes])
  const inPieces = open(pieces(bytes, cuts))
  if (isDeepStrictEqual(whole, inPieces)) return null
  return `${bytes.toString('hex')} cut at ${cuts}: ${JSON.stringify(inPieces)}, whole ${JSON.stringify(whole)}`
}
