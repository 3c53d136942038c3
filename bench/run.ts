/**
 * The whole proxy against its rivals: `npm run bench`. Starts an upstream and the proxies, checks that they answer correctly, measures them
 * in turns, and leaves the results as a table, JSON and a chart.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { drawChart } from './flow/chart.ts'
import { autocannon } from './flow/loads/autocannon.ts'
import { wrk } from './flow/loads/wrk.ts'
import { aboutThisMachine, chooseCores } from './flow/machine.ts'
import { type Asking, measure } from './flow/measure.ts'
import { type Options, readOptions, USAGE } from './flow/options.ts'
import { firstLine, Processes } from './flow/processes.ts'
import { type Results, type Sample, summarise } from './flow/results.ts'
import type { Row } from './flow/rows.ts'
import { type Contender, setStage } from './flow/stage.ts'
import { formatResults, short } from './flow/table.ts'

const RESULTS = join(import.meta.dirname, 'results')

/** Above this average load somebody else is at work and the figures mean little. */
const BUSY = 0.7

async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const { rounds, seconds, rows, rivals, quick } = options
  const about = aboutThisMachine()
  if (about.load_before > BUSY) say(`the machine is busy (load ${about.load_before.toFixed(2)}): expect rough figures`)
  const cores = chooseCores()
  const hasWrk = firstLine('wrk', '-v') !== null
  if (!hasWrk) say('wrk is not installed: autocannon makes the load')
  const httpLoad = hasWrk && !options.autocannon ? wrk : autocannon

  const folder = mkdtempSync(join(tmpdir(), 'gatepool-bench-'))
  using _ = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
  await using processes = new Processes(cores !== null)
  const { contenders, troubles } = await setStage({
    processes,
    cores: cores ?? { proxy: '', load: '' },
    rivals,
    rows,
    folder,
    signal,
  })
  for (const { rival, row, trouble } of troubles) say(`${[rival, row].join(' ').trim()}: ${trouble}`)

  const asking = { processes, core: cores?.load ?? '', seconds, httpLoad, signal }
  const script = (name: string, row: Row) => join(folder, `${name}-${row.name}.lua`)
  await warmUp(contenders, rows, (name, row) => ({ ...asking, seconds: 1, script: script(name, row) }))
  const measured = await inTurns(contenders, rows, rounds, (name, row) => ({ ...asking, script: script(name, row) }))

  const order = { rows, rivals: contenders.map(({ name }) => name) }
  const results: Results = {
    about: {
      ...about,
      load: httpLoad.name,
      pinned: cores === null ? 'nothing pinned' : `proxy on core ${cores.proxy}, load and upstream on ${cores.load}`,
      rounds,
      seconds,
    },
    rivals: contenders.map(({ name, version }) => ({ name, version })),
    troubles: [...troubles, ...measured.troubles],
    summaries: summarise(measured.samples, order),
    samples: measured.samples,
  }
  process.stdout.write(`${formatResults(results, rows)}\n`)
  if (signal.aborted) return
  const name = `${about.date.slice(0, 10)}-${about.commit}${quick ? '-quick' : ''}`
  mkdirSync(RESULTS, { recursive: true })
  for (const [ending, text] of [
    ['json', `${JSON.stringify(results, null, 2)}\n`],
    ['svg', drawChart(results, rows, 'gatepool')],
  ] as const) {
    const file = join(RESULTS, `${name}.${ending}`)
    writeFileSync(file, text)
    say(`written: ${relative(process.cwd(), file)}`)
  }
}

type AskingFor = (rival: string, row: Row) => Asking

/** Every row once, all proxies at a time: what they compile and allocate at the first time is not measured. */
async function warmUp(contenders: readonly Contender[], rows: readonly Row[], askingFor: AskingFor): Promise<void> {
  for (const row of rows) {
    const able = contenders.filter(contender => contender.rows.includes(row))
    // A failure here will be one in the first round as well, and is told there.
    await Promise.allSettled(
      able.map(({ name, proxy, place }) => measure({ proxy, port: place.ports[row.front], row }, askingFor(name, row))),
    )
  }
}

/** All rounds, or those until the bench was stopped. Nobody is always the first: each round begins with the next one. */
async function inTurns(
  contenders: readonly Contender[],
  rows: readonly Row[],
  rounds: number,
  askingFor: AskingFor,
): Promise<Pick<Results, 'samples' | 'troubles'>> {
  const samples: Sample[] = []
  const troubles: Results['troubles'][number][] = []
  const broken = (rival: string, row: string) => troubles.some(known => known.rival === rival && known.row === row)
  for (let round = 1; round <= rounds; round++) {
    for (const row of rows) {
      const first = (round - 1) % (contenders.length || 1)
      const told: string[] = []
      for (const { name, proxy, place, rows } of [...contenders.slice(first), ...contenders.slice(0, first)]) {
        if (!rows.includes(row) || broken(name, row.name)) continue
        const asking = askingFor(name, row)
        try {
          const sample = await measure({ proxy, port: place.ports[row.front], row }, asking)
          samples.push({ round, row: row.name, rival: name, ...sample })
          told.push(`${name} ${short(sample.user + sample.system)}`)
        } catch (error) {
          if (asking.signal.aborted) return { samples, troubles }
          troubles.push({ rival: name, row: row.name, trouble: (error as Error).message })
        }
      }
      say(`round ${round}/${rounds}, ${row.name}, µs/${row.unit}: ${told.join(', ')}`)
    }
  }
  return { samples, troubles }
}

const say = (words: string): void => void process.stderr.write(`${words}\n`)

const options = readOptions(process.argv.slice(2))
if (typeof options === 'string') {
  process.stderr.write(options === '' ? USAGE : `${options}\n\n${USAGE}`)
  process.exitCode = options === '' ? 0 : 2
} else if (process.platform !== 'linux') {
  say('the bench reads what a proxy costs from /proc: it runs on Linux alone')
  process.exitCode = 1
} else {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => {
      say('stopping')
      process.exitCode = 130
      stop.abort()
    })
  }
  try {
    await bench(options, stop.signal)
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
}
