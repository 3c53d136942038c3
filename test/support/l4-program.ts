/** gatepool as a process of its own with one TCP or UDP route. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../bench/flow/ports.ts'
import { Processes } from '../../bench/flow/processes.ts'
import { metric, residentMemory, said } from '../soak/subject.ts'
import { LAUNCHER } from './launch.ts'

const TOKEN = 'a-token-for-soaks'

export interface L4Program extends AsyncDisposable {
  /** Of its route, on 127.0.0.1. */
  readonly port: number
  /** Resident memory, bytes. */
  resident(): number
  /** The sum of a metric over those of its lines that contain `label`. */
  metric(name: string, label?: string): Promise<number>
}

/** The route goes to `upstream` of 127.0.0.2. */
export async function startL4Program(protocol: 'tcp' | 'udp', upstream: number): Promise<L4Program> {
  await using starting = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gatepool-soak-'))
  starting.defer(() => rmSync(folder, { recursive: true, force: true }))
  const [port = 0] = await freePorts(1)
  const file = join(folder, 'gatepool.yaml')
  writeFileSync(
    file,
    `version: 1
store: { kind: embedded, path: ${JSON.stringify(join(folder, 'gatepool.db'))} }
admin: { listen: 127.0.0.1:0, token: ${TOKEN} }
logging: { level: error }
gateways: [{ name: a, address: 127.0.0.2 }]
pools: [{ name: p, members: [a] }]
routes: [{ name: it, protocol: ${protocol}, listen: 127.0.0.1:${port}, gateway_port: ${upstream}, target: { pool: p } }]
`,
  )
  const processes = starting.use(new Processes(false))
  const command = { file: process.execPath, args: [LAUNCHER, 'run', '-c', file], env: { NODE_OPTIONS: '' } }
  const running = await processes.start(command, '')
  const [, admin] = await said(running, /admin on (\S+:\d+)/)
  const stack = starting.move()
  return {
    port,
    resident: () => residentMemory(running.pid),
    metric: (name, label) => metric(`http://${admin}/metrics`, name, label),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
