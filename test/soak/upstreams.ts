/** Upstreams of `upstream.ts` as processes that may be stopped, killed, and started again where they were. */
import { join } from 'node:path'
import { Processes } from '../../bench/flow/processes.ts'
import { said } from './subject.ts'

export interface Upstream extends AsyncDisposable {
  readonly port: number
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  /** `kill -9`; resolves when the process is gone. */
  kill(): Promise<void>
  revive(): Promise<void>
}

/** Starts one on a free port; `file` gets the ids of the requests whose bodies it has read. */
export async function startUpstream(file?: string): Promise<Upstream> {
  const processes = new Processes(false)
  const start = async (port: number) => {
    const args = [join(import.meta.dirname, 'upstream.ts'), String(port), ...(file === undefined ? [] : [file])]
    const running = await processes.start({ file: process.execPath, args, env: { NODE_OPTIONS: '' } }, '')
    const [told] = await said(running, /^\d+$/m)
    return { running, port: Number(told) }
  }
  let { running, port } = await start(0)
  return {
    port,
    signal: name => void process.kill(running.pid, name),
    async kill() {
      process.kill(running.pid, 'SIGKILL')
      await running.ended
    },
    async revive() {
      running = (await start(port)).running
    },
    [Symbol.asyncDispose]: () => processes[Symbol.asyncDispose](),
  }
}
