import { test } from 'tap'
import { refuse } from '../../src/errors.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState } from '../../src/state.ts'
import { keepStickyKey } from '../../src/traffic/sticky-key.ts'
import { handClock } from '../support/hand-clock.ts'
import { memoryStore } from '../support/memory-store.ts'
import { until } from '../support/raw-peer.ts'
import { define, START, worldOf } from '../support/world.ts'

const plain = define({ pools: [{ name: 'p' }] })
const sticky = define({ pools: [{ name: 'p', sticky: { cookie: 'keep' } }] })

async function replica(store = memoryStore(() => START)) {
  const world = { ...worldOf(plain), ...(await store.read()), definitions: { revision: 1, value: plain } }
  const onError = (error: unknown) => {
    throw error
  }
  const state = createState({ world, cluster: 'test', replica: 'one', boot: 'b', onError })
  const clock = handClock()
  const ledger = createLedger({ state, store, definitions: 'file' })
  const keeping = keepStickyKey({ state, ledger, clock })
  return {
    store,
    clock,
    want: () =>
      state.apply({ kind: 'committed', documents: { definitions: { revision: 2, value: sticky } }, facts: [], at: 1 }),
    key: () => state.snapshot.world.access.value.sticky_key,
    [Symbol.dispose]: () => keeping[Symbol.dispose](),
  }
}

test('a key is made when the first pool wants one, and is the same for all replicas', async t => {
  using one = await replica()
  using two = await replica(one.store)
  t.equal(one.key(), undefined)
  one.want()
  await until(() => one.key() !== undefined, 'there is a key')
  t.match(one.key(), /^[\w-]{43}$/)
  two.want()
  await until(() => two.key() !== undefined, 'the other has it too')
  t.equal(two.key(), one.key())
  t.strictSame(one.store.committed, [], 'nothing is told of it')
})

test('while the store is away it is tried again', async t => {
  using one = await replica()
  one.store.disturb = () => refuse('store_unavailable', 'it is away')
  one.want()
  await new Promise(resolve => setImmediate(resolve))
  t.equal(one.key(), undefined)
  one.store.disturb = null
  one.clock.advance(5_000)
  await until(() => one.key() !== undefined, 'there is a key')
})
