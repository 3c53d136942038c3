/**
 * Real Redis servers for tests, each of its own, so that it may be stopped, killed and emptied. The program is GATEPOOL_TEST_REDIS_BIN, or
 * what is on PATH, or Debian's package (debian.ts). Where there is none, tests skip loudly; with
 * GATEPOOL_TEST_REDIS=required they fail.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findProgram, type Program } from './debian.ts'
import { folder, type Scope } from './launch.ts'

/** Ms that a server may take to be ready, or to answer a test. */
const PATIENCE = 30_000

/** The program to run, or why there is none. */
let found: Program | string | undefined

function findRedis(): Program | string {
  found ??= named() ?? findProgram(['redis-server', 'valkey-server'], ['redis-server', 'redis-tools'])
  return found
}

function named(): Program | undefined {
  const path = process.env.GATEPOOL_TEST_REDIS_BIN
  return path ? { path, env: {} } : undefined
}

export interface RedisServer {
  /** For `store.url`. */
  readonly url: string
  readonly socket: string
  /** A client of its own, for the test to look at things. */
  readonly client: Redis
  /** Stands still, as if it were far too slow, until `resume`. */
  pause(): void
  resume(): void
  kill(): Promise<void>
  /** On the same place again, with what it had on its disk. */
  start(): Promise<void>
}

/** For a test's `skip`: why there is no Redis to test with, or false. */
export function withoutRedis(): string | false {
  const program = findRedis()
  if (typeof program !== 'string') return false
  if (process.env.GATEPOOL_TEST_REDIS === 'required') throw new Error(program)
  process.stderr.write(`NOT TESTED: ${program}\n`)
  return program
}

/** Starts the program with `args` and resolves when it is ready. */
export async function spawnRedis(args: readonly string[]): Promise<ChildProcess> {
  const program = findRedis()
  if (typeof program === 'string') throw new Error(program)
  const child = spawn(program.path, args, {
    env: { ...process.env, ...program.env },
    // No pipe of ours goes to it: a server that outlived its test would hold it open, and whoever reads it would wait for ever.
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  // Should the test end without its teardown, as it does when it takes too long.
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  const late = setTimeout(kill, PATIENCE)
  for await (const line of child.stdout) if (/eady to accept connections|Sentinel ID is/.test(String(line))) break
  clearTimeout(late)
  if (child.killed || child.exitCode !== null) throw new Error(`redis-server is not ready (status ${child.exitCode})`)
  return child
}

/** Ends a process that was started here, and waits until it is gone. */
export async function killRedis(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

/** Starts a server, which goes with the test. */
export async function startRedis(t: Scope, settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  const home = folder(t)
  const socket = join(home, 'redis.sock')
  const options = { port: '0', unixsocket: socket, dir: home, save: '', databases: '64', ...settings }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  const client = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => 20, commandTimeout: PATIENCE })
  client.on('error', () => {})
  let child: ChildProcess | null = null

  const start = async () => {
    child = await spawnRedis(args)
  }
  const kill = () => killRedis(child)
  t.teardown(async () => {
    client.disconnect()
    await kill()
  })
  await start()
  await client.connect()
  return {
    url: `redis://${socket}`,
    socket,
    client,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    start,
  }
}
