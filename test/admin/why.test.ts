import { test } from 'tap'
import type { Answer } from '../../src/admin/contract/endpoints.ts'
import type { FailureReason } from '../../src/core/nouns.ts'
import { SAMPLE, type TestAdmin, testAdmin } from '../support/admin.ts'

type Why = Answer<'why'>

async function why(it: TestAdmin, gateway = 'home', pool = 'main'): Promise<Why> {
  return (await (await it.ask(`/api/v1/gateway-pools/${pool}/members/${gateway}/why`)).json()) as Why
}

function fails(it: TestAdmin, result: FailureReason, pool = 'main'): void {
  const upstream = { key: `${pool}/home/127.0.0.1:9101`, pool, gateway: 'home' }
  it.state.apply({ kind: 'outcome', upstream, route: 'app', result, at: it.clock.now() })
}

test('why: up, and what would take it down', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  await it.pass(4_000)
  const home = await why(it)
  t.match(home, {
    state: 'up',
    ready: true,
    serving: true,
    cause: 'beats',
    decided_by: { kind: 'cluster', name: 'test' },
  })
  t.equal(home.answer, 'home is up: its newest heartbeat came 4 s ago. It serves.')
  t.strictSame(home.next_transition, { at: it.clock.now() + 86_000, to: 'down', unless: 'a heartbeat comes' })
  const nas = await why(it, 'nas')
  t.match(nas, { serving: false, answer: 'nas is up: its newest heartbeat came 4 s ago. It stands by; home serves.' })
})

test('why: never seen', async t => {
  await using it = await testAdmin()
  const home = await why(it)
  t.match(home, { state: 'unknown', ready: false, newest_beat: null, next_transition: null, back_at: null })
  t.match(home.answer, /^home was never heard: it takes traffic with its first heartbeat\./)
})

test('why: assumed', async t => {
  await using it = await testAdmin()
  const spare = await why(it, 'spare', 'all')
  t.match(spare, { state: 'up', decided_by: { kind: 'definitions', name: 'spare' }, next_transition: null })
  t.match(spare.answer, 'spare is assumed to be up')
})

test('why: down, then returning, and when it is back', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  await it.pass(130_000, ['nas'])
  const down = await why(it)
  t.match(down, {
    state: 'down',
    cause: 'stale',
    serving: false,
    decided_by: { kind: 'cluster' },
    next_transition: null,
  })
  t.equal(
    down.answer,
    'home went down 40 s ago: no heartbeat for 90s. With its next heartbeat its cooldown of 1m starts. Meanwhile nas serves.',
  )
  t.match((await why(it, 'home', 'all')).answer, 'With its next heartbeat it takes traffic again.')
  await it.beat('home')
  await it.pass(15_000, ['home', 'nas'])
  const returning = await why(it)
  t.match(returning, { state: 'returning', ready: false, back_at: it.clock.now() + 45_000 })
  t.strictSame(returning.next_transition, { at: it.clock.now() + 45_000, to: 'up', unless: 'it misses heartbeats' })
  t.equal(
    returning.answer,
    'home was away and beats again; it takes traffic again in 45 s, after its cooldown of 1m, unless it misses heartbeats. Meanwhile nas serves.',
  )
  const balanced = await why(it, 'home', 'all')
  t.match(balanced, { state: 'returning', ready: true, serving: true })
  t.match(balanced.answer, 'it takes traffic already')
})

test('why: ejected here, tried again, and cooling', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  fails(it, 'connect_refused')
  const counting = await why(it)
  t.match(counting.counters, [
    {
      upstream: '127.0.0.1:9101',
      state: 'counting',
      fails: [{ of: '', count: 1, first_at: it.clock.now() }],
      max_fails: 3,
    },
  ])
  t.match(counting.answer, 'Of 3 failures in a row that eject it, 1 happened.')
  fails(it, 'connect_refused')
  fails(it, 'connect_refused')
  await it.pass(10_000, ['home', 'nas'])
  const ejected = await why(it)
  t.match(ejected, {
    state: 'ejected',
    cause: 'connect_refused',
    decided_by: { kind: 'replica', name: 'one' },
    counters: [{ state: 'ejected', ejections: 1, until: it.clock.now() + 20_000 }],
    next_transition: { at: it.clock.now() + 20_000, to: 'trial' },
    back_at: it.clock.now() + 80_000,
  })
  t.equal(
    ejected.answer,
    'This replica ejected home 10 s ago: it refused a connection. It is tried again in 20 s and takes traffic again in 1 min 20 s at the earliest, after its cooldown of 1m. Meanwhile nas serves.',
  )
  await it.pass(20_000, ['home', 'nas'])
  const upstream = { key: 'main/home/127.0.0.1:9101', pool: 'main', gateway: 'home' }
  it.state.apply({ kind: 'trial', upstream, ok: true, at: it.clock.now() })
  const cooling = await why(it)
  t.match(cooling, {
    state: 'returning',
    next_transition: { to: 'up', unless: 'a trial fails' },
    counters: [{ state: 'cooling' }],
  })
  t.match(
    cooling.answer,
    /^home was ejected \(it refused a connection\) and passed its trial since; it takes traffic again in 1 min/,
  )
})

test('why: the last one that can serve, though it fails', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  for (let i = 0; i < 3; i++) fails(it, 'status')
  const home = await why(it)
  t.match(home, { state: 'up', serving: true, counters: [{ fails: [{ of: 'app', count: 3 }] }] })
  t.match(home.answer, 'It keeps failing, and serves because it is the last one that can.')
})

test('why: held, by whom and for how long', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  await it.beat('home', { state: 'shutdown' })
  await it.pass(5_000)
  const home = await why(it)
  t.match(home, {
    state: 'held',
    cause: 'shutdown',
    decided_by: { kind: 'instance', name: 'home-1' },
    next_transition: null,
  })
  t.equal(
    home.answer,
    'home is held for shutdown: home-1 asked for it 5 s ago. That lasts until home-1 lifts it, and then comes its cooldown of 1m. Meanwhile nas serves.',
  )
})

test('why: serving because nobody else can', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.pass(100_000)
  await it.beat('home')
  const home = await why(it)
  t.match(home, { state: 'returning', ready: false, serving: true })
  t.match(home.answer, 'It serves all the same, because nobody else can.')
})

test('why: a name that does not resolve, a gateway and a pool that are switched off', async t => {
  const config = SAMPLE.replace(
    'name: spare, address: "::1"',
    'name: spare, address: spare.lan, enabled: true',
  ).replace('name: nas, address', 'name: nas, enabled: false, address')
  await using it = await testAdmin({}, config)
  const unresolved = await why(it, 'spare', 'all')
  t.match(unresolved, { state: 'unknown', cause: 'unresolved', decided_by: { kind: 'replica' }, counters: [] })
  t.match(unresolved.answer, 'This replica knows no address of spare.lan')
  const off = await why(it, 'nas')
  t.match(off, { state: 'disabled', decided_by: { kind: 'definitions', name: 'nas' } })
  t.match(off.answer, 'nas is switched off in its definition (enabled: false).')
  await using other = await testAdmin({}, SAMPLE.replace('name: main, title', 'name: main, enabled: false, title'))
  await other.beat('home')
  t.match((await why(other)).answer, 'The pool main is switched off.')
})

test('why: held by an operator, by name', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.send('POST', '/api/v1/gateways/home/drain', {})
  t.match(await why(it), { state: 'held', decided_by: { kind: 'operator', name: 'bootstrap' } })
})

test('why: slow start gives it a part of its share, and says until when', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.pass(100_000)
  await it.beat('home')
  await it.pass(4_000)
  it.state.apply({ kind: 'tick', at: it.clock.now() })
  const home = await why(it, 'home', 'all')
  const until = it.clock.now() + 6_000
  t.match(home, { ready: true, slow_start: { percent: 50, until } })
  t.match(home.answer, 'It starts slowly: it gets 50 % of its share, and all of it in 6 s.')
  await it.pass(6_000, ['home'])
  it.state.apply({ kind: 'tick', at: it.clock.now() })
  t.equal((await why(it, 'home', 'all')).slow_start, null)
})

test('why: full', async t => {
  const config = SAMPLE.replace('name: main, title', 'name: main, max_connections: 2, title')
  let running = 1
  await using it = await testAdmin({ inFlight: () => running }, config)
  await it.beat('home')
  t.match(await why(it), { limit: { most: 2, in_flight: 1, full: false } })
  running = 2
  const full = await why(it)
  t.match(full, { limit: { full: true } })
  t.match(full.answer, 'It is full: 2 of at most 2 run on it here.')
})

test('why: some of its instances are out, and why', async t => {
  const config = SAMPLE.replace('address: 127.0.0.1, http_port: 9101', 'address: from_heartbeat, http_port: 9101')
  await using it = await testAdmin({}, config)
  await it.beat('home', { instance: 'one', address: '10.0.0.1' })
  await it.beat('home', { instance: 'two', address: '10.0.0.2' })
  await it.beat('home', { instance: 'three', address: '10.0.0.3' })
  await it.send('POST', '/api/v1/gateways/home/drain', { instance: 'two' })
  const upstream = { key: 'main/home/10.0.0.3:9101', pool: 'main', gateway: 'home' }
  for (let i = 0; i < 3; i++)
    it.state.apply({ kind: 'outcome', upstream, route: 'app', result: 'reset', at: it.clock.now() })
  const home = await why(it)
  t.strictSame(home.instances, [
    { instance: 'one', takes: true, because: null },
    { instance: 'three', takes: false, because: 'ejected' },
    { instance: 'two', takes: false, because: 'held' },
  ])
  t.match(home.answer, 'Of the 3 instances of home, 1 take traffic: not three (ejected), two (held).')
})

for (const [action, said] of [
  ['{ action: fail_closed }', 'Meanwhile nobody serves. Requests get the outage page.'],
  ['{ action: fail_open }', 'Meanwhile nobody serves. Requests are sent to members that are down.'],
  ['{ action: fallback, pool: spares }', 'Meanwhile nobody serves. Requests go to the pool spares.'],
] as const) {
  test(`why and routes: nobody is left, ${action}`, async t => {
    const config = SAMPLE.replace('name: main, title', `name: main, on_all_down: ${action}, title`).replace(
      'routes:',
      '  - { name: spares, members: [spare] }\nroutes:',
    )
    await using it = await testAdmin({}, config)
    await it.beat('home')
    await it.beat('nas')
    await it.pass(100_000)
    const home = await why(it)
    t.match(home.answer, said)
    const takes_over = action.includes('spares') ? 'spares' : null
    t.equal(home.takes_over, takes_over)
    for (const route of ['app', 'pinned'])
      t.match(await (await it.ask(`/api/v1/routes/${route}`)).json(), {
        serving_as: route === 'app' ? 'nobody' : 'failover',
        takes_over: route === 'app' ? takes_over : null,
      })
  })
}

test('why: what another replica has ejected, and how little is enough then', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  const upstream = 'main/home/127.0.0.1:9101'
  const at = it.clock.now()
  const fact = { kind: 'member_ejected', at, subject: 'home', cause: 'reset', pool: 'main', upstream } as const
  const heard = [{ ...fact, id: 'two-1', cluster: 'test', replica: 'two' }]
  it.state.apply({ kind: 'committed', documents: {}, facts: [], heard, at })
  const home = await why(it)
  t.match(home.counters, [{ max_fails: 1, hint: { replica: 'two', until: at + 30_000 } }])
  t.match(home.answer, 'It serves. two has ejected it: for 30 s one failure is enough here.')
  await it.pass(30_000, ['home'])
  t.match((await why(it)).counters, [{ max_fails: 3, hint: null }])
})
