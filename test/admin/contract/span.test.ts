import { test } from 'tap'
import { relative, span } from '../../../src/admin/contract/span.ts'

test('a span is told in its two largest units', t => {
  const cases: [ms: number, text: string][] = [
    [0, '0 s'],
    [-5, '0 s'],
    [499, '0 s'],
    [500, '1 s'],
    [59_499, '59 s'],
    [59_500, '1 min'],
    [90_000, '1 min 30 s'],
    [3_600_000, '1 h'],
    [3_600_000 + 59_000, '1 h'],
    [5_025_000, '1 h 23 min'],
    [26 * 3_600_000, '1 d 2 h'],
    [400 * 86_400_000, '400 d'],
  ]
  for (const [ms, text] of cases) t.equal(span(ms), text)
  t.end()
})

test('a moment is told as seen from now', t => {
  t.equal(relative(1_000, 4_000), '3 s ago')
  t.equal(relative(4_000, 1_000), 'in 3 s')
  t.equal(relative(4_000, 4_000), '0 s ago')
  t.end()
})
