/**
 * What TCP connections begin with (a PROXY header, a ClientHello), random and damaged: read whole and in pieces by our readers, by a second
 * reader of PROXY headers and by OpenSSL, and through a running listener. Ends with exit status 1 when two of them disagree, or when a
 * connection hangs:
 *
 *     node test/fuzz/openings.ts --seconds 60 --seed 42
 */
import { parseArgs } from 'node:util'
import { seed as drawn } from '../support/seed.ts'
import { compareOpening, openingTally } from './opening-readers.ts'
import { throughListener } from './opening-through.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } })
const seconds = Number(values.seconds ?? 60)
const seed = Number(values.seed ?? drawn)
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: node test/fuzz/openings.ts [--seconds N] [--seed N]')
  process.exit(2)
}

/** Disagreements after which it is clear enough. */
const MOST = 10
let disagreements = 0

function tell(words: string | null, number: number): void {
  if (words === null) return
  disagreements++
  console.error(`${words}\nagain: node test/fuzz/openings.ts --seconds 1 --seed ${number}\n`)
}

const tally = openingTally()
const half = (seconds * 1000) / 2
const start = performance.now()
for (let i = 0; performance.now() - start < half && disagreements < MOST; i++) {
  tell(await compareOpening(tally, (seed + i) | 0), (seed + i) | 0)
}
console.log(`readers, from seed ${seed}:`, tally)
const counts = await throughListener({
  seed,
  isOver: number => performance.now() - start > 2 * half || number > 1_000_000,
  onWrong: (words, number) => tell(words, number),
})
console.log(`through a listener, from seed ${seed}:`, counts)
console.log(`${disagreements} disagreements`)
if (disagreements > 0) process.exitCode = 1
