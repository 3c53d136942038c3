import { test } from 'tap'
import { connectStorm, datagramPairs } from '../support/l4-stories.ts'
import { seed } from '../support/seed.ts'
import { transfers } from '../support/transfers.ts'

const MIB = 1024 * 1024

test('a member is killed under a storm of connects: none fails', async t => {
  const { total, failed, cut, facts } = await connectStorm({ rate: 200, seconds: 3 })
  t.equal(failed, 0, `of ${total}`)
  t.ok(cut < total / 10, `${cut} were open when it was killed`)
  t.ok(facts.includes('pool_failover_activated'))
})

test('a member is killed amid datagrams: every client goes on, and at most those in its hands are lost', async t => {
  const { done, lost, stuck, pairs } = await datagramPairs({ pairs: 2_000, clients: 50 })
  t.equal(done + lost, pairs)
  t.ok(lost <= 50, `${lost} lost`)
  t.equal(stuck, 0)
})

test('bytes both ways, each side ended at a moment of its own, past readers that stall: not one is another, in little memory', async t => {
  const { wrong, before, largest } = await transfers({ bytes: 96 * MIB, connections: 32, stalled: 8, seed })
  t.strictSame(wrong, [])
  t.ok(largest - before < 128 * MIB, `${Math.round((largest - before) / MIB)} MiB more`)
})
