import { test } from 'tap'
import { connectStorm, datagramPairs, transfers } from '../support/l4-stories.ts'
import { seed } from '../support/seed.ts'

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

test('many transfers both ways at once, each ended at a moment of its own, are byte for byte what was sent', async t => {
  t.comment(`seed ${seed}`)
  const { wrong } = await transfers({ bytes: 64 * 1024 * 1024, connections: 32 })
  t.strictSame(wrong, [])
})
