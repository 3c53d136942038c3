/**
 * TCP and UDP at full size: a storm of connects and ten thousand pairs of datagrams through the death of a member, and a gibibyte both ways.
 * Ends with exit status 1 when a connect fails, when more datagrams are lost than there are clients, or when a byte is another:
 *
 *     node test/soak/l4.ts --rate 500 --seconds 10 --pairs 10000 --mebibytes 1024
 */
import { parseArgs } from 'node:util'
import { connectStorm, datagramPairs, transfers } from '../support/l4-stories.ts'

const CLIENTS = 50
const { values } = parseArgs({
  options: {
    rate: { type: 'string' },
    seconds: { type: 'string' },
    pairs: { type: 'string' },
    mebibytes: { type: 'string' },
  },
})
const [rate, seconds, pairs, mebibytes] = [
  Number(values.rate ?? 500),
  Number(values.seconds ?? 10),
  Number(values.pairs ?? 10_000),
  Number(values.mebibytes ?? 1024),
] as const

const storm = await connectStorm({ rate, seconds })
console.log(
  `storm: ${storm.total} connects, ${storm.failed} failed, ${storm.cut} were open when their member was killed`,
)
const udp = await datagramPairs({ pairs, clients: CLIENTS })
console.log(`pairs: ${udp.done} of ${udp.pairs}, ${udp.lost} lost, ${udp.stuck} of ${CLIENTS} clients stuck`)
const start = performance.now()
const { wrong } = await transfers({ bytes: mebibytes * 1024 * 1024, connections: 16 })
const took = (performance.now() - start) / 1000
const memory = (process.memoryUsage().rss / 1024 / 1024).toFixed(0)
console.log(
  `transfers: ${mebibytes} MiB both ways in ${took.toFixed(0)} s, ${wrong.length} wrong, ${memory} MiB resident`,
)
for (const text of wrong) console.error(text)
process.exitCode = storm.failed + udp.stuck + wrong.length > 0 || udp.lost > CLIENTS ? 1 : 0
