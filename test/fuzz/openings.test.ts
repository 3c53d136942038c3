/** A short run of what `test/fuzz/openings.ts` does for as long as one likes. */
import { test } from 'tap'
import { seed } from '../support/seed.ts'
import { compareOpening, openingTally } from './opening-readers.ts'
import { throughListener } from './opening-through.ts'

const OPENINGS = 3_000
const CONNECTIONS = 300

test(`${OPENINGS} random beginnings of connections: whole and in pieces, and to other readers, they are the same`, async t => {
  const tally = openingTally()
  for (let i = 0; i < OPENINGS; i++) {
    const words = await compareOpening(tally, (seed + i) | 0)
    if (words !== null) t.fail(`${words}\nagain: node test/fuzz/openings.ts --seconds 1 --seed ${(seed + i) | 0}`)
  }
  t.strictSame(Object.keys(tally.headers).sort(), ['local', 'malformed', 'more', 'proxied'])
  t.strictSame(Object.keys(tally.hellos).sort(), ['hello', 'malformed', 'more'])
})

test(`${CONNECTIONS} of them through a listener: what is whole arrives as it was, the rest is closed, nothing hangs`, async t => {
  const wrong: string[] = []
  const isOver = (number: number) => number >= CONNECTIONS || wrong.length > 0
  const { relayed } = await throughListener({ seed, isOver, onWrong: words => wrong.push(words) })
  t.strictSame(wrong, [], `seed ${seed}`)
  t.ok(relayed > CONNECTIONS / 4, `${relayed} were relayed`)
})
