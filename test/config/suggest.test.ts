import fc from 'fast-check'
import { test } from 'tap'
import { didYouMean, distance, limitedHints, nearest, quote } from '../../src/config/suggest.ts'

test('the distance counts insertions, losses, replacements and swapped neighbours', t => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['home', 'home', 0],
    ['', 'home', 4],
    ['hme', 'home', 1],
    ['hoome', 'home', 1],
    ['hone', 'home', 1],
    ['hoem', 'home', 1],
    ['ehmo', 'home', 3],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ]
  for (const [a, b, steps] of cases) t.equal(distance(a, b), steps, `${a} → ${b}`)
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      const steps = distance(a, b)
      return steps === distance(b, a) && (steps === 0) === (a === b) && steps <= Math.max(a.length, b.length)
    }),
  )
  t.end()
})

test('only what is near enough is suggested, the nearest first', t => {
  t.equal(nearest('membres', ['members', 'match', 'mode']), 'members')
  t.equal(nearest('MODE', ['mode']), 'mode')
  t.equal(nearest('banana', ['members', 'match', 'mode']), undefined)
  t.equal(nearest('nas1', ['nas2', 'nas', 'nas10']), 'nas2')
  t.equal(nearest('a', []), undefined)
  t.equal(didYouMean('hoem', ['home']), ' (did you mean "home"?)')
  t.equal(didYouMean('x'.repeat(2 ** 20), ['x']), '')
  t.end()
})

test('hints end when there have been enough of them', t => {
  const hint = limitedHints(2)
  t.strictSame(
    [1, 2, 3].map(() => hint('hoem', ['home'])),
    [' (did you mean "home"?)', ' (did you mean "home"?)', ''],
  )
  t.end()
})

test('text of others is quoted short and without control characters', t => {
  t.equal(quote('home'), '"home"')
  t.equal(quote('a\nb\u001b[31m'), '"a\\nb\\u001b[31m"')
  t.ok(quote('x'.repeat(2 ** 20)).length < 50)
  t.end()
})
