import t from 'tap'
import { allBeats, beatsFrom, NO_BEATS, onlyBeats, withBeats } from '../../src/core/beats.ts'
import type { Beats, HeardBeats } from '../../src/core/nouns.ts'

const heard = (gateway: string, at: number): Beats => new Map([[gateway, { one: { at, said: { state: 'ready' } } }]])

t.test('however many beats came, the newest of each gateway is the one that is known, as it was when it came', t => {
  const moments: HeardBeats[] = [NO_BEATS]
  for (let n = 0; n < 500; n++) moments.push(withBeats(moments.at(-1) as HeardBeats, heard(`g${(n * 7) % 100}`, n)))
  for (const [at, moment] of moments.entries()) {
    const expected = new Map<string, object>()
    for (let n = 0; n < at; n++) expected.set(`g${(n * 7) % 100}`, heard('', n).get('') as object)
    t.strictSame(Object.fromEntries(allBeats(moment)), Object.fromEntries(expected))
    for (const [gateway, beats] of expected) t.strictSame(beatsFrom(moment, gateway), beats)
    t.strictSame(beatsFrom(moment, 'stranger'), {})
  }
  t.end()
})

t.test('a beat of one of many copies a few of them', t => {
  const fleet: Beats = new Map(Array.from({ length: 1_000 }, (_, n) => [`g${n}`, {}] as const))
  let known = withBeats(NO_BEATS, fleet)
  let copied = 0
  for (let n = 0; n < 1_000; n++) {
    const before = known
    known = withBeats(before, heard(`g${n}`, n))
    copied += known.newer.size + (known.older === before.older ? 0 : known.older.size)
  }
  t.ok(copied < 1_000 * 50, `${copied} entries were copied`)
  t.end()
})

t.test('gateways that are gone are forgotten in both layers', t => {
  const fleet: Beats = new Map(Array.from({ length: 10 }, (_, n) => [`g${n}`, {}] as const))
  const known = withBeats(withBeats(NO_BEATS, fleet), heard('g1', 1))
  t.equal(known.newer.size, 1)
  const left = onlyBeats(known, name => name !== 'g1' && name !== 'g2')
  t.strictSame([...allBeats(left).keys()], ['g0', 'g3', 'g4', 'g5', 'g6', 'g7', 'g8', 'g9'])
  t.strictSame(beatsFrom(left, 'g1'), {})
  t.end()
})
