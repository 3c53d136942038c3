/** Redis as several servers: a Cluster of three masters, and a master with a replica that a Sentinel watches. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { folder } from './launch.ts'
import { killRedis, type RedisServer, spawnRedis, startRedis } from './redis.ts'
import { until } from './until.ts'

/** Ports on 127.0.0.1 that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  for (const server of servers) await once(server.close(), 'close')
  return ports
}

const onPort = (t: Test, port: number, settings: Readonly<Record<string, string>>): Promise<RedisServer> =>
  startRedis(t, { ...{ port: String(port), bind: '127.0.0.1', databases: '1' }, ...settings })

/** The address of a Cluster that has all its slots. */
export async function startCluster(t: Test): Promise<string> {
  const ports = await freePorts(6)
  const nodes = await Promise.all(
    [0, 1, 2].map(n => {
      const [port = 0, bus = 0] = [ports[n], ports[n + 3]]
      return onPort(t, port, { 'cluster-enabled': 'yes', 'cluster-port': String(bus), 'cluster-node-timeout': '1000' })
    }),
  )
  const [first] = nodes as [RedisServer]
  for (const [n, { client }] of nodes.entries()) {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', n * 5_461, n === 2 ? 16_383 : (n + 1) * 5_461 - 1)
    await first.client.call('CLUSTER', 'MEET', '127.0.0.1', ports[n] ?? 0, ports[n + 3] ?? 0)
  }
  for (const { client } of nodes) {
    const isWhole = async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok')
    await until('a whole Cluster', isWhole)
  }
  return `redis+cluster://${[0, 1, 2].map(n => `127.0.0.1:${ports[n]}`).join(',')}`
}

/** A master, and a replica of it that takes its place when it is killed. */
export async function startSentinel(t: Test): Promise<{ readonly url: string; readonly master: RedisServer }> {
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
sentinel down-after-milliseconds main 500
sentinel failover-timeout main 5000
`,
  )
  const sentinel = await spawnRedis([file, '--sentinel'])
  t.teardown(() => killRedis(sentinel))
  return { url: `redis+sentinel://127.0.0.1:${watching}/main`, master }
}
