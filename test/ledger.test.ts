import { test } from 'tap'
import { firstSight } from '../src/core/advance.ts'
import { type Change, evaluation } from '../src/core/changes.ts'
import { replaceMembers } from '../src/core/edits-members.ts'
import { deletePool } from '../src/core/edits-objects.ts'
import type { Fact } from '../src/core/events.ts'
import type { Definitions, GatewayRecord } from '../src/core/nouns.ts'
import type { Write, WriteResult } from '../src/core/store.ts'
import { refuse } from '../src/errors.ts'
import { createLedger } from '../src/ledger.ts'
import { createState } from '../src/state.ts'
import { type MemoryStore, memoryStore } from './support/memory-store.ts'
import { define, down, livenessOf, START, up } from './support/world.ts'

const gateways = ['a', 'b'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const definitions = define({ gateways, pools: [{ name: 'p', members: ['a', 'b'] }] })
const NOW = START + 90_000

/** A replica on a store that holds `records`; definitions are in the store, or else given by its file. */
async function open(mode: 'store' | 'file' = 'store', records: Record<string, GatewayRecord> = { a: up, b: up }) {
  const liveness = livenessOf(records)
  const store = memoryStore(() => NOW, mode === 'store' ? { definitions, liveness } : { liveness })
  const documents = await store.read()
  const errors: unknown[] = []
  const state = createState({
    world: {
      ...documents,
      definitions: mode === 'store' ? documents.definitions : { revision: 1, value: definitions },
      sight: firstSight(START),
    },
    cluster: 'test',
    replica: 'r1',
    boot: 'x',
    onError: error => errors.push(error),
  })
  return { store, state, ledger: createLedger({ state, store, definitions: mode }), errors }
}

/** Makes `gateway` be seen at `since`. */
const see =
  (gateway: string, since: number): Change =>
  ({ liveness }) => ({
    documents: { liveness: livenessOf({ ...liveness.value.gateways, [gateway]: { state: 'up', since } }) },
    facts: [{ kind: 'first_alive', at: since, subject: gateway, cause: 'beat' }],
  })

const order = (names: readonly string[]) =>
  replaceMembers(
    'p',
    names.map(gateway => ({ gateway, weight: 1 })),
    { check: () => null },
  )

test('a commit is in the store and in the snapshot, with its facts, when it answers', async t => {
  const { store, state, ledger } = await open()
  const outcome = await ledger.commit(evaluation, 'system')
  t.match(outcome, { kind: 'committed', revision: 2 })
  t.match(store.documents.liveness, { revision: 2, value: { gateways: { a: { state: 'down' } } } })
  t.equal(state.snapshot.world.liveness, store.documents.liveness)
  t.strictSame(
    store.committed.map(({ id, kind, subject }) => `${id} ${kind} ${subject}`),
    ['2-0 gateway_down a', '2-1 gateway_down b', '2-2 pool_outage_started p'],
    'who serves is told by the same commit',
  )
  t.match(outcome, { facts: store.committed })
})

test('the writer is told who asked, when, and what must not have changed', async t => {
  const { store, ledger } = await open()
  let seen: Write | undefined
  store.disturb = write => {
    seen = write
    return undefined
  }
  await ledger.commit(see('a', 5), 'alice')
  t.match(seen, { by: 'alice', at: NOW, documents: { liveness: {} } })
  t.strictSame(seen?.expect, { definitions: 1, holds: 0, liveness: 1 }, 'everything that who serves follows from')
})

test('traffic has its turn between two commits, however many are asked for at once', async t => {
  const { ledger } = await open()
  let turns = 0
  const turn = () => {
    turns++
    handle = setImmediate(turn)
  }
  let handle = setImmediate(turn)
  await Promise.all(Array.from({ length: 20 }, (_, i) => ledger.commit(see('a', i), 'alice')))
  clearImmediate(handle)
  t.ok(turns >= 19, `${turns} turns of the loop`)
})

test('each fact reaches the listeners once', async t => {
  const { state, ledger } = await open()
  const heard: string[] = []
  state.onFact(({ id, kind, replica }) => heard.push(`${replica ?? 'cluster'} ${id} ${kind}`))
  await ledger.commit(evaluation, 'system')
  await ledger.commit(evaluation, 'system')
  t.strictSame(heard, ['cluster 2-0 gateway_down', 'cluster 2-1 gateway_down', 'cluster 2-2 pool_outage_started'])
})

test('nothing to change is committed without a write', async t => {
  const { store, state, ledger } = await open()
  store.disturb = () => {
    throw new Error('asked the store')
  }
  const { snapshot } = state
  t.strictSame(await ledger.commit(() => null, 'system'), { kind: 'committed', revision: 1, facts: [], snapshot })
})

test('commits are made one after the other, in the order of the calls, each on what the last one left', async t => {
  const { store, ledger } = await open()
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => ledger.commit(see(`g${i}`, i), 'test')))
  t.strictSame(
    outcomes.map(outcome => outcome.kind === 'committed' && outcome.revision),
    Array.from({ length: 20 }, (_, i) => i + 2),
  )
  t.strictSame(
    store.committed.map(({ subject }) => subject),
    Array.from({ length: 20 }, (_, i) => `g${i}`),
  )
  t.equal(Object.keys(store.documents.liveness.value.gateways).length, 22)
})

/** Another writer is faster than each of the next `times` writes. */
function overtake(store: MemoryStore, times: number): void {
  let left = times
  store.disturb = () => {
    const { gateways } = store.documents.liveness.value
    if (left-- > 0) store.put({ liveness: livenessOf({ ...gateways, [`other${left}`]: up }) })
    return undefined
  }
}

test('when others were faster the change is asked again on what they left', async t => {
  const { store, state, ledger } = await open()
  overtake(store, 4)
  const outcome = await ledger.commit(see('mine', 1), 'test')
  t.match(outcome, { kind: 'committed', revision: 6 })
  t.strictSame(Object.keys(state.snapshot.world.liveness.value.gateways).sort(), [
    'a',
    'b',
    'mine',
    'other0',
    'other1',
    'other2',
    'other3',
  ])
})

test('five times at most; then it is a refusal', async t => {
  const { store, ledger } = await open()
  let asked = 0
  overtake(store, 99)
  const change: Change = (world, now) => {
    asked++
    return see('mine', 1)(world, now)
  }
  t.match(await ledger.commit(change, 'test'), { kind: 'refusal', code: 'revision_conflict' })
  t.equal(asked, 5)
  store.disturb = null
  t.match(await ledger.commit(see('mine', 1), 'test'), { kind: 'committed' }, 'and the next one is none the worse')
})

test('a refusal of the change or of the store is a value, and nothing is applied', async t => {
  const { store, state, ledger } = await open()
  const before = state.snapshot
  const refused = deletePool('none', { check: () => null })
  t.match(await ledger.commit(refused, 'test'), { kind: 'refusal', code: 'not_found' })
  store.disturb = () => refuse('store_unavailable', 'it is away')
  t.match(await ledger.commit(evaluation, 'system'), { kind: 'refusal', code: 'store_unavailable' })
  t.equal(state.snapshot, before)
  t.strictSame(store.committed, [])
})

test('a change is asked when its turn comes, not when it was called', async t => {
  const { ledger, state } = await open()
  const [, second] = await Promise.all([
    ledger.commit(order(['b', 'a']), 'test'),
    ledger.commit(world => {
      t.strictSame(
        world.definitions.value.pools[0]?.members.map(({ gateway }) => gateway),
        ['b', 'a'],
      )
      return null
    }, 'test'),
  ])
  t.equal(second?.kind, 'committed')
  t.equal(state.snapshot.pools.p?.plan.choices[0]?.gateway, 'b')
})

test('where definitions come from the file, changing them is refused; everything else is committed', async t => {
  const { store, ledger } = await open('file')
  t.match(await ledger.commit(order(['b', 'a']), 'test'), { kind: 'refusal', code: 'defined_by_file' })
  t.equal(store.documents.definitions.revision, 0)
  t.match(await ledger.commit(evaluation, 'system'), { kind: 'committed', revision: 2 })
})

test('where definitions come from the file, those in the store never take their place', async t => {
  const { store, state, ledger } = await open('file')
  const before: Definitions = state.snapshot.world.definitions.value
  overtake(store, 1)
  t.match(await ledger.commit(see('mine', 1), 'test'), { kind: 'committed' })
  t.equal(state.snapshot.world.definitions.value, before)
  t.equal(state.snapshot.pools.p?.members.length, 2)
})

test('a store or a change that throws fails its own commit, and not the next', async t => {
  const { store, ledger } = await open()
  const broken = (): WriteResult => {
    throw new Error('disk gone')
  }
  store.disturb = broken
  const first = ledger.commit(see('x', 1), 'test')
  const second = ledger.commit(() => {
    throw new Error('a bug')
  }, 'test')
  const third = ledger.commit(() => null, 'test')
  await t.rejects(first, { message: 'disk gone' })
  await t.rejects(second, { message: 'a bug' })
  t.match(await third, { kind: 'committed' })
  store.disturb = null
  t.match(await ledger.commit(see('x', 1), 'test'), { kind: 'committed', revision: 2 })
})

test('what happens here while the store writes is not lost, and is told beside the commit', async t => {
  const { store, state, ledger } = await open()
  const heard: string[] = []
  state.onFact(fact => heard.push(`${fact.replica ?? 'cluster'} ${fact.kind}${'to' in fact ? ` ${fact.to}` : ''}`))
  const c = define({
    gateways: [...gateways, { name: 'c', address: '127.0.0.1' }],
    pools: [{ name: 'p', members: ['a', 'b', 'c'] }],
  })
  await ledger.commit(() => ({ documents: { definitions: c }, facts: [] }), 'test')
  store.disturb = () => {
    // b is ejected here between the question and the answer.
    const upstream = { key: 'p/b/127.0.0.1:8080', pool: 'p', gateway: 'b' }
    for (let i = 0; i < 3; i++) state.apply({ kind: 'outcome', upstream, route: 'r', result: 'reset', at: NOW })
    return undefined
  }
  const dead: Change = () => ({
    documents: { liveness: livenessOf({ a: { state: 'down', since: NOW }, b: up }) },
    facts: [],
  })
  await ledger.commit(dead, 'system')
  await Promise.resolve()
  t.equal(state.snapshot.pools.p?.plan.choices[0]?.gateway, 'c')
  t.strictSame(heard, ['r1 member_ejected', 'cluster pool_failover_activated b', 'r1 pool_failover_activated c'])
})

test('what others committed comes in between two commits, and their facts are heard and not told again', async t => {
  const { store, state, ledger } = await open()
  const heard: string[] = []
  state.onFact((fact, byOthers) => heard.push(`${fact.id} ${fact.kind} ${byOthers ? 'heard' : 'told'}`))
  const fact: Fact = { kind: 'gateway_down', at: NOW, subject: 'a', cause: 'stale', id: '2-1', cluster: 'test' }
  const moved: Fact = {
    ...{ kind: 'pool_failover_activated', at: NOW, subject: 'p', cause: 'down', id: '2-2', cluster: 'test' },
    ...{ from: 'a', to: 'b', original: 'a', routes: [] },
  }
  const order: string[] = []
  const liveness = { ...state.snapshot.world.liveness.value, gateways: { a: down, b: up } }
  const first = ledger.commit(see('x', 1), 'test').then(() => order.push('first'))
  const news = ledger.takeIn(async () => {
    order.push('asked')
    store.put({ liveness })
    return { documents: { liveness: store.documents.liveness }, heard: [fact, moved], facts: [], beats: new Map() }
  })
  const second = ledger.commit(see('y', 1), 'test').then(() => order.push('second'))
  await Promise.all([first, news, second])
  t.strictSame(order, ['first', 'asked', 'second'])
  t.equal(state.snapshot.pools.p?.plan.choices[0]?.gateway, 'b')
  t.strictSame(heard, [
    '2-0 first_alive told',
    '2-1 gateway_down heard',
    '2-2 pool_failover_activated heard',
    '4-0 first_alive told',
  ])
})

test('what the first news since a start brings was told before; what ends it is told', async t => {
  const { store, state, ledger } = await open()
  const told: string[] = []
  state.onFact(({ kind, subject }) => told.push(`${kind} ${subject}`))
  const become = (a: typeof up | typeof down, first: boolean) =>
    ledger.takeIn(async () => {
      store.put({ liveness: { ...store.documents.liveness.value, gateways: { a, b: up } } })
      return { documents: { liveness: store.documents.liveness }, heard: [], facts: [], beats: new Map(), first }
    })
  await become(down, true)
  t.equal(state.snapshot.pools.p?.plan.choices[0]?.gateway, 'b')
  t.strictSame(told, [])
  await become(up, false)
  t.strictSame(told, ['pool_failover_restored p'])
})

test('a store that cannot be asked for news changes nothing', async t => {
  const { state, ledger } = await open()
  const before = state.snapshot
  t.match(await ledger.takeIn(async () => refuse('store_unavailable', 'it is away')), { code: 'store_unavailable' })
  t.equal(state.snapshot, before)
})

test('the facts of whoever was faster are heard with the conflict', async t => {
  const { store, state, ledger } = await open()
  const heard: string[] = []
  state.onFact((fact, byOthers) => heard.push(`${fact.id} ${byOthers ? 'heard' : 'told'}`))
  const fact: Fact = { kind: 'gateway_down', at: NOW, subject: 'a', cause: 'stale', id: '2-1', cluster: 'test' }
  store.disturb = () => {
    store.disturb = null
    store.put({ liveness: { ...store.documents.liveness.value, gateways: { a: down, b: up } } })
    return { kind: 'conflict', documents: store.documents, heard: [fact], facts: [], beats: new Map() }
  }
  await ledger.commit(see('x', 1), 'test')
  t.strictSame(heard, ['2-1 heard', 'r1-x-1 told', '3-0 told'])
})
