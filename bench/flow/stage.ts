/** The upstream and the proxies in front of it, started and found to be right. */
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fault } from './check.ts'
import { type Cores, connectionLimit } from './machine.ts'
import { freePorts } from './ports.ts'
import type { Processes, Running } from './processes.ts'
import type { Results } from './results.ts'
import type { Place, Rival } from './rivals/rival.ts'
import type { Row } from './rows.ts'

/** A rival that runs, and the rows that it answers as it should. */
export interface Contender {
  readonly name: string
  readonly version: string
  readonly place: Place
  readonly proxy: Running
  readonly rows: readonly Row[]
}

export interface Stage {
  readonly contenders: readonly Contender[]
  readonly troubles: Results['troubles']
}

export interface StageOptions {
  readonly processes: Processes
  readonly cores: Cores
  readonly rivals: readonly Rival[]
  readonly rows: readonly Row[]
  /** Where everybody gets a folder of its own. */
  readonly folder: string
  readonly signal: AbortSignal
}

/** Ms for a program to listen. */
const PATIENCE = 10_000

export async function setStage({ processes, cores, rivals, rows, folder, signal }: StageOptions): Promise<Stage> {
  const [upstream = 0, dead = 0, ...ports] = await freePorts(2 + 5 * rivals.length)
  const program = join(import.meta.dirname, 'upstream.ts')
  const running = await processes.start({ file: process.execPath, args: [program, String(upstream)] }, cores.load)
  if (!(await isListening(upstream, running))) throw new Error(`the upstream did not start: ${running.lastWords()}`)

  const contenders: Contender[] = []
  const troubles: Results['troubles'][number][] = []
  for (const rival of rivals) {
    signal.throwIfAborted()
    const { name } = rival
    const version = rival.version()
    if (version === null) {
      troubles.push({ rival: name, row: '', trouble: 'not installed' })
      continue
    }
    const [single = 0, pair = 0, tcp = 0, udp = 0, spare = 0] = ports.splice(0, 5)
    const own = join(folder, name)
    mkdirSync(own)
    const addresses = { single, pair, tcp, udp }
    const place = { folder: own, ports: addresses, spare, upstream, dead, connections: connectionLimit() }
    const proxy = await processes.start(rival.prepare(place), cores.proxy)
    if (!(await isListening(single, proxy))) {
      await proxy.stop()
      troubles.push({ rival: name, row: '', trouble: `did not start: ${proxy.lastWords()}` })
      continue
    }
    const right: Row[] = []
    for (const row of rows.filter(({ front }) => rival.fronts.includes(front))) {
      const trouble = await fault(row, addresses[row.front])
      if (trouble === null) right.push(row)
      else troubles.push({ rival: name, row: row.name, trouble })
    }
    contenders.push({ name, version, place, proxy, rows: right })
  }
  return { contenders, troubles }
}

/** Waits until somebody listens at `port`: false when that takes too long or the process ends. */
async function isListening(port: number, { hasEnded }: Running): Promise<boolean> {
  const until = performance.now() + PATIENCE
  while (performance.now() < until && !hasEnded()) {
    const socket = connect({ host: '127.0.0.1', port })
    try {
      await once(socket, 'connect')
      return true
    } catch {
      await sleep(20)
    } finally {
      socket.destroy()
    }
  }
  return false
}
