import { test } from 'tap'
import { createGuesses } from '../../src/admin/guesses.ts'

test('twenty wrong guesses of an address are too many, and every 3 s one more is free', t => {
  let now = 1_000_000
  const guesses = createGuesses(() => now)
  for (let n = 0; n < 20; n++) {
    t.equal(guesses.tooMany('192.0.2.1'), false)
    guesses.add('192.0.2.1')
  }
  t.equal(guesses.tooMany('192.0.2.1'), true)
  t.equal(guesses.tooMany('::ffff:192.0.2.1'), true, 'the same address as IPv6 writes it')
  t.equal(guesses.tooMany('192.0.2.2'), false)
  now += 3_000
  t.equal(guesses.tooMany('192.0.2.1'), false)
  guesses.add('192.0.2.1')
  t.equal(guesses.tooMany('192.0.2.1'), true)
  now += 60_000
  for (let n = 0; n < 20; n++) guesses.add('192.0.2.1')
  t.equal(guesses.tooMany('192.0.2.1'), true, 'all of them were forgotten, and no more than all')
  t.end()
})

test('an IPv6 network of 64 bits is one address', t => {
  const guesses = createGuesses(() => 0)
  for (let n = 0; n < 20; n++) guesses.add(`2001:db8:0:7:${n.toString(16)}::1`)
  t.equal(guesses.tooMany('2001:db8:0:7::9'), true)
  t.equal(guesses.tooMany('2001:db8:0:8::9'), false)
  t.end()
})

test('a thousand addresses are remembered, the one that was quiet for longest goes', t => {
  const guesses = createGuesses(() => 0)
  const many = (address: string) => {
    for (let n = 0; n < 20; n++) guesses.add(address)
  }
  many('192.0.2.1')
  many('192.0.2.2')
  for (let n = 0; n < 998; n++) guesses.add(`10.1.${n >> 8}.${n & 255}`)
  guesses.add('192.0.2.1')
  guesses.add('10.2.0.1')
  t.equal(guesses.tooMany('192.0.2.1'), true)
  t.equal(guesses.tooMany('192.0.2.2'), false)
  t.end()
})
