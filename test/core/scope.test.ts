import { test } from 'tap'
import type { Definitions, Holds, Route, Token, World } from '../../src/core/nouns.ts'
import { exceeds, ownsGateway, ownsRoute, ownsSubject, ownsToken } from '../../src/core/scope.ts'
import { EMPTY } from '../../src/core/store.ts'
import { define, drained, START, worldOf } from '../support/world.ts'

const gateway = (name: string) => ({ name, address: '127.0.0.1' })
const pinned = (name: string, to: string) => ({ name, match: { host: `${name}.test` }, target: { gateway: to } })

/** `a` and `b` belong to two teams; `both` is in their pools, `free` in none, `lonely` in none but with a route. */
const written = {
  gateways: ['one', 'two', 'both', 'free', 'lonely'].map(gateway),
  pools: [
    { name: 'a', members: ['one', 'both'] },
    { name: 'b', members: ['two', 'both'] },
  ],
  routes: [
    { name: 'to-a', match: { host: 'a.test' }, target: { pool: 'a' } },
    { name: 'to-b', match: { host: 'b.test' }, target: { pool: 'b' } },
    pinned('pin-one', 'one'),
    pinned('pin-both', 'both'),
    pinned('pin-lonely', 'lonely'),
    { name: 'hello', match: { host: 'hello.test' }, target: { respond: { status: 200 } } },
  ],
}
const before = define(written)
const world = worldOf(before)
const of = (names: readonly string[], owns: (name: string) => boolean) => names.filter(owns)

test('a gateway belongs to a scope that has all its pools; in none, it is free until a route is pinned to it', t => {
  const names = before.gateways.map(({ name }) => name)
  t.strictSame(
    of(names, name => ownsGateway(['a'], before, name)),
    ['one', 'free'],
  )
  t.strictSame(
    of(names, name => ownsGateway(['b', 'a'], before, name)),
    ['one', 'two', 'both', 'free'],
  )
  t.strictSame(
    of(names, name => ownsGateway(undefined, before, name)),
    names,
  )
  t.end()
})

test('a route belongs where its pool does, or all pools of its gateway; one without any is nobody’s', t => {
  const owned = (scope: readonly string[] | undefined) =>
    before.routes.filter(route => ownsRoute(scope, before, route)).map(({ name }) => name)
  t.strictSame(owned(['a']), ['to-a', 'pin-one'])
  t.strictSame(owned(['a', 'b']), ['to-a', 'to-b', 'pin-one', 'pin-both'])
  t.strictSame(owned(['strange']), [])
  t.equal(owned(undefined).length, before.routes.length)
  t.end()
})

test('a token belongs to a scope that opens all it opens', t => {
  const token: Token = { name: 'x', id: 'x', hash: '', role: 'viewer', created_at: 0 }
  t.equal(ownsToken(['a'], before, token), false, 'one without a limit')
  t.equal(ownsToken(['a'], before, { ...token, pools: ['a'] }), true)
  t.equal(ownsToken(['a'], before, { ...token, pools: ['a', 'b'] }), false)
  t.equal(ownsToken(['a'], before, { ...token, gateway: 'one' }), true)
  t.equal(ownsToken(['a'], before, { ...token, gateway: 'both' }), false)
  t.equal(ownsToken(['a'], before, { ...token, gateway: 'gone' }), false)
  t.equal(ownsToken(undefined, before, { ...token, gateway: 'gone' }), true)
  t.end()
})

test('what happens to a pool or gateway is told to those it belongs to, whichever of both has the name', t => {
  const same = define({
    gateways: ['one', 'twin'].map(gateway),
    pools: [
      { name: 'a', members: ['one'] },
      { name: 'twin', members: ['twin'] },
      { name: 'one', members: [] },
    ],
  })
  t.equal(ownsSubject(['a'], same, 'a'), true)
  t.equal(ownsSubject(['a'], same, 'one'), false, 'the gateway is, the pool of that name is not')
  t.equal(ownsSubject(['a', 'one'], same, 'one'), true)
  t.equal(ownsSubject(['twin'], same, 'twin'), true)
  for (const name of ['', 'gone', 'definitions']) t.equal(ownsSubject(['a'], same, name), false, name)
  t.equal(ownsSubject(undefined, same, 'gone'), true)
  t.end()
})

const [pool, route] = [
  (name: string, change: object = {}) => ({ ...before.pools.find(one => one.name === name), ...change }),
  (name: string, change: object = {}) => ({ ...before.routes.find(one => one.name === name), ...change }),
]
/** `before` with other entries in a section; those of a name that is there take its place. */
function having(change: { gateways?: object[]; pools?: object[]; routes?: object[]; settings?: object }): Definitions {
  const put = (section: readonly { name: string }[], changed: object[] = []) => {
    const names = changed.map(one => ('name' in one ? one.name : ''))
    return [...section.filter(({ name }) => !names.includes(name)), ...changed]
  }
  return {
    gateways: put(before.gateways, change.gateways),
    pools: put(before.pools, change.pools),
    routes: put(before.routes, change.routes),
    settings: { ...before.settings, ...change.settings },
  } as Definitions
}
const without = (section: 'gateways' | 'pools' | 'routes', name: string): Definitions => ({
  ...before,
  [section]: before[section].filter(one => one.name !== name),
})

test('a change within the scope is let through, and one beyond it refused with the name of what is beyond', t => {
  const anew = define({
    gateways: [gateway('new')],
    pools: [{ name: 'a', members: ['new'] }],
    routes: [pinned('new', 'new'), { name: 'to-new', match: { host: 'n.test' }, target: { pool: 'a' } }],
  })
  const [newGateway] = anew.gateways
  const [pinnedAnew, routeAnew] = anew.routes
  const cases: readonly [what: string, next: Definitions, beyond: string | null][] = [
    ['its own pool', having({ pools: [pool('a', { title: 'Ours' })] }), null],
    ['a pool of others', having({ pools: [pool('b', { title: 'Theirs' })] }), 'pool:b'],
    ['both', having({ pools: [pool('a', { title: 'x' }), pool('b', { title: 'x' })] }), 'pool:b'],
    ['deleting its own pool', without('pools', 'a'), null],
    ['deleting a pool of others', without('pools', 'b'), 'pool:b'],
    ['a pool that is not in it', having({ pools: [pool('a', { name: 'c' })] }), 'pool:c'],
    ['a member that is free', having({ pools: [pool('a', { members: [{ gateway: 'free', weight: 1 }] })] }), null],
    ['a member of others', having({ pools: [pool('a', { members: [{ gateway: 'two', weight: 1 }] })] }), 'pool:a'],
    [
      'a member with a route',
      having({ pools: [pool('a', { members: [{ gateway: 'lonely', weight: 1 }] })] }),
      'pool:a',
    ],
    ['the order of members', having({ pools: [pool('a', { members: before.pools[0]?.members.toReversed() })] }), null],
    [
      'a fallback to others',
      having({ pools: [pool('a', { on_all_down: { action: 'fallback', pool: 'b' } })] }),
      'pool:a',
    ],
    ['a fallback to itself', having({ pools: [pool('a', { on_all_down: { action: 'fallback', pool: 'a' } })] }), null],
    ['its own gateway', having({ gateways: [{ ...before.gateways[0], title: 'x' }] }), null],
    ['a gateway of others', having({ gateways: [{ ...before.gateways[1], title: 'x' }] }), 'gateway:two'],
    ['a shared gateway', having({ gateways: [{ ...before.gateways[2], title: 'x' }] }), 'gateway:both'],
    ['a free gateway', having({ gateways: [{ ...before.gateways[3], title: 'x' }] }), null],
    [
      'a gateway with a route and no pool',
      having({ gateways: [{ ...before.gateways[4], title: 'x' }] }),
      'gateway:lonely',
    ],
    ['a new gateway', having({ gateways: [newGateway ?? {}] }), null],
    [
      'a new gateway as a member',
      having({ gateways: [newGateway ?? {}], pools: [pool('a', { members: anew.pools[0]?.members })] }),
      null,
    ],
    ['a new gateway, pinned', having({ gateways: [newGateway ?? {}], routes: [pinnedAnew ?? {}] }), 'gateway:new'],
    ['a new route', having({ routes: [routeAnew ?? {}] }), null],
    ['a new route to others', having({ routes: [{ ...routeAnew, target: { pool: 'b' } }] }), 'route:to-new'],
    ['a new route that answers by itself', having({ routes: [route('hello', { name: 'me' })] }), 'route:me'],
    ['its own route', having({ routes: [route('pin-one', { title: 'x' })] }), null],
    ['a route of others', having({ routes: [route('to-b', { title: 'x' })] }), 'route:to-b'],
    ['taking a route from others', having({ routes: [route('to-b', { target: { pool: 'a' } })] }), 'route:to-b'],
    ['giving a route to others', having({ routes: [route('to-a', { target: { pool: 'b' } })] }), 'route:to-a'],
    ['pinning to a shared gateway', having({ routes: [route('to-a', { target: { gateway: 'both' } })] }), 'route:to-a'],
    ['deleting a route of others', without('routes', 'to-b'), 'route:to-b'],
    ['deleting its own route', without('routes', 'to-a'), null],
    ['settings', having({ settings: { gateway_down_threshold: 1 } }), 'settings'],
    ['nothing', before, null],
  ]
  for (const [what, next, beyond] of cases) {
    const refusal = exceeds(['a'], world, { definitions: next })
    if (beyond === null) t.equal(refusal, null, what)
    else t.match(refusal, { code: 'forbidden', detail: ` ${beyond} ` }, what)
    t.equal(exceeds(undefined, world, { definitions: next }), null, `${what}, without a limit`)
  }
  t.end()
})

test('holds, failovers and tokens are kept to the scope too', t => {
  const held = (gateway: string): Holds => ({ ...EMPTY.holds, gateways: { [gateway]: [drained] } })
  const failed = (pool: string): Holds => ({
    ...EMPTY.holds,
    failovers: { [pool]: { kind: 'over', to: 'one', by: 'ops', since: START } },
  })
  const holding: World = { ...world, holds: { revision: 1, value: held('two') } }
  t.equal(exceeds(['a'], world, { holds: held('one') }), null)
  t.match(exceeds(['a'], world, { holds: held('both') }), { code: 'forbidden', detail: ' gateway:both ' })
  t.equal(exceeds(['a'], holding, { holds: { ...held('one'), gateways: { ...holding.holds.value.gateways } } }), null)
  t.match(exceeds(['a'], holding, { holds: held('one') }), { detail: ' gateway:two ' }, 'lifting counts')
  t.equal(exceeds(['a'], world, { holds: failed('a') }), null)
  t.match(exceeds(['a'], world, { holds: failed('b') }), { detail: ' pool:b ' })

  const token: Token = { name: 'x', id: 'x', hash: '', role: 'admin', created_at: 0 }
  t.match(exceeds(['a'], world, { access: { ...world.access.value, tokens: [token] } }), { detail: ' token:x ' })
  t.equal(exceeds(['a'], world, { access: { ...world.access.value, tokens: [{ ...token, pools: ['a'] }] } }), null)
  t.match(exceeds(['a'], world, { access: { tokens: [], webhooks: [] } }), { detail: ' webhooks ' })
  const there: World = { ...world, access: { revision: 1, value: { ...world.access.value, tokens: [token] } } }
  t.match(exceeds(['a'], there, { access: { ...world.access.value, tokens: [] } }), { detail: ' token:x ' })
  t.equal(
    exceeds(['a'], there, {
      access: { ...world.access.value, tokens: [token, { ...token, name: 'y', pools: ['a'] }] },
    }),
    null,
  )
  t.end()
})

test('a route that belongs to nobody is not made by pinning it to a free gateway', t => {
  const next = having({ routes: [pinned('mine', 'free') as unknown as Route] })
  t.match(exceeds(['a'], world, { definitions: next }), { code: 'forbidden', detail: ' route:mine ' })
  t.end()
})

test('a route takes nothing away from a route of others that has the same host', t => {
  const route = (more: object) => ({ name: 'new', target: { pool: 'a' }, ...more })
  const adding = (more: object) => {
    const next: Definitions = define({ ...written, routes: [...written.routes, route(more)] })
    return exceeds(['a'], world, { definitions: next })?.code
  }
  t.equal(adding({ match: { host: 'b.test', path: '/login' } }), 'forbidden')
  t.equal(adding({ match: { host: 'b.test', path: '/login' }, listener: 'web' }), 'forbidden')
  t.equal(adding({ match: { host: 'hello.test', path: '/login' } }), 'forbidden')
  t.equal(adding({ match: { host: 'a.test', path: '/login' } }), undefined, 'from a route of its own')
  t.equal(adding({ match: { host: 'deep.b.test', path: '/login' } }), undefined, 'another host')
  t.equal(adding({ match: { host: 'b.test', path: '/login' }, enabled: false }), undefined, 'it takes nothing yet')
  t.equal(adding({ protocol: 'tcp', listen: '127.0.0.1:7001', gateway_port: 22 }), undefined)
  t.end()
})

test('a route that shares a host with others may be changed as long as it matches what it did', t => {
  const inside = { name: 'inside', match: { host: 'b.test', path: '/a' }, target: { pool: 'a' } }
  const change = (was: object, is: object) => {
    const [from, to] = [was, is].map(more =>
      define({ ...written, routes: [...written.routes, { ...inside, ...more }] }),
    )
    return from && to && exceeds(['a'], worldOf(from), { definitions: to })?.code
  }
  t.equal(change({}, { title: 'Ours' }), undefined)
  t.equal(change({}, { match: { host: 'b.test', path: '/b' } }), 'forbidden')
  t.equal(change({ enabled: false }, { enabled: true }), 'forbidden')
  t.end()
})
