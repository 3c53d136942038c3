/**
 * Real Redis servers for tests, each of its own, so that it may be stopped, killed and emptied. The program is GATEPOOL_TEST_REDIS_BIN, or
 * what is on PATH, or Debian's package put into node_modules/.cache. Where there is none, tests skip loudly; with
 * GATEPOOL_TEST_REDIS=required they fail.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { folder } from './launch.ts'

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/redis')
/** Debian's, with the libraries that a bare system may miss. */
const PACKAGES = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1']

interface Program {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
}

/** The program to run, or why there is none. */
let found: Program | string | undefined

function findRedis(): Program | string {
  found ??= named() ?? onPath() ?? cached()
  return found
}

function named(): Program | undefined {
  const path = process.env.GATEPOOL_TEST_REDIS_BIN
  return path ? { path, env: {} } : undefined
}

function onPath(): Program | undefined {
  for (const name of ['redis-server', 'valkey-server'])
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return { path, env: {} }
      } catch {}
    }
  return undefined
}

function cached(): Program | string {
  const path = join(CACHE, 'usr/bin/redis-server')
  try {
    if (!existsSync(path)) download()
    const env = { LD_LIBRARY_PATH: join(CACHE, 'usr/lib', `${machine()}-linux-gnu`) }
    execFileSync(path, ['--version'], { env, stdio: 'ignore' })
    return { path, env }
  } catch (error) {
    return `no redis-server on PATH, and it cannot be fetched: ${error instanceof Error ? error.message.split('\n')[0] : error}`
  }
}

function download(): void {
  const fresh = `${CACHE}-${process.pid}`
  mkdirSync(fresh, { recursive: true })
  try {
    const aptGet = (...args: string[]) =>
      execFileSync('apt-get', args, { cwd: fresh, stdio: 'ignore', timeout: 120_000 })
    try {
      aptGet('download', '-qq', ...PACKAGES)
    } catch {
      // A new machine may not know yet what there is.
      aptGet('update', '-qq')
      aptGet('download', '-qq', ...PACKAGES)
    }
    const packages = readdirSync(fresh).filter(name => name.endsWith('.deb'))
    mkdirSync(CACHE, { recursive: true })
    for (const name of packages) execFileSync('dpkg', ['-x', join(fresh, name), CACHE], { stdio: 'ignore' })
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

const machine = () => ({ x64: 'x86_64', arm64: 'aarch64' })[process.arch as string] ?? process.arch

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
  for await (const line of child.stdout) if (/eady to accept connections|Sentinel ID is/.test(String(line))) break
  if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`)
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
export async function startRedis(t: Test, settings: Readonly<Record<string, string>> = {}): Promise<RedisServer> {
  const home = folder(t)
  const socket = join(home, 'redis.sock')
  const options = { port: '0', unixsocket: socket, dir: home, save: '', databases: '64', ...settings }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value])
  const client = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => 20 })
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
