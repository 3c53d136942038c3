import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import { allBeats, beatsFrom } from '../../src/core/beats.ts'
import type { Event } from '../../src/core/events.ts'
import type { Snapshot } from '../../src/core/nouns.ts'
import { own } from '../../src/core/own.ts'
import { buildSnapshot, viewOf } from '../../src/core/snapshot.ts'
import { EMPTY } from '../../src/core/store.ts'
import { routesOf } from '../../src/core/told.ts'
import {
  beatsOf,
  define,
  down,
  drained,
  type Known,
  livenessOf,
  returning,
  START,
  up,
  worldOf,
} from '../support/world.ts'

const gateways = ['a', 'b', 'c'].map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const definitions = define({
  gateways: [...gateways, { name: 'nas', address: 'nas.lan' }, { name: 'lone', address: '::1', liveness: 'heartbeat' }],
  pools: [
    { name: 'one', members: ['a', 'b'] },
    { name: 'two', members: ['c', 'b'] },
    { name: 'three', mode: 'load_balancing', members: ['c', 'nas'] },
  ],
  routes: [
    { name: 'pin-a', target: { gateway: 'a' }, match: { path: '/1' } },
    { name: 'pin-c', target: { gateway: 'c' }, match: { path: '/2' } },
    { name: 'pin-lone', target: { gateway: 'lone' }, match: { path: '/3' } },
  ],
})
const records = { a: up, b: up, c: up, lone: up }
const fresh = (known: Known = { records }) => begin(worldOf(definitions, known))

const step = (snapshot: Snapshot, event: Event): Snapshot => {
  const advanced = advance(snapshot, event)
  if (advanced === null) throw new Error('nothing changed')
  return advanced.snapshot
}
const become = (snapshot: Snapshot, changed: Known['records']) =>
  step(snapshot, {
    kind: 'committed',
    documents: { liveness: { revision: 2, value: livenessOf({ ...records, ...changed }) } },
    facts: [],
    at: START,
  })
const beat = (gateway: string, instance: string, at = START): Event => ({
  kind: 'beat',
  gateway,
  instance,
  said: { state: 'ready' },
  at,
})

test('a step rebuilds only the pools and pins that it names', t => {
  const before = fresh()
  const after = become(before, { a: down })
  t.not(after, before)
  t.not(after.pools.one, before.pools.one)
  t.equal(after.pools.two, before.pools.two)
  t.equal(after.pools.three, before.pools.three)
  t.not(after.pinned['gateway:a'], before.pinned['gateway:a'])
  t.equal(after.pinned['gateway:c'], before.pinned['gateway:c'])
  t.equal(before.pools.one?.serving.kind, 'first', 'the old snapshot stays as it was')
  t.equal(after.pools.one?.serving.kind, 'failover')
  t.end()
})

test('a beat of a gateway that nobody holds rebuilds nothing', t => {
  const before = fresh()
  const after = step(before, beat('a', 'x'))
  t.equal(after.pools, before.pools)
  t.equal(after.pinned, before.pinned)
  t.match(beatsFrom(after.world.sight.beats, 'a'), { x: { at: START } })
  t.end()
})

test('of the beats that others heard the newer ones count, and those of strangers do not', t => {
  const said = { state: 'ready' } as const
  const heard = (beats: Parameters<typeof beatsOf>[0]): Event => ({
    kind: 'beats',
    beats: allBeats(beatsOf(beats)),
    at: START,
  })
  const before = step(fresh(), beat('a', 'x', START - 5))
  t.equal(advance(before, heard({ a: { x: { at: START - 6, said } }, stranger: { x: { at: START, said } } })), null)
  const after = step(
    before,
    heard({ a: { x: { at: START, said }, y: { at: START - 7, said } }, b: { z: { at: 1, said } } }),
  )
  t.strictSame(
    allBeats(after.world.sight.beats),
    allBeats(beatsOf({ a: { x: { at: START, said }, y: { at: START - 7, said } }, b: { z: { at: 1, said } } })),
  )
  t.equal(after.pools, before.pools)
  t.end()
})

test('which instance beats shows where one of them is held', t => {
  const hold = { ...drained, holder: 'x', instance: 'x' }
  const before = fresh({ records, holds: { a: [hold] } })
  t.match(before.pools.one?.members[0], { state: 'held' })
  const both = step(step(before, beat('a', 'x')), beat('a', 'y'))
  t.match(both.pools.one?.members[0], { state: 'up' })
  t.end()
})

test('instances that fell silent are forgotten when another beats', t => {
  const before = step(step(fresh(), beat('a', 'x')), beat('a', 'y', START + 89_999))
  t.strictSame(Object.keys(beatsFrom(before.world.sight.beats, 'a')).sort(), ['x', 'y'])
  const after = step(before, beat('a', 'y', START + 90_000))
  t.strictSame(Object.keys(beatsFrom(after.world.sight.beats, 'a')), ['y'])
  t.equal(advance(after, beat('stranger', 'x')), null, 'nor is anything kept of a gateway that nobody knows')
  t.end()
})

test('a pinned gateway that is in no pool is seen to go down, to be held and to get its address', t => {
  const before = fresh()
  t.match(before.pinned['gateway:lone']?.serving, { kind: 'first' })
  t.match(become(before, { lone: down }).pinned['gateway:lone']?.serving, { kind: 'nobody' })
  const held = { holds: { revision: 2, value: { ...EMPTY.holds, gateways: { lone: [drained] } } } }
  const drainedNow = step(before, { kind: 'committed', documents: held, facts: [], at: START })
  t.match(drainedNow.pinned['gateway:lone']?.serving, { kind: 'nobody' })
  const named = define({
    gateways: [{ name: 'nas', address: 'nas.lan' }],
    routes: [{ name: 'r', target: { gateway: 'nas' } }],
  })
  const unresolved = begin(worldOf(named))
  t.strictSame(unresolved.pinned['gateway:nas']?.plan.choices, [])
  const resolved = step(unresolved, { kind: 'resolved', host: 'nas.lan', addresses: ['10.0.0.1'], at: START })
  t.match(resolved.pinned['gateway:nas']?.plan.choices, [{ upstreams: [{ address: '10.0.0.1' }] }])
  t.end()
})

test('the same answer of a name server is no change; another one is, where the name is used', t => {
  const resolved = (...addresses: string[]): Event => ({ kind: 'resolved', host: 'nas.lan', addresses, at: START })
  const before = step(fresh(), resolved('10.0.0.1', '10.0.0.2'))
  t.equal(advance(before, resolved('10.0.0.1', '10.0.0.2')), null)
  const after = step(before, resolved('10.0.0.2'))
  t.equal(after.pools.one, before.pools.one)
  t.equal(after.pools.three?.plan.choices.at(-1)?.upstreams.length, 1)
  t.end()
})

test('what was held against an address goes with the address', t => {
  const resolved = (address: string): Event => ({ kind: 'resolved', host: 'nas.lan', addresses: [address], at: START })
  const upstream = { key: 'three/nas/10.0.0.1:8080', pool: 'three', gateway: 'nas' }
  let snapshot = step(fresh(), resolved('10.0.0.1'))
  for (let i = 0; i < 3; i++)
    snapshot = step(snapshot, { kind: 'outcome', upstream, route: 'r', result: 'reset', at: START })
  t.match(snapshot.pools.three?.members[1], { state: 'ejected' })
  snapshot = step(step(snapshot, resolved('10.0.0.2')), resolved('10.0.0.1'))
  t.match(snapshot.pools.three?.members[1], { state: 'up' })
  t.strictSame(snapshot.world.sight.passive, {})
  t.end()
})

test('what is remembered of what is gone is let go; what stays keeps it', t => {
  let snapshot = step(fresh(), { kind: 'resolved', host: 'nas.lan', addresses: ['10.0.0.1'], at: START })
  snapshot = step(step(snapshot, beat('a', 'x')), beat('b', 'x'))
  const fail = (pool: string, gateway: string): Event => ({
    kind: 'outcome',
    upstream: { key: `${pool}/${gateway}/127.0.0.1:8080`, pool, gateway },
    route: 'r',
    result: 'reset',
    at: START,
  })
  for (const [pool, gateway] of [
    ['one', 'a'],
    ['one', 'b'],
    ['two', 'b'],
  ] as const)
    snapshot = step(snapshot, fail(pool, gateway))
  const next = define({ gateways: gateways.slice(1), pools: [{ name: 'one', members: ['b'] }] })
  const after = step(snapshot, { kind: 'loaded', definitions: next, changed: [], at: START })
  const { passive, beats, addresses } = after.world.sight
  t.strictSame(Object.keys(passive), ['one/b/127.0.0.1:8080'])
  t.strictSame([...allBeats(beats).keys()], ['b'])
  t.strictSame(Object.keys(addresses), [])
  t.strictSame(Object.keys(after.pools), ['one'])
  t.end()
})

test('health: green all, yellow some, red none; the disabled are not counted', t => {
  const health = (known: Known['records']) => {
    const { health, text } = buildSnapshot(worldOf(definitions, { records: known ?? {} }), null, 'all').pools.one ?? {}
    return `${health} ${text}`
  }
  t.equal(health({ a: up, b: up }), 'green 2/2 healthy')
  t.equal(health({ a: up, b: down }), 'yellow 1/2 healthy')
  t.equal(health({ a: returning(), b: down }), 'red 0/2 healthy')
  const empty = buildSnapshot(worldOf(define({ pools: [{ name: 'p' }] })), null, 'all').pools.p
  t.match(empty, { health: 'red', text: '0/0 healthy', serving: { kind: 'nobody' } })
  const off = define({
    gateways: [{ name: 'a', address: '::1', enabled: false }],
    pools: [{ name: 'p', members: ['a'] }],
  })
  t.match(buildSnapshot(worldOf(off), null, 'all').pools.p, { health: 'red', text: '0/0 healthy' })
  t.end()
})

test('a snapshot is plain data', t => {
  const snapshot = become(step(fresh(), beat('a', 'x')), { a: returning(), b: down })
  t.strictSame(structuredClone(snapshot), snapshot)
  t.end()
})

test('a route shows its pool or its pin; one that answers by itself shows nothing and belongs to no pool', t => {
  const value = define({
    gateways,
    pools: [{ name: 'one', members: ['a', 'b'] }],
    routes: [
      { name: 'to-pool', target: { pool: 'one' } },
      { name: 'pin', target: { gateway: 'b' }, match: { path: '/pin' }, failover: 'never' },
      { name: 'moved', target: { redirect: { to: '/' } }, match: { path: '/moved' } },
      { name: 'fixed', target: { respond: {} }, match: { path: '/fixed' } },
    ],
  })
  const snapshot = begin(worldOf(value, { records }))
  t.strictSame(Object.keys(snapshot.pinned), ['only:b'])
  const [toPool, pin, moved, fixed] = value.routes.map(route => viewOf(snapshot, route))
  t.equal(toPool, snapshot.pools.one)
  t.equal(pin, snapshot.pinned['only:b'])
  t.strictSame([moved, fixed], [undefined, undefined])
  t.strictSame(routesOf(snapshot.world, 'one'), ['to-pool', 'pin'])
  t.end()
})

test('no name is special', t => {
  const names = ['constructor', 'valueof', 'hasownproperty', '1', '0']
  const odd = define({
    gateways: names.map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' })),
    pools: names.map(name => ({ name, members: names })),
    routes: names.map(name => ({ name, target: { gateway: name }, match: { path: `/${name}` } })),
  })
  let snapshot = begin(worldOf(odd))
  t.strictSame(
    own(snapshot.pools, 'constructor')?.members.map(({ state }) => state),
    names.map(() => 'unknown'),
  )
  t.strictSame(snapshot.world.sight.told, {})
  snapshot = step(snapshot, beat('constructor', 'constructor'))
  const value = livenessOf({ constructor: up, '1': up })
  snapshot = step(snapshot, {
    kind: 'committed',
    documents: { liveness: { revision: 2, value } },
    facts: [],
    at: START,
  })
  t.match(snapshot.pools['0']?.serving, { kind: 'first', gateway: 'constructor' })
  t.match(snapshot.pinned['gateway:valueof']?.serving, { kind: 'failover', gateway: 'constructor' })
  t.ok(isDeepStrictEqual(snapshot, buildSnapshot(snapshot.world, null, 'all')))
  t.end()
})
