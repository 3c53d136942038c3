import { test } from 'tap'
import type { Answer } from '../../src/admin/contract/endpoints.ts'
import { probed } from '../../src/core/changes.ts'
import type { FailureReason } from '../../src/core/nouns.ts'
import { createLedger } from '../../src/ledger.ts'
import { SAMPLE, type TestAdmin, testAdmin } from '../support/admin.ts'

type Why = Answer<'why'>

async function why(it: TestAdmin, gateway = 'home', pool = 'main'): Promise<Why> {
  return (await (await it.ask(`/api/v1/gateway-pools/${pool}/members/${gateway}/why`)).json()) as Why
}

function fails(it: TestAdmin, result: FailureReason, pool = 'main'): void {
  const upstream = { key: `${pool}/home/127.0.0.1:9101`, pool, gateway: 'home' }
  it.state.apply({ kind: 'outcome', upstream, route: 'app', result, at: it.clock.now() })
}

/** Results of a check of home, `+` and `-`, a second apart, and what they change. */
async function checks(it: TestAdmin, marks: string, pool = 'main'): Promise<void> {
  const ledger = createLedger({ state: it.state, store: it.store, definitions: 'store' })
  const upstream = { key: `${pool}/home/127.0.0.1:9101`, pool, gateway: 'home' }
  for (const mark of marks) {
    await it.pass(1_000)
    const passed = mark === '+'
    const said = passed ? 'status 200' : 'status 500'
    it.state.apply({ kind: 'checked', upstream, check: 0, passed, said, at: it.clock.now() })
    if (probed('home')(it.state.snapshot.world, it.clock.now()) !== null) await ledger.commit(probed('home'), 'system')
  }
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
    next_transition: { to: 'up', unless: 'it fails a trial' },
    counters: [{ state: 'cooling' }],
  })
  t.match(
    cooling.answer,
    /^home was ejected \(it refused a connection\) and passed its trial since; it takes traffic again in 1 min/,
  )
})

test('why: with hold_out its cooldown has to pass where loads are balanced too', async t => {
  await using it = await testAdmin({}, SAMPLE.replace('name: all, mode', 'name: all, hold_out: true, mode'))
  await it.beat('home')
  for (let i = 0; i < 3; i++) fails(it, 'reset', 'all')
  t.equal(
    (await why(it, 'home', 'all')).answer,
    'This replica ejected home 0 s ago: it reset the connection before it answered. It is tried again in 30 s and takes traffic again in 1 min 30 s at the earliest, after its cooldown of 1m. Meanwhile spare serves.',
  )
  await it.pass(100_000)
  t.match((await why(it, 'home', 'all')).answer, 'With its next heartbeat its cooldown of 1m starts.')
})

const ACTIVE = 'active: [{ kind: http, path: /health }]'
const PROBED = SAMPLE.replace(
  'home, title: Home, address: 127.0.0.1, http_port: 9101, liveness: heartbeat',
  'home, address: 127.0.0.1, http_port: 9101, liveness: probe',
).replace('liveness: heartbeat', 'liveness: assumed')

test('why: a gateway that lives by probes, from never seen to its return', async t => {
  await using it = await testAdmin({}, PROBED.replace('name: main, title', `name: main, ${ACTIVE}, title`))
  t.match(await why(it), {
    state: 'unknown',
    answer:
      'home has not passed its checks yet: no check was made yet. It takes traffic once it does. Meanwhile nas serves.',
  })
  await checks(it, '+')
  t.match(await why(it), {
    state: 'up',
    cause: 'checks',
    next_transition: null,
    answer: 'home is up: its check GET /health passed (status 200), last 0 s ago. It serves.',
  })
  await checks(it, '---')
  await checks(it, '---', 'all')
  t.match(await why(it), {
    state: 'down',
    cause: 'probe',
    decided_by: { kind: 'cluster' },
    answer:
      'home went down 0 s ago: its check GET /health failed 3 times in a row (status 500), last 3 s ago. Once its checks pass again, its cooldown of 1m starts. Meanwhile nas serves.',
  })
  await checks(it, '++')
  t.match(await why(it), {
    state: 'returning',
    next_transition: { at: it.clock.now() + 60_000, to: 'up', unless: 'it fails a check' },
    answer:
      'home was away and passes its checks again; it takes traffic again in 1 min, after its cooldown of 1m, unless it fails a check. Meanwhile nas serves.',
  })
})

test('why: ejected by checks, its own or those that nobody wrote down, and on its way back', async t => {
  for (const active of [`${ACTIVE}, `, '']) {
    await using it = await testAdmin({}, PROBED.replace('name: main, title', `name: main, ${active}title`))
    await checks(it, '+')
    await checks(it, '+', 'all')
    await checks(it, '---')
    const check = active === '' ? 'connection' : 'GET /health'
    t.match(await why(it), {
      state: 'ejected',
      cause: 'probe',
      decided_by: { kind: 'replica' },
      next_transition: null,
      answer: `This replica ejected home 0 s ago: its check ${check} failed 3 times in a row (status 500), last 0 s ago. It comes back when its checks pass 2 times in a row, after its cooldown of 1m. Meanwhile nas serves.`,
    })
    await checks(it, '++')
    t.match(await why(it), {
      state: 'returning',
      next_transition: { to: 'up', unless: 'it fails a check' },
      answer:
        'home was ejected (its active checks failed) and passes them since; it takes traffic again in 1 min, after its cooldown of 1m, unless it fails a check. Meanwhile nas serves.',
    })
  }
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
