import { test } from 'tap'
import { isKnown, readIfMatch } from '../../src/admin/answers.ts'

test('If-Match is * or a list of tags, compared strongly', t => {
  const cases: [field: string | undefined, expected: unknown][] = [
    [undefined, undefined],
    ['*', '*'],
    [' * ', '*'],
    ['"12"', [12]],
    ['"1", "2" ,\t"3"', [1, 2, 3]],
    [',, "7" ,', [7]],
    ['W/"12"', []],
    ['"a,b", "4"', [4]],
    ['"0x4", "4e1", "-4", "1234567890123456"', []],
  ]
  for (const [field, expected] of cases) t.strictSame(readIfMatch(field), expected, String(field))
  t.end()
})

test('what is no list of tags is refused', t => {
  for (const field of ['', ',', '12', '"12', '12"', '"1" "2"', '*, "1"', 'w/"1"', '"a b"', "'1'", '"1";']) {
    t.match(readIfMatch(field), { kind: 'refusal', code: 'bad_request' }, field)
  }
  t.end()
})

test('If-None-Match is compared weakly, and says nothing when it cannot be read', t => {
  for (const field of ['"12"', 'W/"12"', '"1", W/"12"', '*']) t.ok(isKnown(field, 12), field)
  for (const field of [undefined, '', '"1"', '12', '"12', 'W/12']) t.notOk(isKnown(field, 12), String(field))
  t.end()
})
