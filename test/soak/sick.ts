/**
 * Measures what becomes of members that are ill (`test/support/sick.ts`), with the pace that the document tells, and writes the table of
 * `docs/concepts/passive-health.md`:
 *
 *     node test/soak/sick.ts [--write]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Figures, fallIll, illnesses } from '../support/sick.ts'

const PAGE = join(import.meta.dirname, '../../docs/concepts/passive-health.md')
const PACE = { every: 10, patience: 1_000, latency: 500, ejection: 5_000 }

const { values } = parseArgs({ options: { write: { type: 'boolean' } } })
const rows: string[][] = [
  [
    'the member',
    'is ejected for',
    'found out after',
    'clients got until then',
    'is out',
    'clients got meanwhile',
    'serves again',
  ],
]
rows.push(rows[0]?.map(() => '---') ?? [])
for (const illness of illnesses) rows.push([illness.how, `\`${illness.cause}\``, ...said(await fallIll(illness, PACE))])
const table = rows.map(row => `| ${row.join(' | ')} |\n`).join('')
console.log(table)
if (values.write) {
  const page = readFileSync(PAGE, 'utf8')
  writeFileSync(PAGE, page.replace(/(<!-- measured: sick -->\n).*?(<!-- end -->)/s, `$1${table}$2`))
}

function said({ given, found, seen, slowest, out, meanwhile, again }: Figures): string[] {
  const time = (ms: number) => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`)
  const counts = (of: Figures['seen']) =>
    Object.entries(of)
      .map(([status, count]) => `${count} × ${status}`)
      .join(', ')
  return [
    `${given} requests, ${time(found)}`,
    `${counts(seen)}; the slowest after ${time(slowest)}`,
    time(out),
    counts(meanwhile),
    `after ${time(again)}`,
  ]
}
