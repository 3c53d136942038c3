import { test } from 'tap'
import { advance, begin } from '../../src/core/advance.ts'
import { beat, type Change, evaluation, forgetInstance, turnedAway } from '../../src/core/changes.ts'
import { nextDue } from '../../src/core/evaluate.ts'
import type { Event } from '../../src/core/events.ts'
import { MOST_INSTANCES } from '../../src/core/instances.ts'
import type { Announcement, Snapshot, World } from '../../src/core/nouns.ts'
import { own } from '../../src/core/own.ts'
import { beatsOf, define, START, up, worldOf } from '../support/world.ts'

const fleet = { name: 'fleet', address: 'from_heartbeat', liveness: 'heartbeat' } as const
const definitions = define({
  gateways: [fleet, { name: 'spare', address: '127.0.0.1' }],
  pools: [{ name: 'p', members: ['fleet', 'spare'], passive: { max_fails: 1 } }],
  routes: [{ name: 'r', target: { pool: 'p' } }],
})
const THRESHOLD = definitions.settings.gateway_down_threshold

/** A replica that hears beats, commits what they change, and lets time pass. */
function replica(known = definitions) {
  let snapshot: Snapshot = begin(worldOf(known))
  const told: string[] = []
  const apply = (event: Event) => {
    snapshot = advance(snapshot, event)?.snapshot ?? snapshot
  }
  const make = (change: Change, at: number): string => {
    const { world } = snapshot
    const proposal = change(world, at)
    if (proposal === null) return 'nothing'
    if ('kind' in proposal) return proposal.code
    told.push(...proposal.facts.map(fact => `${fact.kind}${'instance' in fact ? ` ${fact.instance}` : ''}`))
    const stored = Object.fromEntries(
      Object.entries(proposal.documents).map(([name, value]) => [name, { revision: 9, value }]),
    )
    apply({ kind: 'committed', documents: stored as Partial<World>, facts: [], at })
    return 'done'
  }
  return {
    told,
    make,
    apply,
    get world() {
      return snapshot.world
    },
    hear(instance: string, at: number, said: Partial<Announcement> = {}): string {
      const what = { state: 'ready' as const, address: `10.0.0.${instance.charCodeAt(0) - 96}`, ...said }
      apply({ kind: 'beat', gateway: 'fleet', instance, said: what, at })
      return make(beat('fleet', instance, what), at)
    },
    /** Who may be dialled for the fleet, and its state. */
    dialled() {
      const view = own(snapshot.pools, 'p')?.members[0]
      return `${view?.state}: ${view?.upstreams.map(({ instance, weight = 1 }) => `${instance}${weight === 1 ? '' : `*${weight}`}`).join(' ')}`
    },
    upstream(instance: string) {
      const upstream = own(snapshot.pools, 'p')?.members[0]?.upstreams.find(one => one.instance === instance)
      if (upstream === undefined) throw new Error(`${instance} is not dialled`)
      return upstream
    },
    weight: () => own(snapshot.pools, 'p')?.members[0]?.weight,
    serving: () => own(snapshot.pools, 'p')?.serving,
  }
}

test('each instance that announces an address is an upstream of its own', t => {
  const it = replica()
  t.equal(it.dialled(), 'unknown: ')
  it.hear('a', START)
  it.hear('b', START + 1, { address: '::1', http_port: 99 })
  t.equal(it.dialled(), 'up: a b')
  t.match(it.upstream('a'), { key: 'p/fleet/10.0.0.1:8080', address: '10.0.0.1', port: 8080, gateway: 'fleet' })
  t.match(it.upstream('b'), { key: 'p/fleet/[::1]:99' })
  t.equal(it.hear('a', START + 2), 'nothing', 'a beat that says nothing new')
  it.hear('a', START + 3, { address: '10.0.0.9' })
  t.match(it.upstream('a'), { address: '10.0.0.9' }, 'one that moved')
  t.strictSame(it.told, ['first_alive', 'instance_joined a', 'instance_joined b'])
  t.end()
})

test('an instance is ejected alone, and the gateway only when all of them are', t => {
  const it = replica()
  for (const name of ['a', 'b']) it.hear(name, START)
  const fail = (name: string) =>
    it.apply({ kind: 'outcome', upstream: it.upstream(name), route: 'r', result: 'connect_refused', at: START })
  fail('a')
  t.equal(it.dialled(), 'up: b')
  t.match(it.serving(), { kind: 'first', gateway: 'fleet' })
  it.apply({ kind: 'beat', gateway: 'fleet', instance: 'a', said: { state: 'ready', address: '10.0.0.7' }, at: START })
  t.equal(it.dialled(), 'up: a b', 'at another address nothing is held against it')
  fail('a')
  fail('b')
  t.equal(it.dialled(), 'ejected: a b')
  t.match(it.serving(), { kind: 'failover', gateway: 'spare' })
  t.end()
})

test('an instance that is held takes nothing while its siblings serve, and the gateway is held when all are', t => {
  const it = replica()
  for (const name of ['a', 'b']) it.hear(name, START)
  it.hear('a', START + 1, { state: 'shutdown' })
  t.equal(it.dialled(), 'up: b')
  it.hear('b', START + 2, { state: 'drain' })
  t.match(it.dialled(), /^held/)
  it.hear('b', START + 3)
  t.equal(it.dialled(), 'up: b')
  it.hear('a', START + 4)
  t.equal(it.dialled(), 'up: a b', 'no cooldown: b was serving')
  t.end()
})

test('an instance that is silent for the threshold leaves, the last one with its gateway', t => {
  const it = replica()
  it.hear('a', START)
  it.hear('b', START + 50)
  it.told.length = 0
  t.equal(nextDue(it.world), START + THRESHOLD)
  t.equal(it.make(evaluation, START + THRESHOLD), 'done')
  t.equal(it.dialled(), 'up: b')
  it.make(evaluation, START + 50 + THRESHOLD)
  t.match(it.dialled(), /^down/)
  t.strictSame(it.told, ['instance_left a', 'instance_left b', 'gateway_down'])
  t.equal(nextDue(it.world), Number.POSITIVE_INFINITY)
  it.hear('a', START + 60 + THRESHOLD)
  t.strictSame(it.told.slice(3), ['down_to_cooldown', 'instance_joined a'])
  t.end()
})

test('our own absence takes no instance away', t => {
  const it = replica()
  it.hear('a', START)
  it.apply({ kind: 'observing', at: START + THRESHOLD - 1 })
  t.equal(it.make(evaluation, START + THRESHOLD), 'nothing')
  t.equal(nextDue(it.world), START + 2 * THRESHOLD - 1)
  t.end()
})

test('of two names for one address the one that joined last is dialled', t => {
  const it = replica()
  it.hear('old', START, { address: '10.0.0.1' })
  it.hear('new', START + 1, { address: '10.0.0.1' })
  it.hear('old', START + 2, { address: '10.0.0.1' })
  t.equal(it.dialled(), 'up: new')
  it.make(forgetInstance('fleet', 'new'), START + 3)
  t.equal(it.dialled(), 'up: old')
  t.end()
})

test('instances share by the weight that they want, and the gateway weighs their mean', t => {
  const it = replica()
  t.equal(it.weight(), 1)
  it.hear('a', START, { weight: 50 })
  t.equal(it.weight(), 0.5)
  t.equal(it.dialled(), 'up: a*0.5')
  it.hear('b', START)
  t.equal(it.weight(), 0.75)
  it.hear('a', START + 1, { state: 'drain', weight: 50 })
  t.equal(it.weight(), 1, 'of those that take traffic')
  const fixed = replica(
    define({
      gateways: [{ ...fleet, address: '10.0.0.1' }],
      pools: [{ name: 'p', members: [{ gateway: 'fleet', weight: 4 }] }],
    }),
  )
  fixed.hear('a', START, { weight: 25 })
  t.equal(fixed.weight(), 1, 'a gateway with one address of its own too')
  t.end()
})

test('an instance over the limit is refused, and told once', t => {
  const it = replica(define({ gateways: [{ ...fleet, max_instances: 2 }] }))
  t.equal(it.hear('a', START), 'done')
  t.equal(it.hear('b', START), 'done')
  it.told.length = 0
  t.equal(it.make(beat('fleet', 'c', { state: 'ready' }), START), 'max_instances_reached')
  t.equal(it.make(turnedAway('fleet', 'c'), START), 'done')
  t.equal(it.make(turnedAway('fleet', 'c'), START), 'nothing')
  t.equal(it.make(turnedAway('fleet', 'a'), START), 'nothing', 'there is room for it: it has it')
  for (let i = 0; i < 2 * MOST_INSTANCES; i++) it.make(turnedAway('fleet', `many-${i}`), START)
  t.equal(it.told.length, MOST_INSTANCES, 'ever new names neither fill the document nor the history')
  t.equal(it.make(forgetInstance('fleet', 'b'), START), 'done')
  t.equal(it.make(forgetInstance('fleet', 'b'), START), 'not_found')
  t.equal(it.make(beat('fleet', 'c', { state: 'ready' }), START), 'done', 'there is room now')
  t.equal(it.hear('b', START), 'max_instances_reached')
  t.equal(it.make(turnedAway('fleet', 'b'), START), 'done', 'which is news')
  t.end()
})

test('a lower limit stops nobody, and without one there is one all the same', t => {
  const it = replica()
  for (let i = 0; i < MOST_INSTANCES; i++) it.hear(`i${i}`, START)
  t.equal(it.make(beat('fleet', 'more', { state: 'ready' }), START), 'max_instances_reached')
  const lowered = define({ gateways: [{ ...fleet, max_instances: 1 }] })
  it.apply({ kind: 'loaded', definitions: lowered, changed: [], at: START })
  t.equal(it.make(beat('fleet', 'i63', { state: 'ready' }), START), 'nothing')
  t.equal(Object.keys(it.world.liveness.value.instances.fleet ?? {}).length, MOST_INSTANCES)
  t.end()
})

test('what is known of instances goes with their gateway', t => {
  const it = replica()
  it.hear('a', START)
  it.apply({
    kind: 'loaded',
    definitions: define({ gateways: [{ name: 'spare', address: '::1' }] }),
    changed: [],
    at: START,
  })
  it.make(evaluation, START)
  t.strictSame(it.world.liveness.value.instances, {})
  t.equal(it.make(beat('fleet', 'a', { state: 'ready' }), START), 'nothing')
  t.end()
})

test('a replica that starts dials who is known and was heard before', t => {
  const beats = beatsOf({ fleet: { a: { at: START - 5, said: { state: 'ready', address: '10.0.0.1' } } } })
  const world = worldOf(definitions, { records: { fleet: up }, sight: { beats } })
  t.match(begin(world).pools.p?.members[0], { state: 'up', upstreams: [{ instance: 'a' }] })
  const stranger = { ...world, liveness: { ...world.liveness, value: { ...world.liveness.value, instances: {} } } }
  t.match(begin(stranger).pools.p?.members[0]?.upstreams, [], 'and nobody whom the cluster does not know')
  t.end()
})
