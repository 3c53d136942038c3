import { test } from 'tap'
import {
  createConnectionOptions,
  createCuts,
  cut,
  cutBetween,
  cutLines,
  fieldValues,
  findField,
  kept,
  readConnection,
} from '../../../src/traffic/http/connection.ts'

test('Connection is a list of tokens, some with a meaning', t => {
  const read = (value: string): unknown => {
    const options = createConnectionOptions()
    const bytes = Buffer.from(value, 'latin1')
    return readConnection(options, bytes, 0, bytes.length) && options
  }
  const nothing = { close: false, keepAlive: false, upgrade: false, nominated: null }
  t.strictSame(read(''), nothing)
  t.strictSame(read(' , ,\t'), nothing)
  t.strictSame(read('Keep-Alive'), { ...nothing, keepAlive: true })
  t.strictSame(read('upgrade,CLOSE'), { ...nothing, close: true, upgrade: true })
  t.strictSame(read('keep-alive ,\tX-A, x-b,x-a'), { ...nothing, keepAlive: true, nominated: new Set(['x-a', 'x-b']) })
  t.strictSame(read('host, cookie'), nothing)
  for (const bad of ['a b', 'close;', '"close"', 'a=b', '\xe9']) t.equal(read(bad), false, bad)
  t.end()
})

test('cuts may come in order or later, and are made once', t => {
  const cuts = createCuts()
  const text = '0123456789'
  t.equal(kept(text, 0, 10, cuts), text)
  cut(cuts, 2, 3)
  cut(cuts, 3, 4)
  cut(cuts, 8, 9)
  t.equal(kept(text, 0, 10, cuts), '0145679')
  t.equal(cuts.length, 4, 'neighbours become one')
  cutBetween(cuts, 6, 7)
  cutBetween(cuts, 3, 4)
  cutBetween(cuts, 0, 1)
  t.equal(kept(text, 0, 10, cuts), '14579')
  t.equal(kept(text, 0, 9, cuts), '1457')
  t.end()
})

test('cuts that overlap become one', t => {
  const text = '0123456789'
  const cuts = createCuts()
  cut(cuts, 2, 6)
  cutBetween(cuts, 3, 5)
  cutBetween(cuts, 5, 8)
  cutBetween(cuts, 1, 2)
  t.equal(kept(text, 0, 10, cuts), '089')
  t.equal(cuts.length, 2)
  t.end()
})

test('every line of a name is cut, beside what is cut already', t => {
  const text = 'A: 1\r\nb: 2\r\na: b\r\nC: A\r\nB:\r\n'
  const cuts = createCuts()
  cut(cuts, 6, 18)
  cutLines(cuts, text, 0, text.length, name => name === 'a')
  t.equal(kept(text, 0, text.length, cuts), 'C: A\r\nB:\r\n')
  cutLines(cuts, text, 0, text.length, name => name === 'b' || name === 'absent')
  t.equal(kept(text, 0, text.length, cuts), 'C: A\r\n')
  t.end()
})

test('all values of a field are found, and blanks inside of one take no long time', t => {
  const text = 'A: 1 \r\nb: 2\r\na:\t\r\nAA: 4\r\n'
  t.strictSame(fieldValues(text, 0, text.length, 'a'), ['1', ''])
  t.strictSame(fieldValues(text, 0, text.length, 'c'), [])
  const blanks = `A: x${' '.repeat(32_000)}y\r\n`
  const start = performance.now()
  t.equal(fieldValues(blanks, 0, blanks.length, 'a')[0]?.length, 32_002)
  const took = performance.now() - start
  t.ok(took < 50, `${took.toFixed(1)} ms`)
  t.end()
})

test('a field is found by its name, not by its text', t => {
  const text = 'GET / HTTP/1.1\r\nX: accept: no\r\nACCEPT: \t text/html \r\naccept: second\r\nEmpty:\r\n\r\n'
  const find = (name: string): string | undefined => findField(text, 16, text.length - 2, name)
  t.equal(find('accept'), 'text/html')
  t.equal(find('empty'), '')
  t.equal(find('x'), 'accept: no')
  t.equal(find('host'), undefined)
  t.equal(findField('', 0, 0, 'accept'), undefined)
  t.end()
})
