/**
 * The process: arguments → configuration → start → wait for a signal → stop.
 */
import { cli } from './cli/cli.ts'
import { processIo } from './cli/io.ts'
import type { Gatepool } from './gatepool.ts'

/** Ms: a terminal's Ctrl-C reaches us by itself and again through npm and the launcher. */
const SAME_SIGNAL = 300

/** Runs until a signal. The first one stops in order, a second one at once. Answers the exit status. */
async function run({ config: path }: { readonly config: string }): Promise<number> {
  // Only here, as the proxy below: a health check or a table of pools must not wait for either to load.
  const { formatProblems, loadConfig } = await import('./config/load.ts')
  const loaded = loadConfig(path, process.env)
  if (loaded.kind === 'problems') {
    process.stderr.write(formatProblems(loaded.problems))
    return 1
  }
  const { startGatepool } = await import('./gatepool.ts')
  let gatepool: Gatepool
  try {
    gatepool = await startGatepool({ config: loaded.config, path, env: process.env })
  } catch (error) {
    // What an operator can mend is one line; anything else is a bug and shows where it is.
    const known = error instanceof Error && (error.name === 'StartError' || error.name === 'StoreError')
    process.stderr.write(`gatepool cannot start: ${known ? (error as Error).message : (error as Error).stack}\n`)
    return 1
  }
  // Listens to signals before it says that it runs: whoever waits for that line may send one at once.
  const stopped = untilStopped(gatepool)
  const where = gatepool.listeners().map(({ name, address }) => `${name} on ${address}`)
  const { admin, metrics, heartbeats } = gatepool
  where.push(`admin on ${admin.host}:${admin.port}`)
  if (metrics !== null) where.push(`metrics on ${metrics.host}:${metrics.port}`)
  if (heartbeats !== null) where.push(`heartbeats on ${heartbeats.host}:${heartbeats.port}`)
  process.stderr.write(`gatepool listens: ${where.join(', ')}\n`)
  await stopped
  return 0
}

async function untilStopped(gatepool: Gatepool): Promise<void> {
  const cut = new AbortController()
  const stopped = Promise.withResolvers<void>()
  let first = Number.POSITIVE_INFINITY
  const onStop = () => {
    const now = performance.now()
    if (now - first > SAME_SIGNAL) cut.abort()
    first = Math.min(first, now)
    stopped.resolve()
  }
  process.on('SIGTERM', onStop).on('SIGINT', onStop)
  process.on('SIGHUP', () => void gatepool.reload())
  await stopped.promise
  await gatepool.stop(cut.signal)
}

const io = processIo(process.env)
process.exitCode = await cli(process.argv.slice(2), process.env, io, {
  run,
  demo: async ({ tour }) => {
    const { runDemo } = await import('./demo/demo.ts')
    return runDemo({ tour, env: process.env, io })
  },
})
