/** Where and on what a bench runs. Linux alone: what a process costs comes from its /proc. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { works } from './processes.ts'

/** As taskset takes them. */
export interface Cores {
  readonly proxy: string
  readonly load: string
}

/** One core for the proxy, the others for load and upstream; null where there is but one or where they cannot be chosen. */
export function chooseCores(): Cores | null {
  const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  const cores = allowed.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  // The first core answers most interrupts: it is not the one to be measured.
  const proxy = cores.pop()
  if (proxy === undefined || cores.length === 0 || !works('taskset', '--cpu-list', String(proxy), 'true')) return null
  return { proxy: String(proxy), load: cores.join(',') }
}

/** Client connections that every proxy can take, each of which may need a file for the client and one for the upstream. */
export function connectionLimit(): number {
  // Node has raised its own limit to the hard one, and children inherit it.
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  return Math.min(4_000, Math.floor((files - 200) / 2))
}

export interface About {
  readonly date: string
  readonly commit: string
  readonly machine: string
  readonly cores: number
  readonly memory_gib: number
  readonly kernel: string
  readonly node: string
  /** Average over a minute when the bench began. */
  readonly load_before: number
}

export function aboutThisMachine(): About {
  const processors = cpus()
  return {
    date: new Date().toISOString().slice(0, 16),
    commit: commit(),
    machine: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    node: process.versions.node,
    load_before: loadavg()[0] ?? 0,
  }
}

/** Of the checkout, with a mark when its files are not those of the commit. */
function commit(): string {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' })
    return status === 0 ? stdout.trim() : null
  }
  const head = git('rev-parse', '--short', 'HEAD')
  if (head === null) return 'uncommitted'
  return git('status', '--porcelain', '--untracked-files=no') === '' ? head : `${head}-changed`
}
