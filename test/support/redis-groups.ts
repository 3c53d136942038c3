/** Redis as several servers: a Cluster of three masters, and a master with a replica that a Sentinel watches. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePorts } from '../../bench/flow/ports.ts'
import { folder, type Scope } from './launch.ts'
import { killRedis, type RedisServer, spawnRedis, startRedis } from './redis.ts'
import { until } from './until.ts'

/** How many slots each of three masters has; the last one takes what is left. */
const SHARE = 5_461

const onPort = (t: Scope, port: number, settings: Readonly<Record<string, string>>): Promise<RedisServer> =>
  startRedis(t, { ...{ port: String(port), bind: '127.0.0.1', databases: '1' }, ...settings })

export interface TestCluster {
  readonly url: string
  /** The master that has what belongs to a gatepool cluster. */
  masterOf(cluster: string): Promise<RedisServer>
}

/** A Cluster of three masters that has all its slots, and keeps what it has on its disks. */
export async function startCluster(t: Scope): Promise<TestCluster> {
  const ports = await freePorts(6)
  const nodes = await Promise.all(
    [0, 1, 2].map(n => {
      const [port = 0, bus = 0] = [ports[n], ports[n + 3]]
      const settings = { 'cluster-enabled': 'yes', 'cluster-port': String(bus), 'cluster-node-timeout': '1000' }
      return onPort(t, port, { ...settings, appendonly: 'yes' })
    }),
  )
  const [first] = nodes as [RedisServer]
  for (const [n, { client }] of nodes.entries()) {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', n * SHARE, n === 2 ? 16_383 : (n + 1) * SHARE - 1)
    await first.client.call('CLUSTER', 'MEET', '127.0.0.1', ports[n] ?? 0, ports[n + 3] ?? 0)
  }
  for (const { client } of nodes) {
    const isWhole = async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok')
    await until('a whole Cluster', isWhole)
  }
  return {
    url: `redis+cluster://${[0, 1, 2].map(n => `127.0.0.1:${ports[n]}`).join(',')}`,
    async masterOf(cluster) {
      const slot = Number(await first.client.call('CLUSTER', 'KEYSLOT', `gatepool:{${cluster}}:meta`))
      return nodes[Math.min(2, Math.floor(slot / SHARE))] ?? first
    },
  }
}

/** Ms in which it has chosen. A Sentinel that was not run for two seconds, or whose clock jumped, does nothing for half a minute (TILT). */
export const CHOSEN_WITHIN = 90_000

/** A master, and a replica of it that takes its place once it was away for `downAfter` ms. */
export async function startSentinel(
  t: Scope,
  downAfter = 500,
): Promise<{ readonly url: string; readonly master: RedisServer; readonly replica: RedisServer }> {
  const [port = 0, second = 0, watching = 0] = await freePorts(3)
  const master = await onPort(t, port, { 'repl-diskless-sync-delay': '0' })
  const replica = await onPort(t, second, { replicaof: `127.0.0.1 ${port}` })
  await until('a replica that follows', async () =>
    (await replica.client.info('replication')).includes('master_link_status:up'),
  )
  const file = join(folder(t), 'sentinel.conf')
  writeFileSync(
    file,
    `port ${watching}
bind 127.0.0.1
sentinel monitor main 127.0.0.1 ${port} 1
sentinel down-after-milliseconds main ${downAfter}
sentinel failover-timeout main 5000
`,
  )
  const sentinel = await spawnRedis([file, '--sentinel'])
  t.teardown(() => killRedis(sentinel))
  const client = new Redis({ port: watching, commandTimeout: 20_000 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  // One that it has not looked at yet it would not choose, and it takes its time before it tries again.
  await until('a Sentinel that knows the replica', async () =>
    String(await client.call('SENTINEL', 'REPLICAS', 'main')).includes('master-link-status,ok'),
  )
  return { url: `redis+sentinel://127.0.0.1:${watching}/main`, master, replica }
}
