/** A short run of what `test/fuzz/http.ts` does for as long as one likes. */
import { test } from 'tap'
import { seed } from '../support/seed.ts'
import { compareOne, type Disagreement, emptyTally } from './against-node.ts'
import { nodeParser } from './node-parser.ts'
import { Through } from './through.ts'
import { nodeUpstream } from './upstreams.ts'

const MESSAGES = 5_000
const THROUGH = 500

test(`${MESSAGES} random messages: what our readers accept, in pieces or whole, Node reads the same`, async t => {
  const node = nodeParser()
  const tally = emptyTally()
  let found: Disagreement | null = null
  for (let i = 0; i < MESSAGES && found === null; i++) found = await compareOne(node, tally, (seed + i) | 0)
  t.equal(found?.words ?? null, null, `again: node test/fuzz/http.ts --messages 1 --seed ${found?.seed ?? seed}`)
  t.ok(tally.compared > MESSAGES / 4, `${tally.compared} were accepted and compared`)
})

test(`${THROUGH} random messages through the proxy: as many requests reach the upstream as are counted`, async t => {
  await using upstream = await nodeUpstream()
  await using proxy = await Through.to(upstream)
  t.equal(await proxy.run(THROUGH, seed), null, `seed ${seed}`)
  t.ok(proxy.counts.whole > THROUGH / 10, `${proxy.counts.whole} requests reached it`)
})
