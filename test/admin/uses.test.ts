import { test } from 'tap'
import { watchUses } from '../../src/admin/uses.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { handClock } from '../support/hand-clock.ts'

test('uses are told at once, and saved every 10 s and at the end', async t => {
  const clock = handClock(1_000)
  await using store = await openEmbeddedStore({ path: ':memory:', cluster: 'test', clock })
  const tokens = ['a', 'b'].map(id => ({ name: id, id, hash: '', role: 'viewer' as const, created_at: 0 }))
  await store.write({ expect: {}, documents: { access: { webhooks: [], tokens } }, facts: [], at: 0, by: 'test' })
  const uses = watchUses({ store, clock })
  uses.note({ name: 'a', role: 'viewer', id: 'a' })
  uses.note({ name: 'bootstrap', role: 'admin' })
  t.strictSame(await uses.read(), { a: 1_000 })
  t.strictSame(await store.readUses(), {})
  clock.advance(10_000)
  t.strictSame(await store.readUses(), { a: 1_000 })
  uses.note({ name: 'b', role: 'viewer', id: 'b' })
  t.strictSame(await uses.read(), { a: 1_000, b: 11_000 })
  uses[Symbol.dispose]()
  t.strictSame(await store.readUses(), { a: 1_000, b: 11_000 })

  const away = { ...store, readUses: () => Promise.reject(new Error('away')) }
  using again = watchUses({ store: away, clock })
  again.note({ name: 'a', role: 'viewer', id: 'a' })
  t.strictSame(await again.read(), { a: 11_000 }, 'what is known here is told while the store is away')
})
