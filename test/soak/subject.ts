/** gatepool as the process that a soak is about, and what can be seen of it from outside. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Processes, type Running } from '../../bench/flow/processes.ts'
import { LAUNCHER } from '../support/launch.ts'

const TOKEN = 'a-token-for-soaks'
/** Ms that a process may take to listen. */
const START = 20_000

export interface Subject extends AsyncDisposable {
  readonly pid: number
  /** Of its listener. */
  readonly port: number
  /** The sum of a metric over its labels. */
  metric(name: string): Promise<number>
  /** Resident memory, bytes. */
  resident(): number
  /** Open files, sockets among them. */
  openFiles(): number
  /** What its heap holds once all garbage is collected, bytes, and what keeps its loop alive, by kind. */
  collect(): Promise<{
    readonly heap: number
    readonly resources: Readonly<Record<string, number>>
  }>
}

export interface SubjectOptions {
  /** Ports of 127.0.0.1 on which the members of its pool are. */
  readonly members: readonly number[]
  /** Where `/probe` goes, when that should not wait for what those members have to do. */
  readonly probed?: number
  /** YAML for the listener's limits, the pool and its route: `{ head_timeout: 3s }`. */
  readonly limits?: string
  readonly passive?: string
  readonly retry?: string
  readonly responseTimeout?: string
}

export async function startSubject(options: SubjectOptions): Promise<Subject> {
  await using starting = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gatepool-soak-'))
  starting.defer(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'gatepool.yaml')
  writeFileSync(file, written(folder, options))
  const processes = starting.use(new Processes(false))
  // The inspector is how garbage is collected on demand; nobody is connected to it while the soak runs.
  const args = ['--inspect=127.0.0.1:0', LAUNCHER, 'run', '-c', file]
  const running = await processes.start({ file: process.execPath, args, env: { NODE_OPTIONS: '' } }, '')
  const [, inspector = ''] = await said(running, /Debugger listening on (ws:\S+)/)
  const [, port, admin] = await said(running, /listens: web on \S+:(\d+), admin on (\S+:\d+)/)
  const stack = starting.move()
  return {
    pid: running.pid,
    port: Number(port),
    metric: name => metric(`http://${admin}/metrics`, name),
    resident: () => residentMemory(running.pid),
    openFiles: () => readdirSync(`/proc/${running.pid}/fd`).length,
    collect: () => collect(inspector),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Bytes. */
export function residentMemory(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

const written = (
  folder: string,
  { members, probed = members[0] as number, limits, passive, retry, responseTimeout }: SubjectOptions,
) => `version: 1
store: { kind: embedded, path: ${JSON.stringify(join(folder, 'gatepool.db'))} }
admin: { listen: 127.0.0.1:0, token: ${TOKEN} }
logging: { level: error }
listeners:
  - { name: web, listen: 127.0.0.1:0, limits: ${limits ?? '{}'} }
gateways:
${members.map((port, i) => `  - { name: g${i}, address: 127.0.0.1, http_port: ${port} }`).join('\n')}
  - { name: probed, address: 127.0.0.1, http_port: ${probed} }
pools:
  - { name: probed, members: [probed] }
  - { name: all, mode: load_balancing, members: [${members.map((_, i) => `g${i}`).join(', ')}], passive: ${passive ?? '{}'} }
routes:
  - { name: probe, match: { path: /probe }, target: { pool: probed } }
  - { name: all, target: { pool: all }, retry: ${retry ?? '{}'}, response_timeout: ${responseTimeout ?? '30s'} }
`

/** Waits for words of a process that starts. */
export async function said(running: Running, words: RegExp): Promise<RegExpExecArray> {
  for (const start = performance.now(); performance.now() - start < START; await pause(20)) {
    const found = words.exec(running.lastWords())
    if (found !== null) return found
    if (running.hasEnded()) break
  }
  throw new Error(`it did not start: ${running.lastWords()}`)
}

/** The sum of a metric over its labels, or over those lines that contain `label`. */
export async function metric(url: string, name: string, label = ''): Promise<number> {
  const text = await (await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } })).text()
  const lines = text
    .split('\n')
    .filter(line => line.startsWith(`${name} `) || (line.startsWith(`${name}{`) && line.includes(label)))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

async function collect(inspector: string): ReturnType<Subject['collect']> {
  const socket = new WebSocket(inspector)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error('the inspector does not answer'))
  })
  let id = 0
  const ask = (method: string, params: object = {}) =>
    new Promise<unknown>(resolve => {
      const own = ++id
      socket.addEventListener('message', ({ data }) => {
        const answer = JSON.parse(String(data))
        if (answer.id === own) resolve(answer.result?.result?.value)
      })
      socket.send(JSON.stringify({ id: own, method, params }))
    })
  // Once for the garbage, once more for what finalizers let go of.
  await ask('HeapProfiler.collectGarbage')
  await ask('HeapProfiler.collectGarbage')
  const expression =
    'JSON.stringify([process.memoryUsage().heapUsed, process.getActiveResourcesInfo().filter(kind => kind !== "Timeout" && kind !== "Immediate")])'
  const [heap, kinds] = JSON.parse(String(await ask('Runtime.evaluate', { expression, returnByValue: true })))
  const closed = new Promise(resolve => {
    socket.onclose = resolve
  })
  socket.close()
  await closed
  const resources: Record<string, number> = {}
  for (const kind of kinds.toSorted()) resources[kind] = (resources[kind] ?? 0) + 1
  return { heap, resources }
}
