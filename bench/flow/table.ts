/** Results for a terminal. */
import type { Results, Summary } from './results.ts'
import { baseOf, type Row } from './rows.ts'
import type { Spread } from './statistics.ts'

export function formatResults({ about, rivals, troubles, summaries }: Results, rows: readonly Row[]): string {
  const { machine, cores, memory_gib, kernel, node, commit, date, pinned, load, rounds, seconds } = about
  const head = [
    `${machine}, ${cores} cores, ${memory_gib} GiB, ${kernel}, Node ${node}`,
    `${date} UTC, commit ${commit}; ${pinned}; load by ${load}`,
    `median [min–max] of ${rounds} rounds of ${seconds} s; processor time is all of the proxy's threads, user + system`,
    ...rivals.map(({ name, version }) => `  ${name}: ${version}`),
  ]
  const blocks = rows.map(row => {
    const base = baseOf(row)
    const own = summaries.filter(summary => summary.row === row.name)
    const target =
      row.target === undefined ? '' : ` — gatepool: goal ${row.target.goal}, gate ${row.target.gate} × ${base}`
    const titles = [
      row.name,
      `µs/${row.unit}`,
      '[min–max]',
      'user',
      'system',
      `× ${base}`,
      '[min–max]',
      `${row.unit}s/s`,
      'p50 ms',
      'p99 ms',
      'peak MiB',
      'busy',
      'failed',
    ]
    return [`${row.title}${target}`, ...columns([titles, ...own.map(cells)])].join('\n')
  })
  const notes = troubles.map(
    ({ rival, row, trouble }) => `not measured: ${rival}${row === '' ? '' : `, ${row}`}: ${trouble}`,
  )
  return [head.join('\n'), ...blocks, ...(notes.length === 0 ? [] : [notes.join('\n')])].join('\n\n')
}

function cells(summary: Summary): string[] {
  const { rival, processor, user, system, ratio, per_second, p50, p99, peak, busy, failed, requests } = summary
  return [
    rival,
    short(processor.median),
    range(processor, short),
    short(user),
    short(system),
    ratio === null ? '' : ratio.median.toFixed(2),
    ratio === null ? '' : range(ratio, value => value.toFixed(2)),
    Math.round(per_second).toLocaleString('en'),
    p50.toFixed(2),
    p99.toFixed(2),
    (peak / 2 ** 20).toFixed(0),
    `${(busy * 100).toFixed(0)} %`,
    failed === 0 ? '0' : `${failed.toLocaleString('en')} of ${requests.toLocaleString('en')}`,
  ]
}

/** Three digits, or all of those before the point. */
export const short = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)

const range = ({ min, max }: Spread, format: (value: number) => string): string => `[${format(min)}–${format(max)}]`

/** Lines of equal columns, the first aligned to the left and the others to the right. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)))
  return rows.map(row =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  )
}
