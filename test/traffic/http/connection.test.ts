import { test } from 'tap'
import {
  createConnectionOptions,
  createCuts,
  cut,
  cutBetween,
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
