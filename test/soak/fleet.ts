/**
 * What heartbeats cost: a thousand gateways that beat every ten seconds through three replicas, each at the next replica in turn, for a
 * minute; then a tenth of them falls silent at once. Tells the processor time of Redis and of the replicas per beat, what Redis had to do,
 * and how long after the threshold each replica knew. Ends with exit status 1 when a replica does not find out:
 *
 *     node test/soak/fleet.ts --gateways 1000 --seconds 60
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { Agent, request } from 'undici'
import { Processes } from '../../bench/flow/processes.ts'
import { processorTime } from '../../bench/flow/processor.ts'
import { LAUNCHER } from '../support/launch.ts'
import { killRedis, spawnRedis } from '../support/redis.ts'
import { said } from './subject.ts'

const TOKEN = 'a-token-for-soaks'
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }
/** Ms. */
const INTERVAL = 10_000
const THRESHOLD = 30_000
/** Ms after the threshold in which every replica must know. */
const PATIENCE = 10_000
const MEMBERS = 250

const { values } = parseArgs({ options: { gateways: { type: 'string' }, seconds: { type: 'string' } } })
const [count, seconds] = [Number(values.gateways ?? 1_000), Number(values.seconds ?? 60)] as const
const names = Array.from({ length: count }, (_, i) => `g${i}`)

await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'gatepool-fleet-'))
stack.defer(() => rmSync(folder, { recursive: true, force: true }))
const socket = join(folder, 'redis.sock')
const redis = await spawnRedis([
  '--port',
  '0',
  '--unixsocket',
  socket,
  '--dir',
  folder,
  '--save',
  '',
  '--appendonly',
  'yes',
])
stack.defer(() => killRedis(redis))
const client = new Redis({ path: socket })
stack.defer(() => client.disconnect())
const agent = stack.use(withDispose(new Agent({ connections: 16 })))

const processes = stack.use(new Processes(false))
const replicas = await Promise.all(['a', 'b', 'c'].map(startReplica))
const pids = replicas.map(({ pid }) => pid)

let silent: ReadonlySet<string> = new Set()
let sent = 0
let failed = 0
const first = performance.now()
/** Beats that are due by now, evenly spread over the interval. */
const beating = setInterval(() => {
  for (; sent * (INTERVAL / count) <= performance.now() - first; sent++) {
    const gateway = names[sent % count] as string
    if (!silent.has(gateway)) void beat(gateway, replicas[sent % replicas.length] as Replica)
  }
}, 5)
stack.defer(() => clearInterval(beating))

console.log(`${count} gateways beat every ${INTERVAL / 1000} s through ${replicas.length} replicas`)
for (const replica of replicas) await reaches(replica, count, INTERVAL * 3)

const before = await spent()
const [sentBefore, failedBefore] = [sent, failed]
await pause(seconds * 1000)
const after = await spent()
const beats = sent - sentBefore
const per = (what: 'redis' | 'replicas') => ((after[what] - before[what]) / beats).toFixed(0)
console.log(
  `${beats} beats in ${seconds} s, ${failed - failedBefore} failed; µs a beat: Redis ${per('redis')}, the replicas together ${per('replicas')}; ` +
    `Redis did ${((after.commands - before.commands) / seconds).toFixed(0)} commands a second`,
)

silent = new Set(names.filter((_, i) => i % 10 === 0))
const fellSilent = performance.now()
const knew = await Promise.all(
  replicas.map(replica => reaches(replica, count - silent.size, INTERVAL + THRESHOLD + PATIENCE)),
)
const took = knew.map(at => ((at - fellSilent) / 1000).toFixed(1))
console.log(
  `${silent.size} fell silent at once, within the ${INTERVAL / 1000} s after their last beats; each replica knew the last of them after ${took.join(', ')} s ` +
    `(threshold ${THRESHOLD / 1000} s), ${(Math.max(...knew) - Math.min(...knew)).toFixed(0)} ms apart`,
)

interface Replica {
  readonly pid: number
  readonly admin: string
}

async function startReplica(name: string): Promise<Replica> {
  const file = join(folder, `${name}.yaml`)
  const pools = Array.from({ length: Math.ceil(count / MEMBERS) }, (_, i) =>
    names.slice(i * MEMBERS, (i + 1) * MEMBERS),
  )
  writeFileSync(
    file,
    `version: 1
cluster: fleet
replica: ${name}
store: { kind: redis, url: ${JSON.stringify(`redis://${socket}`)}, cache: ${JSON.stringify(join(folder, `${name}.db`))} }
admin: { listen: 127.0.0.1:0, token: ${TOKEN} }
logging: { level: error }
settings: { gateway_down_threshold: ${THRESHOLD}ms }
gateways:
${names.map(gateway => `  - { name: ${gateway}, address: 127.0.0.1, liveness: heartbeat }`).join('\n')}
pools:
${pools.map((members, i) => `  - { name: p${i}, mode: load_balancing, members: [${members.join(', ')}] }`).join('\n')}
`,
  )
  const running = await processes.start(
    { file: process.execPath, args: [LAUNCHER, 'run', '-c', file], env: { NODE_OPTIONS: '' } },
    '',
  )
  const [, admin = ''] = await said(running, /admin on (\S+:\d+)/)
  return { pid: running.pid, admin: `http://${admin}` }
}

async function beat(gateway: string, { admin }: Replica): Promise<void> {
  try {
    const { statusCode, body } = await request(`${admin}/api/v1/gateways/${gateway}/heartbeat`, {
      method: 'POST',
      dispatcher: agent,
      headers: { ...AUTHORIZED, 'content-type': 'application/json' },
      body: JSON.stringify({ instance: `${gateway}-1`, state: 'ready' }),
    })
    await body.dump()
    if (statusCode !== 200) failed++
  } catch {
    failed++
  }
}

/** When (ms) the replica first saw that many members up; throws after `most` ms. */
async function reaches({ admin }: Replica, up: number, most: number): Promise<number> {
  for (const start = performance.now(); performance.now() - start < most; await pause(100)) {
    const { body } = await request(`${admin}/metrics`, { dispatcher: agent, headers: AUTHORIZED })
    const lines = (await body.text()).matchAll(/^gatepool_member_up\{.*\} 1$/gm)
    if ([...lines].length === up) return performance.now()
  }
  throw new Error(`a replica did not see ${up} members up within ${most} ms`)
}

/** Processor time so far, µs, and what Redis was asked. */
async function spent(): Promise<{ redis: number; replicas: number; commands: number }> {
  const sum = (pid: number) => processorTime(pid).user + processorTime(pid).system
  const [, commands] = /total_commands_processed:(\d+)/.exec(await client.info('stats')) ?? []
  return {
    redis: sum(redis.pid ?? 0),
    replicas: pids.reduce((all, pid) => all + sum(pid), 0),
    commands: Number(commands),
  }
}

function withDispose(agent: Agent): Agent & AsyncDisposable {
  return Object.assign(agent, { [Symbol.asyncDispose]: () => agent.destroy() })
}
