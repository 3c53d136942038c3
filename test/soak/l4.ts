/**
 * TCP and UDP at full size: a storm of connects and ten thousand pairs of datagrams through the death of a member, and a gibibyte both ways,
 * past readers that stall. Ends with exit status 1 when a connect fails, when more datagrams are lost than there are clients, when a byte is
 * another, or when the process grows by 128 MiB or more:
 *
 *     node test/soak/l4.ts --rate 500 --seconds 10 --pairs 10000 --mebibytes 1024
 */
import { parseArgs } from 'node:util'
import { connectStorm, datagramPairs } from '../support/l4-stories.ts'
import { seed } from '../support/seed.ts'
import { transfers } from '../support/transfers.ts'

const CLIENTS = 50
/** Transfers at once, and how many of their readers stall. */
const CONNECTIONS = 32
const STALLED = 8
/** MiB by which the process may grow. */
const MOST_GROWTH = 128
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

const MIB = 1024 * 1024
const start = performance.now()
const moved = await transfers({ bytes: mebibytes * MIB, connections: CONNECTIONS, stalled: STALLED, seed })
const took = (performance.now() - start) / 1000
const { wrong, before } = moved
const grown = (size: number) => Math.round((size - before) / MIB)
console.log(
  `transfers from seed ${seed}: ${mebibytes} MiB each way in ${took.toFixed(0)} s, ${wrong.length} of ${CONNECTIONS} connections wrong; ` +
    `resident memory ${(before / MIB).toFixed(0)} MiB, ${grown(moved.stalled)} MiB more with ${STALLED} readers stalled, ${grown(moved.largest)} MiB at most`,
)
for (const text of wrong) console.error(text)
const isTooLarge = grown(moved.largest) >= MOST_GROWTH
if (isTooLarge) console.error('too much memory')
process.exitCode = isTooLarge || storm.failed + udp.stuck + wrong.length > 0 || udp.lost > CLIENTS ? 1 : 0
