/**
 * How late the event loop is. Node's monitor is a timer, and each time it fires it wakes a process that may have nothing to do: at prom-client's
 * every 10 ms that is most of what an idle replica costs. So there is one, it fires seldom, and what prom-client tells of its own comes from it,
 * under the same names.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client'

/** Ms between two looks. A delay that is shorter may fall between them, and is seen when it comes again. */
const EVERY = 100
/** Ms after which prom-client's own monitor fires: the longest that a timer takes. */
const NEVER = 2 ** 31 - 1

type Looks = ReturnType<typeof monitorEventLoopDelay>

/** Ns from one look to the next, but for the deviation. */
const READINGS: Readonly<Record<string, (looks: Looks) => number>> = {
  min: ({ min }) => min,
  max: ({ max }) => max,
  mean: ({ mean }) => mean,
  p50: looks => looks.percentile(50),
  p90: looks => looks.percentile(90),
  p99: looks => looks.percentile(99),
}

/** The process's own metrics, as prom-client names them, and `name`: the longest that the loop was late since it was read last, seconds. */
export function tellOfProcess(registry: Registry, name: string): void {
  const registers = [registry]
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER })
  const looks = monitorEventLoopDelay({ resolution: EVERY })
  looks.enable()
  const late = (ns: number) => (looks.count === 0 ? 0 : Math.max(0, ns / 1e9 - EVERY / 1_000))

  const own = (what: string) => `nodejs_eventloop_lag_${what}_seconds`
  for (const what of [...Object.keys(READINGS), 'stddev']) registry.removeSingleMetric(own(what))
  new Gauge({
    name,
    help: 'The longest that the event loop was late since this was read last',
    registers,
    // It comes first on the page, so that the others are of the same looks.
    collect() {
      this.set(late(looks.max))
      for (const [what, gauge] of gauges) gauge.set(late(READINGS[what]?.(looks) ?? 0))
      deviation.set(looks.count === 0 ? 0 : looks.stddev / 1e9)
      looks.reset()
    },
  })
  const gauges = Object.keys(READINGS).map(what => {
    const help = `How late the event loop was since this was read last: ${what}`
    return [what, new Gauge({ name: own(what), help, registers })] as const
  })
  const deviation = new Gauge({
    name: own('stddev'),
    help: 'How late the event loop was since this was read last: standard deviation',
    registers,
  })
}
