import { test } from 'tap'
import type { Change } from '../../src/core/changes.ts'
import { alterSettings, type Check, replaceDefinitions, stampOf, unmet } from '../../src/core/edits.ts'
import { addMember, putMember, removeMember, replaceMembers } from '../../src/core/edits-members.ts'
import { alter, create, deleteGateway, deletePool, deleteRoute } from '../../src/core/edits-objects.ts'
import type { Definitions, World } from '../../src/core/nouns.ts'
import { define, down, drained, START, worldOf } from '../support/world.ts'

const NOW = START + 1_000
const free = { check: () => null }

const definitions = define({
  gateways: ['home', 'nas', 'spare', 'lone'].map(name => ({ name, address: '127.0.0.1' })),
  pools: [
    { name: 'main', members: ['home', { gateway: 'nas', weight: 3 }] },
    { name: 'single', members: ['spare'], on_all_down: { action: 'fallback', pool: 'main' } },
    { name: 'idle', members: ['nas'] },
  ],
  routes: [
    { name: 'app', target: { pool: 'single' }, enabled: false },
    { name: 'pinned', match: { host: 'a.example' }, target: { gateway: 'home' } },
  ],
})
const [home, nas] = definitions.gateways as [Definitions['gateways'][number], Definitions['gateways'][number]]
const world = worldOf(definitions)

/** The definitions after it, or the code of the refusal. */
function outcome(change: Change, before: World = world) {
  const proposal = change(before, NOW)
  if (proposal === null) return 'nothing'
  return 'kind' in proposal ? proposal.code : (proposal.documents.definitions as Definitions)
}
const members = (change: Change, pool = 'main') => {
  const after = outcome(change)
  if (typeof after === 'string') return after
  return after.pools.find(({ name }) => name === pool)?.members.map(one => `${one.gateway} ${one.weight}`)
}

test('what is created comes last, once', t => {
  const attic = { ...home, name: 'attic' }
  t.match(outcome(create('gateway', attic, free)), { gateways: { 4: attic, length: 5 } })
  t.equal(outcome(create('gateway', home, free)), 'duplicate_name')
  t.equal(outcome(create('gateway', attic, { ...free, ifMatch: [1] })), 'precondition_failed', 'a list has no tag')
  t.end()
})

test('what is altered stays in its place, and is made of what is there at the time', t => {
  const titled = alter('gateway', 'nas', before => ({ ...before, title: `${before.address}!` }), free)
  t.match(outcome(titled), { gateways: [{ name: 'home' }, { name: 'nas', title: '127.0.0.1!' }, { name: 'spare' }] })
  const moved = { ...definitions, gateways: [home, { ...nas, address: '10.0.0.1' }] }
  t.match(outcome(titled, worldOf(moved)), { gateways: [{}, { title: '10.0.0.1!' }] })
  t.equal(outcome(alter('route', 'none', route => route, free)), 'not_found')
  t.equal(outcome(alter('route', 'app', route => route, free)), 'nothing')
  const no = { kind: 'refusal', code: 'bad_request', detail: '' } as const
  t.equal(outcome(alter('pool', 'main', () => no, free)), 'bad_request')
  t.end()
})

test('a precondition is met by the revision that last changed the very object', t => {
  const stamped = {
    ...world,
    definitions: { revision: 9, value: { ...definitions, stamps: { 'pool:main': 4, settings: 2 } } },
  }
  t.equal(stampOf(stamped.definitions, 'pool:main'), 4)
  t.equal(stampOf(stamped.definitions, 'pool:single'), 9, 'changed by the newest revision')
  const renamed = (ifMatch: readonly number[]) =>
    alter('pool', 'main', pool => ({ ...pool, title: 'x' }), { ...free, ifMatch })
  t.match(outcome(renamed([4]), stamped), { pools: [{ title: 'x' }] })
  t.equal(outcome(renamed([9]), stamped), 'precondition_failed')
  t.equal(
    outcome(
      alterSettings(before => before, { ...free, ifMatch: [9] }),
      stamped,
    ),
    'precondition_failed',
  )
  t.equal(
    outcome(
      alterSettings(before => before, { ...free, ifMatch: [2] }),
      stamped,
    ),
    'nothing',
  )
  t.equal(
    outcome(replaceDefinitions(definitions, 'imported', { ...free, ifMatch: [4] }), stamped),
    'precondition_failed',
  )
  t.equal(outcome(deletePool('idle', { ...free, ifMatch: [4] }), stamped), 'precondition_failed')
  t.equal(outcome(deletePool('none', { ...free, ifMatch: [4] }), stamped), 'not_found')
  t.match(unmet([1], 4), { code: 'precondition_failed', extra: { etag: '"4"' } })
  t.equal(unmet('*', 4), null)
  t.end()
})

test('a change stamps everything that it leaves alone', t => {
  const before = { ...world, definitions: { revision: 9, value: { ...definitions, stamps: { 'pool:main': 4 } } } }
  const after = outcome(deleteRoute('pinned', free), before)
  t.strictSame((after as Definitions).stamps, {
    ...Object.fromEntries(['home', 'nas', 'spare', 'lone'].map(name => [`gateway:${name}`, 9])),
    'pool:main': 4,
    'pool:single': 9,
    'pool:idle': 9,
    'route:app': 9,
    settings: 9,
  })
  t.end()
})

test('what something leans on cannot be deleted, and the refusal names it', t => {
  const refusal = (change: Change) => change(world, NOW)
  t.match(refusal(deleteGateway('home', free)), {
    code: 'gateway_in_use',
    detail: 'it is pinned by route pinned',
    extra: { routes: ['pinned'], pools: [] },
  })
  t.match(refusal(deleteGateway('spare', free)), { code: 'gateway_in_use', extra: { routes: [], pools: ['single'] } })
  t.match(refusal(deletePool('single', free)), { code: 'pool_in_use', extra: { routes: ['app'], fallbacks: [] } })
  t.match(refusal(deletePool('main', free)), { code: 'pool_in_use', extra: { routes: [], fallbacks: ['single'] } })
  t.match(outcome(deletePool('idle', free)), { pools: { length: 2 } })
  t.match(outcome(deleteRoute('app', free)), { routes: [{ name: 'pinned' }] })
  t.end()
})

test("a gateway goes with its memberships, its record and its holds; others' stay", t => {
  const known = { records: { nas: down, home: down }, holds: { nas: [drained], home: [drained] } }
  const proposal = deleteGateway('nas', free)(worldOf(definitions, known), NOW)
  t.match(proposal, {
    documents: {
      definitions: { pools: [{ members: [{ gateway: 'home' }] }, {}, { name: 'idle', members: [] }] },
      holds: { gateways: { home: [drained], nas: undefined } },
      liveness: { gateways: { home: down, nas: undefined } },
    },
    facts: [{ cause: 'deleted', changed: ['gateway:nas', 'pool:main', 'pool:idle'] }],
    audit: { subject: 'gateway:nas', before: { 'gateway:nas': nas }, after: { 'gateway:nas': null } },
  })
  const lone = deleteGateway('lone', free)(worldOf(definitions, known), NOW)
  t.strictSame(Object.keys((lone as { documents: object }).documents), ['definitions'])
  t.end()
})

test('members are replaced, added, put and removed, in order', t => {
  const pair = [
    { gateway: 'nas', weight: 1 },
    { gateway: 'home', weight: 1 },
  ]
  t.strictSame(members(replaceMembers('main', pair, free)), ['nas 1', 'home 1'])
  t.strictSame(members(addMember('main', 'spare', {}, free)), ['home 1', 'nas 3', 'spare 1'])
  t.strictSame(members(addMember('main', 'spare', { position: 1, weight: 9 }, free)), ['spare 9', 'home 1', 'nas 3'])
  t.strictSame(members(addMember('main', 'spare', { position: 256 }, free)), ['home 1', 'nas 3', 'spare 1'])
  t.equal(members(addMember('main', 'home', {}, free)), 'duplicate_member')
  t.strictSame(members(putMember('main', 'nas', { position: 1 }, free)), ['nas 3', 'home 1'])
  t.strictSame(members(putMember('main', 'home', { weight: 5 }, free)), ['home 5', 'nas 3'])
  t.strictSame(members(putMember('main', 'spare', { position: 2 }, free)), ['home 1', 'spare 1', 'nas 3'])
  t.equal(members(putMember('main', 'home', {}, free)), 'nothing')
  t.strictSame(members(removeMember('main', 'home', free)), ['nas 3'])
  t.equal(members(removeMember('main', 'spare', free)), 'not_found')
  t.equal(members(removeMember('none', 'home', free)), 'not_found')
  t.end()
})

test('a pool in use keeps its last member, whichever way it would lose it', t => {
  const emptied = alter('pool', 'single', pool => ({ ...pool, members: [] }), free)
  for (const change of [removeMember('single', 'spare', free), replaceMembers('single', [], free), emptied])
    t.match(change(world, NOW), { code: 'last_member_in_use', extra: { routes: ['app'] } })
  t.strictSame(members(removeMember('idle', 'nas', free), 'idle'), [], 'nobody uses it')
  t.end()
})

test('a pool has at most 256 members', t => {
  const full = Array.from({ length: 256 }, (_, i) => ({ gateway: `g${i}`, weight: 1 }))
  const value = { ...definitions, pools: [{ ...definitions.pools[0], name: 'full', members: full }] } as Definitions
  t.equal(outcome(addMember('full', 'home', {}, free), worldOf(value)), 'bad_request')
  t.match(outcome(putMember('full', 'g255', { position: 1 }, free), worldOf(value)), { pools: [{ name: 'full' }] })
  t.end()
})

test('the check sees the whole document before and after, and only when something changes', t => {
  const seen: [number, number][] = []
  const check: Check = (next, before) => {
    seen.push([before.routes.length, next.routes.length])
    return { kind: 'refusal', code: 'equal_routes', detail: '' }
  }
  t.equal(outcome(deleteRoute('app', { check })), 'equal_routes')
  t.equal(outcome(alter('route', 'app', route => route, { check })), 'nothing')
  t.strictSame(seen, [[2, 1]])
  t.end()
})

test('everything is replaced at once; its audit record holds what was different', t => {
  const next = { ...definitions, routes: [], settings: { ...definitions.settings, gateway_down_threshold: 5_000 } }
  t.match(replaceDefinitions(next, 'imported', free)(world, NOW), {
    facts: [{ cause: 'imported', changed: ['route:app', 'route:pinned', 'settings'] }],
    audit: {
      subject: 'definitions',
      before: { settings: definitions.settings },
      after: { settings: { gateway_down_threshold: 5_000 }, 'route:app': null },
    },
  })
  const threshold = alterSettings(before => ({ ...before, gateway_down_threshold: 7_000 }), free)
  t.match(threshold(world, NOW), {
    facts: [{ cause: 'settings_changed', changed: ['settings'] }],
    audit: { subject: 'settings', before: definitions.settings, after: { gateway_down_threshold: 7_000 } },
  })
  t.end()
})
