/** What the bench makes of its measurements, and that its rows are what they say. */
import { test } from 'tap'
import { drawChart } from '../bench/flow/chart.ts'
import { frames } from '../bench/flow/loads/websocket.ts'
import { wrk } from '../bench/flow/loads/wrk.ts'
import { readOptions } from '../bench/flow/options.ts'
import { type Results, type Sample, summarise } from '../bench/flow/results.ts'
import { headOf, ROWS, type Row } from '../bench/flow/rows.ts'
import { percentile, ratios, spread } from '../bench/flow/statistics.ts'
import { columns, formatResults } from '../bench/flow/table.ts'

test('the median is the middle one, or the mean of the middle two', t => {
  t.strictSame(spread([3, 1, 2]), { median: 2, min: 1, max: 3 })
  t.strictSame(spread([4, 1, 2, 10]), { median: 3, min: 1, max: 10 })
  t.strictSame(spread([7]), { median: 7, min: 7, max: 7 })
  t.equal(spread([]), null)
  t.end()
})

test('ratios are made within a round, of those rounds that both have', t => {
  const own = new Map([
    [1, 20],
    [2, 60],
    [3, 10],
  ])
  const base = new Map([
    [1, 10],
    [2, 20],
    [4, 10],
  ])
  t.strictSame(ratios(own, base), [2, 3])
  t.strictSame(ratios(own, new Map([[1, 0]])), [], 'and none of nothing')
  t.end()
})

test('a percentile is one of the values', t => {
  t.equal(percentile([1, 2, 3, 4], 0.5), 3)
  t.equal(percentile([1, 2, 3, 4], 1), 4)
  t.equal(percentile([], 0.5), 0)
  t.end()
})

test('the heads have the sizes that the rows are named by', t => {
  const size = (name: string): number => {
    const { work } = row(name)
    return work.kind === 'http' ? Buffer.byteLength(headOf(work.request)) : 0
  }
  t.equal(size('small'), 40)
  t.equal(size('browser'), 605)
  const { sent, echoed } = frames(64)
  t.strictSame([sent.length, echoed.length], [70, 66])
  t.end()
})

test("wrk's last line is read, whatever it says before", t => {
  const line = '{"requests":10,"failed":1,"microseconds":2000000,"p50":1500,"p99":20000}'
  t.strictSame(wrk.read(`Running 2s test\n  10 requests\n${line}\n`), {
    requests: 10,
    failed: 1,
    seconds: 2,
    p50: 1.5,
    p99: 20,
  })
  t.end()
})

test('options are chosen by name, and a wrong one is told', t => {
  t.match(readOptions([]), { rounds: 9, seconds: 3, quick: false })
  t.match(readOptions(['--quick', '--seconds', '2']), { rounds: 2, seconds: 2, quick: true })
  t.match(readOptions(['--rivals', 'haproxy,gatepool']), { rivals: [{ name: 'gatepool' }, { name: 'haproxy' }] })
  t.equal(readOptions(['--rows', 'small,large']), 'there is no row large')
  t.equal(readOptions(['--rounds', '0']), '--rounds must be a whole number from 1 to 9999')
  t.match(readOptions(['--slow']), /--slow/)
  t.end()
})

const sample = (round: number, rival: string, user: number, system: number): Sample => ({
  round,
  row: 'small',
  rival,
  requests: 1000,
  failed: round,
  user,
  system,
  busy: 1,
  per_second: 500,
  p50: 1,
  p99: 2,
  peak: round * 2 ** 20,
})
const samples = [
  sample(1, 'haproxy', 4, 6),
  sample(1, 'a<b', 5, 10),
  sample(2, 'haproxy', 8, 12),
  sample(2, 'a<b', 10, 14),
]

test('rounds become one summary for each row and rival, in the order asked for', t => {
  const summaries = summarise(samples, { rows: [row('browser'), row('small')], rivals: ['a<b', 'haproxy'] })
  t.match(summaries, [
    {
      row: 'small',
      rival: 'a<b',
      processor: { median: 19.5, min: 15, max: 24 },
      ratio: { median: 1.35, min: 1.2, max: 1.5 },
      user: 7.5,
      peak: 2 * 2 ** 20,
      requests: 2000,
      failed: 3,
    },
    { rival: 'haproxy', ratio: { median: 1, min: 1, max: 1 } },
  ])
  t.equal(summaries.length, 2)
  const alone = summarise(
    samples.filter(({ rival }) => rival === 'a<b'),
    { rows: [row('small')], rivals: ['a<b'] },
  )
  t.equal(alone[0]?.ratio, null, 'without the base there is no ratio')
  const datagrams = [sample(1, 'nginx', 2, 8), sample(1, 'a<b', 5, 10)].map(one => ({ ...one, row: 'udp' }))
  const [udp] = summarise(datagrams, { rows: [row('udp')], rivals: ['a<b'] })
  t.equal(udp?.ratio?.median, 1.5, 'the base of UDP is nginx: HAProxy has none')
  t.end()
})

test('the table and the chart show what was measured and tell what was not', t => {
  const results: Results = {
    about: {
      date: '2025-11-20T12:00',
      commit: 'abc1234',
      machine: 'A & B',
      cores: 2,
      memory_gib: 4,
      kernel: 'Linux 6',
      node: '24',
      load_before: 0,
      load: 'wrk',
      pinned: 'nothing pinned',
      rounds: 2,
      seconds: 1,
    },
    rivals: [{ name: 'a<b', version: '1.0' }],
    troubles: [{ rival: 'nginx', row: '', trouble: 'not installed' }],
    summaries: summarise(samples, { rows: [row('small')], rivals: ['a<b', 'haproxy'] }),
    samples,
  }
  const rows = [row('small'), row('browser')]
  const table = formatResults(results, rows)
  t.match(table, /^a<b +19\.5 +\[15\.0–24\.0\] +7\.50 +12\.0 +1\.35 +\[1\.20–1\.50\] .* 3 of 2,000$/m)
  t.match(table, 'not measured: nginx: not installed')
  const chart = drawChart(results, rows, 'a<b')
  t.match(chart, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
  t.match(chart, '>a&lt;b</text>')
  t.match(chart, 'A &amp; B')
  t.equal(chart.match(/<rect/g)?.length, 1 + 2 * 2, 'two parts of a bar for each, and the ground')
  t.notMatch(chart, /NaN|undefined|Infinity/)
  t.end()
})

test('columns are as wide as their widest cell', t => {
  t.strictSame(
    columns([
      ['a', 'bb'],
      ['ccc', 'd'],
    ]),
    ['a    bb', 'ccc   d'],
  )
  t.end()
})

function row(name: string): Row {
  const found = ROWS.find(one => one.name === name)
  if (found === undefined) throw new Error(`there is no row ${name}`)
  return found
}
