import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import type { Definitions, Snapshot } from '../../src/core/nouns.ts'
import { Taken } from '../../src/traffic/shared.ts'
import { countFailure, Slots } from '../../src/traffic/slots.ts'
import { define, START, worldOf } from '../support/world.ts'

const addresses = ['192.0.2.1', '192.0.2.2']
const definitions = define({
  gateways: [
    { name: 'many', address: 'many.lan' },
    { name: 'one', address: '192.0.2.9' },
    { name: 'alone', address: '192.0.2.8' },
  ],
  pools: [{ name: 'all', members: ['many', 'one'] }],
  routes: [{ name: 'pinned', target: { gateway: 'alone' } }],
})

function snapshotOf(value: Definitions): Snapshot {
  return begin(worldOf(value, { sight: { addresses: { 'many.lan': addresses } } }))
}

/** Slots whose releases are kept, with every upstream of `snapshot` in use. */
function slotsOf(snapshot: Snapshot) {
  const released: string[] = []
  const slots = new Slots(Math.random, new Taken(), ({ key }) => ({ release: () => released.push(key) }))
  for (const target of ['pool:all', 'gateway:alone']) slots.picker(snapshot, target)
  const keys = () => [...slots.all()].map(({ upstream }) => upstream.key).sort()
  return { slots, released, keys }
}

const ALL = ['-/alone/192.0.2.8:8080', 'all/many/192.0.2.1:8080', 'all/many/192.0.2.2:8080', 'all/one/192.0.2.9:8080']

test('every upstream has one slot, whoever asks for it', t => {
  const snapshot = snapshotOf(definitions)
  const { slots, keys } = slotsOf(snapshot)
  t.strictSame(keys(), ALL)
  const before = [...slots.all()]
  slots.picker(snapshotOf(definitions), 'pool:all')
  t.strictSame(keys(), ALL)
  t.ok(
    [...slots.all()].every(slot => before.includes(slot)),
    'the same ones after a change of plan',
  )
  t.end()
})

test('a picker is built anew only for another plan', t => {
  const snapshot = snapshotOf(definitions)
  const { slots } = slotsOf(snapshot)
  const first = slots.picker(snapshot, 'pool:all')
  t.equal(slots.picker({ ...snapshot }, 'pool:all'), first)
  t.not(slots.picker(snapshotOf(definitions), 'pool:all'), first)
  t.equal(slots.picker(snapshot, 'pool:unknown'), undefined)
  t.equal(slots.picker(snapshot, 'pool:__proto__'), undefined)
  t.end()
})

test('how long answers may take is the business of the pool that a member is of, also where it stands in for another', t => {
  const snapshot = snapshotOf(
    define({
      gateways: ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address, i) => ({ name: `g${i}`, address })),
      pools: [
        { name: 'plain', members: ['g0'], on_all_down: { action: 'fallback', pool: 'strict' } },
        { name: 'strict', members: ['g1'], passive: { unhealthy_latency: '2s' } },
        { name: 'quick', mode: 'load_balancing', lb_policy: 'latency', members: ['g2'] },
      ],
    }),
  )
  const slots = new Slots(Math.random, new Taken(), () => ({ release: () => undefined }))
  const of = (pool: string) => {
    const [member] = slots.picker(snapshot, `pool:${pool}`)?.members ?? []
    return [member?.timed, member?.slowAfter]
  }
  t.strictSame(of('plain'), [false, 0])
  t.strictSame(of('strict'), [true, 2_000])
  t.strictSame(of('quick'), [true, 0])
  t.end()
})

test('what definitions no longer know is let go once nothing uses it', t => {
  const snapshot = snapshotOf(definitions)
  const { slots, released, keys } = slotsOf(snapshot)
  const used = [...slots.all()].find(({ upstream }) => upstream.gateway === 'one')
  if (used === undefined) throw new Error('no such slot')
  used.load.inFlight = 1
  const without = snapshotOf({
    ...definitions,
    pools: definitions.pools.map(pool => ({ ...pool, members: pool.members.slice(0, 1) })),
    routes: [],
  })
  slots.second(without)
  t.strictSame(released, ['-/alone/192.0.2.8:8080'])
  used.load.inFlight = 0
  slots.second(without)
  t.strictSame(released, ['-/alone/192.0.2.8:8080', 'all/one/192.0.2.9:8080'])
  t.strictSame(keys(), ['all/many/192.0.2.1:8080', 'all/many/192.0.2.2:8080'])
  t.end()
})

test('what failed at an address that is gone still counts for its member, until that is gone too', t => {
  const snapshot = snapshotOf(definitions)
  const { slots } = slotsOf(snapshot)
  const failures = () =>
    [...slots.members()].filter(({ failures }) => failures > 0).map(one => [one.name, one.failures])
  for (const slot of slots.all()) if (slot.upstream.gateway === 'many') countFailure(slot)
  t.strictSame(failures(), [['many', 2]])
  const fewer = advance(snapshot, { kind: 'resolved', host: 'many.lan', addresses: ['192.0.2.1'], at: START })?.snapshot
  slots.picker(fewer as Snapshot, 'pool:all')
  slots.second(fewer as Snapshot)
  t.equal([...slots.all()].filter(({ upstream }) => upstream.gateway === 'many').length, 1)
  t.strictSame(failures(), [['many', 2]])
  const none = snapshotOf({ ...definitions, pools: [], routes: [] })
  slots.second(none)
  t.strictSame(failures(), [])
  t.end()
})

test('an upstream that is out of rotation keeps its slot, and what was counted', t => {
  let snapshot = snapshotOf(definitions)
  const { slots, released, keys } = slotsOf(snapshot)
  const slot = [...slots.all()].find(({ upstream }) => upstream.address === '192.0.2.1')
  if (slot === undefined) throw new Error('no such slot')
  slot.counts.failures = 3
  for (let i = 0; i < 3; i++) {
    const { upstream } = slot
    const step = advance(snapshot, { kind: 'outcome', upstream, route: 'app', result: 'reset', at: START + i })
    snapshot = step?.snapshot ?? snapshot
  }
  t.equal(snapshot.pools.all?.members[0]?.upstreams.length, 1, 'one address of it is ejected')
  slots.picker(snapshot, 'pool:all')
  slots.second(snapshot)
  t.strictSame(keys(), ALL)
  t.strictSame(released, [])
  t.end()
})
