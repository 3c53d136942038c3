import { test } from 'tap'
import { begin, foresee } from '../../src/core/advance.ts'
import { evaluation } from '../../src/core/changes.ts'
import { endFailovers, failBack, failOver, nextFailoverEnd } from '../../src/core/failover.ts'
import type { Failover, Serving, World } from '../../src/core/nouns.ts'
import { buildSnapshot } from '../../src/core/snapshot.ts'
import { EMPTY } from '../../src/core/store.ts'
import { define, down, drained, type Known, livenessOf, returning, START, up, worldOf } from '../support/world.ts'

const names = ['a', 'b', 'c']
const gateways = names.map(name => ({ name, address: '127.0.0.1', liveness: 'heartbeat' as const }))
const definitions = define({
  gateways,
  pools: [
    { name: 'p', failback_cooldown: '60s', members: names },
    { name: 'q', mode: 'load_balancing', members: names },
  ],
  routes: names.map(name => ({ name, match: { path: `/${name}` }, target: { gateway: name } })),
})
const over = (to: string): Failover => ({ kind: 'over', to, by: 'ops', since: START })
const back = (to: string): Failover => ({ kind: 'back', to, by: 'ops', since: START, until: START + 60_000 })
const all = { a: up, b: up, c: up }
const world = (known: Known): World => worldOf(definitions, known)
const wish = (one: Failover, records = all): World => world({ records, failovers: { p: one } })
const serving = (of: World): Serving | undefined => buildSnapshot(of, null, 'all').pools.p?.serving
const order = (of: World) => buildSnapshot(of, null, 'all').pools.p?.plan.choices.map(({ gateway }) => gateway)

/** The wish that a change makes of `before`; a refusal's code; `nothing`. */
const wished = (change: ReturnType<typeof failOver>, before: World) => {
  const outcome = change(before, START)
  if (outcome === null) return 'nothing'
  return 'kind' in outcome ? outcome.code : (outcome.documents.holds?.failovers.p ?? 'none')
}

test('whom somebody failed over to outranks those before it, as long as it is ready', t => {
  t.strictSame(order(wish(over('c'))), ['c', 'a', 'b'])
  t.match(serving(wish(over('c'))), { kind: 'failover', gateway: 'c', original: 'a', since: START, by: 'ops' })
  t.strictSame(order(world({ records: { ...all, c: down }, failovers: { p: over('c') } })), ['a', 'b'])
  t.match(serving(world({ records: all, holds: { c: [drained] }, failovers: { p: over('c') } })), { kind: 'first' })
  t.match(
    serving(world({ records: { a: down, b: up, c: up }, failovers: { p: over('c') } })),
    { gateway: 'c', original: 'a', by: 'ops', back_at: null },
    'over b, which the order would have chosen',
  )
  t.match(
    serving(world({ records: { a: down, b: up, c: up }, failovers: { p: over('b') } })),
    { gateway: 'b', by: null },
    'the order alone chooses b',
  )
  t.end()
})

test('a pinned gateway yields to whom its home pool failed over to, if that is behind it', t => {
  const { pinned } = buildSnapshot(wish(over('b')), null, 'all')
  t.match(pinned['gateway:a']?.serving, { kind: 'failover', gateway: 'b', original: 'a', by: 'ops' })
  t.match(pinned['gateway:b']?.serving, { kind: 'first', gateway: 'b' })
  t.match(pinned['gateway:c']?.serving, { kind: 'first', gateway: 'c' }, 'b stands before it anyway')
  const away = buildSnapshot(world({ records: { ...all, c: down }, failovers: { p: over('b') } }), null, 'all')
  t.match(
    away.pinned['gateway:c']?.serving,
    { kind: 'failover', gateway: 'b', by: 'ops' },
    'of its siblings b is first',
  )
  const unready = buildSnapshot(world({ records: { ...all, b: down }, failovers: { p: over('b') } }), null, 'all')
  t.match(unready.pinned['gateway:a']?.serving, { kind: 'first', gateway: 'a' })
  const alone = define({
    ...definitions,
    settings: {},
    routes: [{ name: 'r', target: { gateway: 'a' }, failover: 'never' }],
  })
  const stays = buildSnapshot(worldOf(alone, { records: all, failovers: { p: over('b') } }), null, 'all')
  t.match(stays.pinned['only:a']?.serving, { kind: 'first', gateway: 'a' })
  t.end()
})

test('failing back ends a failover by hand, and the cooldown of the first in order', t => {
  t.equal(wished(failBack('p', 'ops'), wish(over('b'))), 'none')
  t.equal(wished(failBack('p', 'ops'), world({ records: all })), 'nothing')
  const cooling = { ...all, a: returning() }
  t.strictSame(wished(failBack('p', 'ops'), world({ records: cooling })), back('a'))
  t.strictSame(wished(failBack('p', 'ops'), world({ records: cooling, failovers: { p: over('b') } })), back('a'))
  t.equal(wished(failBack('p', 'ops'), world({ records: cooling, failovers: { p: back('a') } })), 'nothing')
  t.equal(wished(failBack('p', 'ops'), world({ records: { ...all, a: down } })), 'member_not_ready')
  t.equal(wished(failBack('p', 'ops'), world({ records: { ...all, a: down }, failovers: { p: over('c') } })), 'none')

  t.match(serving(world({ records: cooling, failovers: { p: back('a') } })), { kind: 'first', gateway: 'a' })
  const again = { ...all, a: returning(START + 1) }
  t.match(serving(world({ records: again, failovers: { p: back('a') } })), { kind: 'failover', gateway: 'b' })
  t.end()
})

test('failing back ends the cooldown after an ejection, too', t => {
  const record = {
    kind: 'cooling' as const,
    since: START - 40_000,
    returned_at: START - 1,
    next_trial: START,
    reason: 'reset' as const,
    history: { times: 1, forget_at: START },
  }
  const passive = { 'p/a/127.0.0.1:8080': record }
  t.strictSame(wished(failBack('p', 'ops'), world({ records: all, sight: { passive } })), back('a'))
  t.match(serving(world({ records: all, failovers: { p: back('a') }, sight: { passive } })), { kind: 'first' })
  const gap = { 'p/a/127.0.0.1:8080': { ...record, returned_at: START + 5 } }
  t.match(serving(world({ records: all, failovers: { p: back('a') }, sight: { passive: gap } })), { gateway: 'b' })
  t.end()
})

test('what cannot be failed over is refused', t => {
  const it = world({ records: all })
  t.equal(wished(failOver('p', 'stranger', 'ops'), it), 'unknown_reference')
  t.equal(wished(failOver('q', 'b', 'ops'), it), 'pool_balances')
  t.equal(wished(failOver('x', 'b', 'ops'), it), 'not_found')
  t.equal(wished(failBack('q', 'ops'), it), 'pool_balances')
  t.equal(wished(failBack('x', 'ops'), it), 'not_found')
  t.strictSame(wished(failOver('p', 'b', 'ops'), it), over('b'))
  t.equal(wished(failOver('p', 'b', 'another'), wish(over('b'))), 'nothing')
  t.match(failOver('p', 'b', 'ops')(wish(over('c')), START), {
    audit: { subject: 'pool:p', before: over('c'), after: over('b') },
  })
  t.end()
})

test('a wish ends with its pool, its mode, its member, and a failback with the cooldown', t => {
  const { holds } = wish(over('c'))
  t.equal(endFailovers(wish(over('c')), holds.value, START), holds.value, 'nothing has ended')
  t.equal(nextFailoverEnd(wish(over('c'))), Number.POSITIVE_INFINITY)
  const [p, q] = definitions.pools
  for (const pools of [[q], [{ ...p, mode: 'load_balancing' }], [{ ...p, members: p?.members.slice(0, 2) }]]) {
    const after = { ...definitions, pools } as typeof definitions
    const without = worldOf(after, { records: all, failovers: { p: over('c') } })
    t.strictSame(endFailovers(without, holds.value, START).failovers, {})
    t.ok(nextFailoverEnd(without) <= START)
    t.match(evaluation(without, START), { documents: { holds: { failovers: {} } } })
    t.not(order(without)?.[0], 'c', 'and does not count until then')
  }
  t.equal(nextFailoverEnd(wish(back('a'))), START + 60_000)
  t.strictSame(endFailovers(wish(back('a')), wish(back('a')).holds.value, START + 60_000).failovers, {})
  t.end()
})

test('failover and failback by hand are told once, with their cause', t => {
  const told = (before: World, failovers: Readonly<Record<string, Failover>>) =>
    foresee(begin(before), { holds: { revision: 2, value: { ...EMPTY.holds, failovers } } }, START)
  t.match(told(world({ records: all }), { p: over('b') }), [
    { kind: 'pool_failover_activated', cause: 'operator', from: 'a', to: 'b', original: 'a', routes: names },
  ])
  t.match(told(wish(over('b')), { p: over('c') }), [{ kind: 'pool_failover_activated', cause: 'operator', from: 'b' }])
  t.match(told(wish(over('b')), {}), [{ kind: 'pool_failover_restored', cause: 'operator', from: 'b', to: 'a' }])
  const cooling = { ...all, a: returning() }
  t.match(told(world({ records: cooling }), { p: back('a') }), [
    { kind: 'pool_failover_restored', cause: 'operator', from: 'b', to: 'a' },
  ])
  t.strictSame(told(world({ records: cooling }), { p: over('b') }), [], 'b serves already')
  t.strictSame(told(world({ records: cooling, failovers: { p: back('a') } }), {}).length, 1, 'a has to wait again')
  const byOrder = foresee(
    begin(wish(over('b'))),
    { liveness: { revision: 2, value: livenessOf({ ...all, b: down }) } },
    START,
  )
  t.match(byOrder, [{ kind: 'pool_failover_restored', cause: 'failback' }], 'nobody asked for that')
  t.end()
})
