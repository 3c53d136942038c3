/** nginx or HAProxy, where they are installed, beside gatepool in a soak or a fuzz. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../bench/flow/ports.ts'
import { firstLine, Processes } from '../../bench/flow/processes.ts'

export type DaemonName = 'nginx' | 'haproxy'

export interface Daemon extends AsyncDisposable {
  readonly pid: number
  readonly port: number
}

/** Ms in which it must listen. */
const START = 10_000

/** Starts it with a configuration for its port and a folder of its own. Undefined: it is not installed. */
export async function startDaemon(
  name: DaemonName,
  configure: (port: number, folder: string) => string,
): Promise<Daemon | undefined> {
  if (firstLine(name, '-v') === null) return undefined
  await using starting = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gatepool-daemon-'))
  starting.defer(() => rmSync(folder, { recursive: true, force: true }))
  const [port = 0] = await freePorts(1)
  const file = join(folder, `${name}.conf`)
  writeFileSync(file, configure(port, folder))
  const args = name === 'nginx' ? ['-e', 'stderr', '-p', folder, '-c', file] : ['-db', '-f', file]
  const { pid, hasEnded, lastWords } = await starting.use(new Processes(false)).start({ file: name, args }, '')
  for (const startedAt = performance.now(); !(await answers(port)); await pause(20)) {
    if (hasEnded() || performance.now() - startedAt > START) throw new Error(`${name} does not listen: ${lastWords()}`)
  }
  const stack = starting.move()
  return { pid, port, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
