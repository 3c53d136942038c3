/**
 * Each fault of Redis for a while, under three replicas with traffic, while gateways die and come back; then a replica that stands still for
 * a minute. Writes what it measured to docs/reference/redis-faults.md, and ends with exit status 1 when something is not as it should be:
 *
 *     node test/soak/redis-faults.ts --seconds 10
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { broken, type FaultReport, throughFault } from '../support/fault-story.ts'
import type { Scope } from '../support/launch.ts'
import { type PauseReport, standsStill, wrongAfterPause } from '../support/pause-story.ts'
import { MORE_REDIS_FAULTS, REDIS_FAULTS, type RedisFault } from '../support/redis-faults.ts'

const MINUTE = 60_000
const FILE = join(import.meta.dirname, '../../docs/reference/redis-faults.md')
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } })

const load = loadavg()[0]?.toFixed(1)
let status = 0
const rows: string[] = []
for (const fault of [...REDIS_FAULTS, ...MORE_REDIS_FAULTS]) {
  const report = await within(t => throughFault(t, fault, Number(values.seconds) * 1_000))
  judge(`Redis ${fault.title}`, broken(report, fault))
  rows.push(row(fault, report))
}
const paused = await within(t => standsStill(t, MINUTE))
judge('a replica stood still', wrongAfterPause(paused))
if (status === 0) writeFileSync(FILE, page(rows, paused))
process.exitCode = status

/** Ends what `run` started. */
async function within<T>(run: (t: Scope) => Promise<T>): Promise<T> {
  await using stack = new AsyncDisposableStack()
  return await run({ teardown: end => stack.defer(end as () => Promise<void>) })
}

function judge(what: string, wrong: readonly string[]): void {
  console.log(`${what}: ${wrong.length === 0 ? 'as it should be' : wrong.join('; ')}`)
  if (wrong.length > 0) status = 1
}

function row({ title }: RedisFault, report: FaultReport): string {
  const { requests, failed, strayed, meanwhile, downs } = report
  const refused = new Set(meanwhile.map(({ change }) => `${change.status} \`${change.code}\``))
  const cells = [
    title,
    `${requests.toLocaleString('en')} requests, ${failed.length} failed, ${strayed} moved without cause`,
    `${[...refused].join(', ')}; tokens and \`/readyz\`: 200`,
    `requests: ${ms(report.movedAfter)}; checks: ${ms(report.checkedAfter)}`,
    `lost told after ${ms(report.lostAfter)}; back after ${ms(report.backAfter)}, agreed after ${ms(report.agreedAfter)}; ` +
      `\`gateway_down\` told ${downs === 1 ? 'once' : `${downs} times`}`,
  ]
  return `| ${cells.join(' | ')} |`
}

function ms(time: number): string {
  return time < 1_000 ? `${Math.round(time)} ms` : `${(time / 1_000).toFixed(1)} s`
}

function page(rows: readonly string[], paused: PauseReport): string {
  return `# What faults of Redis do

Made by \`node test/soak/redis-faults.ts\` from what it measured: do not edit it here. The second suite (\`npm run test:daemons\`) runs most of
the same flows, shorter.

Three replicas share one Redis. Each is sent one request after the other, 5 ms apart, for a pool of three gateways in failover mode; gateways
beat at any replica, and count as silent after two seconds. A fault lasts ${values.seconds} s after the replicas have noticed it, unless it ends by itself. Then,
while it lasts, the first and the third gateway are killed (\`kill -9\`); they come back after the fault. The second one does not beat while it lasts, and
nobody may take it for silent. Times are those of the slowest replica.

* *Traffic*: what was answered by anybody but a gateway has failed; what another than the first gateway answered before that died has moved.
* *Changes*: what a change by the API was refused with, and whether tokens of the store and \`/readyz\` went on.
* *Failover meanwhile*: from the death of the first gateway until its requests were answered by the second; from the death of the third,
  which nobody sent to, until its checks had it ejected.
* *Recovery*: until \`store_lost\` was told, once by each replica; from the end of the fault until all replicas had the store again and saw each other, and
  until a change held at all of them; how often the dead gateway was told, by all of them together.

| Redis … | traffic | changes | failover meanwhile | recovery |
|---|---|---|---|---|
${rows.join('\n')}

A replica in charge that stood still (\`SIGSTOP\`) for ${ms(paused.stoodStill)}, while a gateway died and the order of the pool was changed at another: it went by
what the others had decided ${ms(paused.caughtUpAfter)} after it went on. The change on old knowledge that had waited for it got ${paused.staleChange}, beats that had
waited for it brought nobody back (told ${paused.returns} times), and of ${paused.requests.toLocaleString('en')} requests to the other two ${paused.failed.length} failed.

Measured on ${cpus().length} processors (${cpus()[0]?.model.trim()}), Node ${process.versions.node}; when it began, ${load} processes were waiting for one.
`
}
