/**
 * What heartbeats cost: a thousand gateways that beat every ten seconds through three replicas, for a minute; then a tenth of them falls
 * silent at once. Each gateway is an agent as it should be: it has a token of its own, stays with its replica, and keeps its connection
 * (`--fresh`: a new one for each beat). Tells the processor time, user and system of all threads, of Redis and of the replicas per beat; what
 * of it they spend when nobody beats; what Redis had to do; and how long after the threshold each replica knew. Before anything is measured they
 * beat ten times as fast for `--warm-up` seconds, since a replica that has just started compiles what one that runs has compiled long ago. Ends
 * with exit status 1 when a replica does not find out:
 *
 *     node test/soak/fleet.ts --gateways 1000 --seconds 60 --warm-up 30
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { Agent, Client, request } from 'undici'
import { Processes } from '../../bench/flow/processes.ts'
import { processorTime } from '../../bench/flow/processor.ts'
import { LAUNCHER } from '../support/launch.ts'
import { killRedis, spawnRedis } from '../support/redis.ts'
import { said } from './subject.ts'

const TOKEN = 'a-token-for-soaks'
const ADMINISTRATOR = { authorization: `Bearer ${TOKEN}` }
/** Ms. */
const INTERVAL = 10_000
const THRESHOLD = 30_000
/** Ms after the threshold in which every replica must know, and until they share a store. */
const PATIENCE = 10_000
const MEMBERS = 250
/** How much faster they beat to warm up. */
const HASTE = 10
/** Seconds in which nobody beats: short enough that nobody is missed. */
const IDLE = 15
/** Ms after a change of pace before anything is measured. */
const SETTLE = 2_000

const { values } = parseArgs({
  options: {
    gateways: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '60' },
    'warm-up': { type: 'string', default: '30' },
    fresh: { type: 'boolean', default: false },
  },
})
const [count, seconds, warmUp] = [Number(values.gateways), Number(values.seconds), Number(values['warm-up'])] as const
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
const administrator = stack.use(withDispose(new Agent({ connections: 4 })))

const processes = stack.use(new Processes(false))
const replicas = await Promise.all([startReplica('a'), startReplica('b'), startReplica('c')])
const pids = replicas.map(({ pid }) => pid)
const gateways: readonly Gateway[] = await Promise.all(names.map(startGateway))

let silent: ReadonlySet<Gateway> = new Set()
let sent = 0
let failed = 0
let underWay = 0
let pace = 1
let last = performance.now()
let owed = 0
/** Beats that are due by now, evenly spread over the interval. */
const beating = setInterval(() => {
  const now = performance.now()
  owed += ((now - last) * pace * count) / INTERVAL
  last = now
  for (; owed >= 1; owed--) {
    const gateway = gateways[sent++ % count] as Gateway
    // A machine that is too busy for the haste is not given more than it can take.
    if (!silent.has(gateway) && underWay < count) void beat(gateway)
  }
}, 5)
stack.defer(() => clearInterval(beating))

console.log(`${count} gateways beat every ${INTERVAL / 1000} s through ${replicas.length} replicas`)
for (const replica of replicas) await reaches(replica, count, INTERVAL * 6)
pace = HASTE
await pause(warmUp * 1000)
pace = 0
while (underWay > 0) await pause(100)
await pause(SETTLE)
const idle = await spentIn(IDLE)
pace = 1
await pause(SETTLE)
const failedBefore = failed
const busy = await spentIn(seconds)
const { beats } = busy
const perBeat = (time: number) => ((time * seconds) / beats).toFixed(0)
console.log(
  `${beats} beats in ${seconds} s, ${failed - failedBefore} failed, ${values.fresh ? 'each on a new connection' : 'on connections that are kept'}; ` +
    `processor time a beat: ${perBeat(busy.redis + busy.replicas)} µs, of it Redis ${perBeat(busy.redis)}, the replicas together ${perBeat(busy.replicas)}`,
)
console.log(`${cpus().length} cores; load ${loadavg()[0]?.toFixed(1)}, of which all this is about 0.2`)
console.log(
  `of that without any beat: Redis ${perBeat(idle.redis)}, the replicas together ${perBeat(idle.replicas)}; ` +
    `Redis did ${busy.commands.toFixed(0)} commands a second, ${idle.commands.toFixed(0)} without any beat`,
)

silent = new Set(gateways.filter((_, i) => i % 10 === 0))
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

interface Gateway {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  readonly replica: Replica
  readonly connection: Client
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

/** With a token of its own, that opens its beats and nothing else. */
async function startGateway(name: string, i: number): Promise<Gateway> {
  const replica = replicas[i % replicas.length] as Replica
  const token = await makeToken(name)
  const connection = stack.use(withDispose(new Client(replica.admin, { keepAliveTimeout: 6 * INTERVAL })))
  return {
    name,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    replica,
    connection,
  }
}

/** All at one replica, in order: at three they would contend for one document. */
async function makeToken(gateway: string): Promise<string> {
  const [{ admin }] = replicas
  for (const start = performance.now(); performance.now() - start < PATIENCE; await pause(100)) {
    const { statusCode, body } = await request(`${admin}/api/v1/tokens`, {
      method: 'POST',
      dispatcher: administrator,
      headers: { ...ADMINISTRATOR, 'content-type': 'application/json' },
      body: JSON.stringify({ name: gateway, role: 'gateway', gateway }),
    })
    const answer = (await body.json()) as { readonly token?: string; readonly detail?: string }
    if (answer.token !== undefined) return answer.token
    // The replicas have not filled their new store yet.
    if (statusCode !== 503) throw new Error(`no token for ${gateway}: ${answer.detail}`)
  }
  throw new Error(`no token for ${gateway}: the store is not there`)
}

async function beat({ name, headers, replica, connection }: Gateway): Promise<void> {
  underWay++
  try {
    const { statusCode, body } = await request(`${replica.admin}/api/v1/gateways/${name}/heartbeat`, {
      method: 'POST',
      dispatcher: connection,
      reset: values.fresh,
      headers,
      body: JSON.stringify({
        ...{ instance: `${name}-1`, hostname: `${name}.example`, os: 'linux', arch: 'x64', version: '1.4.0' },
        state: 'ready',
        connections: sent % 20,
      }),
    })
    await body.dump()
    if (statusCode !== 200) failed++
  } catch {
    failed++
  } finally {
    underWay--
  }
}

/** When (ms) the replica first saw that many members up; throws after `most` ms. */
async function reaches({ admin }: Replica, up: number, most: number): Promise<number> {
  for (const start = performance.now(); performance.now() - start < most; await pause(100)) {
    const { body } = await request(`${admin}/metrics`, { dispatcher: administrator, headers: ADMINISTRATOR })
    const lines = (await body.text()).matchAll(/^gatepool_member_up\{.*\} 1$/gm)
    if ([...lines].length === up) return performance.now()
  }
  throw new Error(`a replica did not see ${up} members up within ${most} ms`)
}

interface Spent {
  readonly beats: number
  /** Processor time, µs a second. */
  readonly redis: number
  readonly replicas: number
  /** Of Redis, a second; those of its scripts too. */
  readonly commands: number
}

/** What is spent in so many seconds from now on. */
async function spentIn(seconds: number): Promise<Spent> {
  const before = await spent()
  await pause(seconds * 1000)
  const after = await spent()
  return {
    beats: after.beats - before.beats,
    redis: (after.redis - before.redis) / seconds,
    replicas: (after.replicas - before.replicas) / seconds,
    commands: (after.commands - before.commands) / seconds,
  }
}

/** So far. */
async function spent(): Promise<Spent> {
  const sum = (pid: number) => processorTime(pid).user + processorTime(pid).system
  const [, commands] = /total_commands_processed:(\d+)/.exec(await client.info('stats')) ?? []
  return {
    beats: sent,
    redis: sum(redis.pid ?? 0),
    replicas: pids.reduce((all, pid) => all + sum(pid), 0),
    commands: Number(commands),
  }
}

function withDispose<T extends Agent | Client>(dispatcher: T): T & AsyncDisposable {
  return Object.assign(dispatcher, { [Symbol.asyncDispose]: () => dispatcher.destroy() })
}
