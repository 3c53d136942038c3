/** Results as a picture: a bar for each rival in each row, its processor time in user space and in the kernel. */
import type { Results, Summary } from './results.ts'
import { baseOf, type Row } from './rows.ts'
import { short } from './table.ts'

const WIDTH = 920
const MARGIN = 24
const BARS_FROM = 130
const BARS_TO = 700
const BAR = 14
const LINE = 20
const GAP = 34

const OWN = { user: '#1d4ed8', system: '#93b4f5' }
const OTHERS = { user: '#6b7280', system: '#c8ccd4' }

/** An SVG document. `own` is the rival that stands out. */
export function drawChart({ about, summaries }: Results, rows: readonly Row[], own: string): string {
  const parts: string[] = []
  let y = MARGIN + 10
  parts.push(text(MARGIN, y, 'Processor time of the proxy', 'font-size="18" font-weight="bold"'))
  y += 20
  const { machine, cores, node, commit, date, rounds, seconds } = about
  const rounded = `median of ${rounds} rounds of ${seconds} s; the line is the range`
  parts.push(
    text(MARGIN, y, `µs of each request, message or connection, user (dark) and system (light); ${rounded}`, GREY),
  )
  for (const row of rows) {
    const found = summaries.filter(summary => summary.row === row.name)
    if (found.length === 0) continue
    y += GAP
    parts.push(text(MARGIN, y, `${row.title} (× ${baseOf(row)})`, 'font-weight="bold"'))
    const scale = (BARS_TO - BARS_FROM) / Math.max(...found.map(({ processor }) => processor.max))
    for (const summary of found) {
      y += LINE
      parts.push(...bar(summary, y, scale, summary.rival === own ? OWN : OTHERS))
    }
  }
  y += GAP
  parts.push(text(MARGIN, y, `${machine}, ${cores} cores · Node ${node} · commit ${commit} · ${date} UTC`, GREY))
  const height = y + MARGIN
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#111827">`,
    '<title>Processor time of proxies</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

const GREY = 'font-size="12" fill="#6b7280"'

function bar(
  { rival, processor, user, system, ratio }: Summary,
  y: number,
  scale: number,
  colours: typeof OWN,
): string[] {
  // The medians of user and system need not add up to the median of their sum, which is the bar's length.
  const length = processor.median * scale
  const dark = (length * user) / (user + system || 1)
  const top = y - BAR + 3
  const middle = top + BAR / 2
  const label = `${short(processor.median)} µs${ratio === null ? '' : ` · ${ratio.median.toFixed(2)}×`}`
  return [
    text(BARS_FROM - 8, y, rival, 'text-anchor="end"'),
    rectangle(BARS_FROM, top, dark, colours.user),
    rectangle(BARS_FROM + dark, top, length - dark, colours.system),
    `<path d="M${place(processor.min, scale)} ${middle}H${place(processor.max, scale)}" stroke="#111827"/>`,
    text(BARS_TO + 12, y, label),
  ]
}

const place = (value: number, scale: number): string => (BARS_FROM + value * scale).toFixed(1)

const rectangle = (x: number, y: number, width: number, fill: string): string =>
  `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${fill}"/>`

const text = (x: number, y: number, words: string, attributes = ''): string =>
  `<text x="${x}" y="${y}" ${attributes}>${escaped(words)}</text>`

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

const escaped = (words: string): string => words.replace(/[&<>]/g, character => ENTITIES[character] ?? character)
