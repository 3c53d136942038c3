/** The contract, kept by one of the stores: `contract-of.ts embedded|redis`. */
import { join } from 'node:path'
import { t } from 'tap'
import { realClock } from '../../src/clock.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { type Open, testContract } from '../store/contract.ts'
import { CLUSTER } from '../store/samples.ts'
import { folder } from '../support/launch.ts'
import { startRedis } from '../support/redis.ts'
import { storeIn } from '../support/redis-store.ts'

if (process.argv[2] === 'embedded') {
  testContract(t, t => {
    const path = join(folder(t), 'gatepool.db')
    return () => openEmbeddedStore({ path, cluster: CLUSTER, clock: realClock() })
  })
} else {
  const redis = await startRedis(t)
  let db = 0
  testContract(t, (): Open => {
    const url = `${redis.url}?db=${++db}`
    return () => storeIn(url)
  })
}
