/**
 * Random HTTP messages against our readers and Node's parser, and through the whole proxy to Node, nginx and HAProxy where they are
 * installed. Ends with exit status 1 when two of them disagree:
 *
 *     node test/fuzz/http.ts --messages 2000000 --through 100000 --seed 42
 */
import { parseArgs } from 'node:util'
import { seed as drawn } from '../support/seed.ts'
import { compareOne, emptyTally } from './against-node.ts'
import { nodeParser } from './node-parser.ts'
import { Through } from './through.ts'
import { nodeUpstream, upstreamBehind } from './upstreams.ts'

/** Disagreements after which it is clear enough. */
const MOST = 10

const { values } = parseArgs({
  options: { messages: { type: 'string' }, through: { type: 'string' }, seed: { type: 'string' } },
})
const messages = Number(values.messages ?? 50_000)
const through = Number(values.through ?? 5_000)
const seed = Number(values.seed ?? drawn)
if (![messages, through].every(number => Number.isSafeInteger(number) && number >= 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: node test/fuzz/http.ts [--messages N] [--through N] [--seed N]')
  process.exit(2)
}

let disagreements = 0

async function againstNode(): Promise<void> {
  const node = nodeParser()
  const tally = emptyTally()
  const startedAt = performance.now()
  for (let i = 0; i < messages && disagreements < MOST; i++) {
    const found = await compareOne(node, tally, (seed + i) | 0)
    if (found === null) continue
    disagreements++
    console.error(`${found.words}\nagain: node test/fuzz/http.ts --messages 1 --through 0 --seed ${found.seed}\n`)
  }
  console.log(`readers, from seed ${seed}: ${rate(messages, startedAt)}`, tally)
}

async function throughProxy(): Promise<void> {
  for (const name of ['Node', 'nginx', 'haproxy'] as const) {
    await using upstream = name === 'Node' ? await nodeUpstream() : await upstreamBehind(name)
    if (upstream === undefined) {
      console.log(`${name} is not installed here and was left out`)
      continue
    }
    await using proxy = await Through.to(upstream)
    const startedAt = performance.now()
    const words = await proxy.run(through, seed)
    if (words !== null) {
      disagreements++
      console.error(words)
    }
    console.log(`through the proxy, from seed ${seed}: ${rate(proxy.counts.messages, startedAt)}`, proxy.counts)
  }
}

function rate(count: number, startedAt: number): string {
  const seconds = (performance.now() - startedAt) / 1_000
  return `${count} messages in ${seconds.toFixed(1)} s, ${Math.round(count / seconds)}/s`
}

if (messages > 0) await againstNode()
if (through > 0) await throughProxy()
console.log(`${disagreements} disagreements`)
if (disagreements > 0) process.exitCode = 1
