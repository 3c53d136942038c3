import { realClock } from '../../src/clock.ts'
import type { SharedStore, Store } from '../../src/core/store.ts'
import { openRedisStore } from '../../src/store/redis/redis.ts'
import { CLUSTER } from '../store/samples.ts'
import { until } from './until.ts'

/** Opens the store at `url` and waits until it answers. */
export async function storeIn(url: string, replica = 'a'): Promise<SharedStore> {
  const store = openRedisStore({ url, cluster: CLUSTER, replica, cache: null, clock: realClock(), random: Math.random })
  await back(store)
  return store
}

/** Resolves once the store answers (again). */
export async function back(store: Store): Promise<void> {
  await until('an answer of the store', () =>
    store.read().then(
      () => true,
      () => false,
    ),
  )
}

/** Listens from now on; each call of what it answers resolves once there was news since the last one. The first is that it can listen. */
export function newsOf(store: SharedStore): () => Promise<void> {
  let came = 0
  let heard = 0
  store.onNews(() => came++)
  return async () => {
    await until('news', async () => came > heard)
    heard = came
  }
}
