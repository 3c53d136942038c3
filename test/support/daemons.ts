/** Servers and clients of other people, as processes, with gatepool between them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { freePorts } from '../../bench/flow/ports.ts'
import type { Program } from './debian.ts'
import { folder } from './launch.ts'
import { type Program as Gatepool, runProgram } from './program.ts'
import { until } from './until.ts'

/** Two gateways on one machine: whatever runs on both of them has the same port. */
export const HOSTS = ['127.0.0.2', '127.0.0.3'] as const

export const freePort = async (): Promise<number> => (await freePorts(1))[0] ?? 0

/** For a test's `skip`: why it cannot run, said aloud, or false. */
export function without(...programs: readonly (Program | string)[]): string | false {
  const missing = programs.find(program => typeof program === 'string')
  if (missing === undefined) return false
  process.stderr.write(`NOT TESTED: ${missing}\n`)
  return missing
}

export interface Options {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Runs as this user, where we may become somebody else. */
  readonly user?: number
}

/** Ms. */
const PATIENCE = 30_000

export interface Running {
  readonly child: ChildProcess
  /** What it wrote so far, to stdout and to stderr. */
  out(): string
  err(): string
  /** With its status. One that takes too long is killed, and its status is null. */
  readonly ended: Promise<number | null>
}

/** A client at work. */
export function begin(t: Test, program: Program | string, args: readonly string[], options: Options = {}): Running {
  const child = start(program, args, options, 'pipe', 'pipe')
  let [out, err] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', text => {
    out += text
  })
  child.stderr?.setEncoding('utf8').on('data', text => {
    err += text
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
  t.teardown(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([status]) => {
    clearTimeout(timer)
    return status as number | null
  })
  return { child, out: () => out, err: () => err, ended }
}

/** A client from its start to its end. */
export async function run(t: Test, program: Program | string, args: readonly string[], options: Options = {}) {
  const running = begin(t, program, args, options)
  const status = await running.ended
  return { status, out: running.out(), err: running.err() }
}

export interface Daemon {
  readonly pid: number
  /** `kill -9`. */
  kill(): Promise<void>
}

/** A server, when it listens to TCP at `host` and `port`. It goes with the test. */
export async function startDaemon(
  t: Test,
  program: Program | string,
  args: readonly string[],
  { host, port, ...options }: Options & { readonly host: string; readonly port: number },
): Promise<Daemon> {
  // Into a file: nobody has to read it, and a server that outlived its test would hold a pipe open.
  const log = join(folder(t), 'log')
  const file = openSync(log, 'w')
  const child = start(program, args, options, file, file)
  closeSync(file)
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  await until(`${args} listens`, async () => child.exitCode !== null || (await listens(host, port)))
  if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${readFileSync(log, 'utf8')}`)
  return { pid: child.pid ?? 0, kill }
}

function start(
  program: Program | string,
  args: readonly string[],
  { cwd, env, user }: Options,
  ...[stdout, stderr]: readonly ['pipe' | number, 'pipe' | number]
): ChildProcess {
  if (typeof program === 'string') throw new Error(program)
  // Should the test be killed, the kernel sees to what it has started.
  const as = user === undefined ? [] : [`--reuid=${user}`, `--regid=${user}`, '--clear-groups']
  const become = ['--pdeathsig', 'KILL', ...as]
  return spawn('setpriv', [...become, program.path, ...(program.args ?? []), ...args], {
    env: { ...process.env, ...program.env, ...env },
    stdio: ['ignore', stdout, stderr],
    ...(cwd === undefined ? {} : { cwd }),
  })
}

async function listens(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
    return true
  } finally {
    socket.destroy()
  }
}

export interface Between {
  readonly program: Gatepool
  /** Where a route or a listener is. */
  port(name: string): number
}

/** gatepool in front of a pool of both hosts. Routes go to it and listen anywhere, unless they say where. */
export async function between(
  t: Test,
  routes: readonly Readonly<Record<string, unknown>>[],
  { pool = {}, ...more }: Readonly<Record<string, unknown>> & { readonly pool?: object } = {},
): Promise<Between> {
  const gateways = HOSTS.map((address, i) => ({ name: i === 0 ? 'first' : 'second', address }))
  const written = {
    version: 1,
    admin: { listen: '127.0.0.1:0' },
    gateways,
    pools: [{ name: 'both', members: gateways.map(({ name }) => name), ...pool }],
    routes: routes.map(route => ({
      ...(route.protocol === 'tls' ? {} : { listen: '127.0.0.1:0' }),
      target: { pool: 'both' },
      ...route,
    })),
    ...more,
  }
  const program = await runProgram(t, stringify(written))
  return { program, port: name => Number(new URL(program.url[name] ?? '').port) }
}
