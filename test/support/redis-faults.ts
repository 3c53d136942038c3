/** What can become of a Redis: real servers that are harmed while three replicas share them, and mended. */
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ErrorCode } from '../../src/errors.ts'
import type { Scope } from './launch.ts'
import { type RedisServer, startRedis } from './redis.ts'
import { CHOSEN_WITHIN, startCluster, startSentinel } from './redis-groups.ts'
import { CLUSTER } from './replicas.ts'
import { until } from './until.ts'

export interface RedisFault {
  /** Redis …, in words. */
  readonly title: string
  /** What changes by the API are refused with meanwhile: one of these. */
  readonly codes: readonly ErrorCode[]
  /** Starts Redis. What cannot be ended at will lasts `least` ms and a little. */
  start(t: Scope, least: number): Promise<Victim>
}

export interface Victim {
  /** For `store.url`. */
  readonly url: string
  begin(): Promise<unknown>
  /** Resolves once Redis could be used again. Absent: it can, at once. */
  readonly end?: (() => Promise<unknown>) | undefined
}

/** Of one server, which keeps what it has on its disk. */
function ofOne(
  title: string,
  codes: readonly ErrorCode[],
  {
    begin,
    end,
  }: {
    readonly begin: (redis: RedisServer) => Promise<unknown>
    readonly end?: (redis: RedisServer) => Promise<unknown>
  },
): RedisFault {
  return {
    title,
    codes,
    async start(t) {
      const redis = await startRedis(t, { appendonly: 'yes' })
      return { url: redis.url, begin: () => begin(redis), end: end && (() => end(redis)) }
    },
  }
}

/** What a server takes for each key that it loads, µs; it looks at its clients after each 1,024 of them. */
const LOAD_DELAY = 500
/** Ms that are enough to see what a fault does. */
const A_LITTLE = 6_000

export const REDIS_FAULTS: readonly RedisFault[] = [
  ofOne('is killed', ['store_unavailable'], { begin: redis => redis.kill(), end: redis => redis.start() }),
  ofOne('stands still', ['store_unavailable'], {
    begin: async redis => redis.pause(),
    end: async redis => redis.resume(),
  }),
  ofOne('only reads (`READONLY`)', ['store_unavailable'], {
    begin: redis => redis.client.call('REPLICAOF', '127.0.0.1', '1'),
    end: redis => redis.client.call('REPLICAOF', 'NO', 'ONE'),
  }),
  isLoading(),
  ofOne('is emptied', ['store_refilling'], { begin: redis => redis.client.flushall() }),
  ofOne('is replaced by an empty one', ['store_unavailable', 'store_refilling'], {
    async begin(redis) {
      await redis.kill()
      rmSync(join(dirname(redis.socket), 'appendonlydir'), { recursive: true })
      await redis.start()
    },
  }),
  {
    title: 'Cluster loses a master until it is started again',
    codes: ['store_unavailable'],
    async start(t) {
      const { url, masterOf } = await startCluster(t)
      const master = await masterOf(CLUSTER)
      return {
        url,
        begin: () => master.kill(),
        async end() {
          await master.start()
          await until('a whole Cluster', async () => /cluster_state:ok/.test(await master.client.cluster('INFO')))
        },
      }
    },
  },
  {
    title: 'loses its master, and a Sentinel names another',
    codes: ['store_unavailable'],
    async start(t, least) {
      const { url, master, replica } = await startSentinel(t, least + A_LITTLE)
      return {
        url,
        begin: () => master.kill(),
        end: () =>
          until(
            'another master',
            async () => /^role:master/m.test(await replica.client.info('replication')),
            CHOSEN_WITHIN,
          ),
      }
    },
  },
]

/** More of them, which are much like the others to a replica: only soaks have the time. */
export const MORE_REDIS_FAULTS: readonly RedisFault[] = [
  ofOne('misses its replicas (`NOREPLICAS`)', ['store_unavailable'], {
    begin: redis => redis.client.config('SET', 'min-replicas-to-write', '1'),
    end: redis => redis.client.config('SET', 'min-replicas-to-write', '0'),
  }),
  ofOne('is full (`OOM`)', ['store_unavailable'], {
    begin: redis => redis.client.config('SET', 'maxmemory', '1'),
    end: redis => redis.client.config('SET', 'maxmemory', '0'),
  }),
  ofOne('is another installation’s', ['store_foreign'], {
    async begin({ client }) {
      const elsewhere = client.duplicate({ db: 1 })
      await elsewhere.hset(`gatepool:{${CLUSTER}}:meta`, { generation: 'another', schema: 1, revision: 9 })
      elsewhere.disconnect()
      await client.call('SWAPDB', 0, 1)
    },
    end: ({ client }) => client.call('SWAPDB', 0, 1),
  }),
]

function isLoading(): RedisFault {
  return {
    title: 'is still `LOADING`',
    codes: ['store_unavailable'],
    async start(t, least) {
      const redis = await startRedis(t, { appendonly: 'yes', 'key-load-delay': String(LOAD_DELAY) })
      let loaded: Promise<void> | undefined
      return {
        url: redis.url,
        async begin() {
          const ballast = redis.client.pipeline()
          const keys = ((least + A_LITTLE) * 1_000) / LOAD_DELAY
          for (let n = 0; n < keys; n++) ballast.set(`ballast:${n}`, '')
          await ballast.exec()
          await redis.kill()
          loaded = redis.start()
        },
        end: async () => loaded,
      }
    },
  }
}
