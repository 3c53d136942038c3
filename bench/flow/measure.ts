/** One rival, one row, one round. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { autocannon } from './loads/autocannon.ts'
import type { Seen } from './loads/load.ts'
import { udp } from './loads/udp.ts'
import { websocket } from './loads/websocket.ts'
import type { wrk } from './loads/wrk.ts'
import type { Command, Processes, Running } from './processes.ts'
import { forgetPeak, peakMemory, processorTime } from './processor.ts'
import type { Sample } from './results.ts'
import type { Row } from './rows.ts'

export interface Asking {
  readonly processes: Processes
  /** Cores of the load, as taskset takes them. */
  readonly core: string
  readonly seconds: number
  readonly httpLoad: typeof wrk | typeof autocannon
  /** A file that the load may write. */
  readonly script: string
  /** Ends the load early. */
  readonly signal: AbortSignal
}

/** Ms that a load may take to start and to end, besides its own time. */
const PATIENCE = 15_000
/** Ms of peace after a load, in which proxies clear away the requests that its end has cut off. */
const PEACE = 150

/** Puts `row`'s load on a proxy and reads what that cost it. Throws when load or proxy fail. */
export async function measure(
  { proxy, port, row }: { readonly proxy: Running; readonly port: number; readonly row: Row },
  asking: Asking,
): Promise<Omit<Sample, 'round' | 'row' | 'rival'>> {
  if (proxy.hasEnded()) throw new Error(`the proxy has ended: ${proxy.lastWords()}`)
  forgetPeak(proxy.pid)
  const before = processorTime(proxy.pid)
  const seen = await putLoad(port, row, asking)
  if (proxy.hasEnded()) throw new Error(`the proxy has ended: ${proxy.lastWords()}`)
  const after = processorTime(proxy.pid)
  const { requests, failed, seconds, p50, p99 } = seen
  if (requests === 0) throw new Error(`no answers, ${failed} failures`)
  const user = after.user - before.user
  const system = after.system - before.system
  const sample = {
    requests,
    failed,
    user: user / requests,
    system: system / requests,
    busy: (user + system) / 1e6 / seconds,
    per_second: requests / seconds,
    p50,
    p99,
    peak: peakMemory(proxy.pid),
  }
  await sleep(PEACE)
  return sample
}

async function putLoad(port: number, { connections, work }: Row, asking: Asking): Promise<Seen> {
  const { seconds, script, httpLoad } = asking
  const asked = { port, connections, seconds }
  switch (work.kind) {
    case 'http':
      return httpLoad.read(await run(httpLoad.command({ ...asked, work }, script), asking))
    case 'websocket':
      return websocket.read(await run(websocket.command({ ...asked, work }, script), asking))
    case 'udp':
      return udp.read(await run(udp.command({ ...asked, work }, script), asking))
  }
}

/** What the program wrote to stdout. Throws when it fails or takes too long. */
async function run(command: Command, { processes, core, seconds, signal }: Asking): Promise<string> {
  signal.throwIfAborted()
  const load = await processes.start(command, core)
  const stop = () => void load.stop()
  const timer = setTimeout(stop, seconds * 1000 + PATIENCE)
  signal.addEventListener('abort', stop)
  const status = await load.ended
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
  if (status !== 0) throw new Error(`the load failed: ${load.lastWords() || `status ${status}`}`)
  return load.stdout()
}
