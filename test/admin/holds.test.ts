import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import type { Answer } from '../../src/admin/contract/endpoints.ts'
import { type TestAdmin, testAdmin } from '../support/admin.ts'

const api = (path: string) => `/api/v1${path}`
const drain = (it: TestAdmin, body: object = {}, name = 'home') => it.send('POST', api(`/gateways/${name}/drain`), body)
const lift = (it: TestAdmin, query = '', name = 'home') =>
  it.ask(api(`/gateways/${name}/drain${query}`), { method: 'DELETE' })

/** Both heartbeat gateways are up. */
async function scene(changes: Parameters<typeof testAdmin>[0] = {}): Promise<TestAdmin> {
  const it = await testAdmin(changes)
  await it.beat('home')
  await it.beat('nas')
  return it
}

const states = async (it: TestAdmin, pool = 'main') => {
  const { members } = (await (await it.ask(api(`/gateway-pools/${pool}`))).json()) as Answer<'get_pool'>
  return members.map(({ gateway, state }) => `${gateway} ${state}`).join(', ')
}

test('a gateway that is drained takes nothing new, and says by whom, why and until when', async t => {
  await using it = await scene()
  const until = it.clock.now() + 60_000
  const answer = await drain(it, { reason: 'maintenance', note: 'new disks', until })
  t.equal(answer.status, 200)
  t.strictSame(await answer.json(), {
    gateway: 'home',
    holds: [{ reason: 'maintenance', holder: 'bootstrap', since: it.clock.now(), until, note: 'new disks' }],
    in_flight: 0,
    warnings: [],
  })
  t.equal(await states(it), 'home held, nas up')
  const renewed = await drain(it, { reason: 'maintenance', until: new Date(until + 5_000).toISOString() })
  t.match(await renewed.json(), { holds: [{ until: until + 5_000 }] })
  await it.pass(66_000, ['home', 'nas'])
  t.equal(await states(it), 'home up, nas up', 'it ends by itself, without a cooldown')
})

test('whoever holds lifts; nobody lifts what is not there', async t => {
  await using it = await scene()
  await drain(it)
  await it.beat('home', { state: 'maintenance' })
  t.equal((await lift(it, '?reason=maintenance')).status, 404, 'that one was announced by the instance')
  t.equal((await lift(it)).status, 204)
  t.equal(await states(it), 'home held, nas up')
  const other = await lift(it)
  t.equal(other.status, 404)
  t.match(await other.json(), { detail: /held by home-1 \(maintenance\)/ })
  t.equal((await lift(it, '?all=true')).status, 204)
  t.equal(await states(it), 'home up, nas up')
  t.match(await (await lift(it)).json(), { code: 'not_found', detail: 'nothing holds home' })
})

test('draining the last ready member of a pool in use is done, with a warning', async t => {
  await using it = await scene()
  t.match(await (await drain(it)).json(), { warnings: [] })
  t.match(await (await drain(it, {}, 'nas')).json(), { warnings: ['nobody is ready to serve main while nas is held'] })
})

test('an instance is drained alone; where instances share an address that is said', async t => {
  await using it = await scene()
  await it.beat('home', { instance: 'home-2' })
  const answer = await drain(it, { instance: 'home-2' })
  t.match(await answer.json(), {
    holds: [{ instance: 'home-2' }],
    warnings: ['the instances of home share its address: requests may still reach home-2'],
  })
  t.equal(await states(it), 'home up, nas up')
  t.equal((await lift(it, '?instance=home-1')).status, 404)
  t.equal((await lift(it, '?instance=home-2')).status, 204)
})

test('a drain waits until nothing is in flight there', async t => {
  let left = 3
  const asked = Promise.withResolvers<void>()
  const inFlight = (pool: string | null, gateway: string) => {
    if (pool !== null || gateway !== 'home') return 99
    asked.resolve()
    return left
  }
  await using it = await scene({ inFlight })
  const answer = drain(it, { wait: '20s' })
  await asked.promise
  left = 0
  t.match(await (await answer).json(), { in_flight: 0 })
})

test('a drain that waited long enough says what is left, and so does one that is lifted', async t => {
  let looked = Promise.withResolvers<void>()
  const inFlight = () => {
    looked.resolve()
    return 2
  }
  await using it = await scene({ inFlight })
  t.match(await (await drain(it)).json(), { in_flight: 2 }, 'it does not wait unless it is asked to')
  t.match(await (await drain(it, { wait: '50ms' })).json(), { in_flight: 2 })
  looked = Promise.withResolvers()
  const waiting = drain(it, { wait: '20s', note: 'again' })
  await looked.promise
  await lift(it)
  t.match(await (await waiting).json(), { in_flight: 2, holds: [] })
})

test('a client that leaves ends the wait', async t => {
  let looks = 0
  const looked = Promise.withResolvers<void>()
  const inFlight = () => {
    looks++
    looked.resolve()
    return 1
  }
  await using it = await scene({ inFlight })
  const leaving = new AbortController()
  const asked = it.ask(api('/gateways/home/drain'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ wait: '10m' }),
    signal: leaving.signal,
  })
  await looked.promise
  leaving.abort()
  await t.rejects(asked)
  // The answer that nobody takes is made all the same, and then nobody looks any more: the process can end.
  const before = looks
  while (looks === before) await setImmediate()
  t.equal(await states(it), 'home held, nas up')
})

test('a window opens and closes on time, and why tells of it', async t => {
  await using it = await scene()
  const now = it.clock.now()
  const made = await it.send('POST', api('/gateways/home/windows'), {
    name: 'updates',
    from: now + 5_000,
    to: new Date(now + 8_000).toISOString(),
    note: 'firmware',
  })
  t.equal(made.status, 201)
  t.equal(made.headers.get('location'), '/api/v1/gateways/home/windows/updates')
  t.strictSame(await made.json(), {
    name: 'updates',
    kind: 'once',
    from: now + 5_000,
    to: now + 8_000,
    note: 'firmware',
    by: 'bootstrap',
    since: now,
    open: false,
    next: { from: now + 5_000, to: now + 8_000 },
  })
  await it.pass(5_000, ['home', 'nas'])
  t.equal(await states(it), 'home held, nas up')
  const why = (await (await it.ask(api('/gateway-pools/main/members/home/why'))).json()) as Answer<'why'>
  t.match(why, { cause: 'maintenance', decided_by: { kind: 'window', name: 'updates' }, back_at: now + 8_000 })
  t.match(why.answer, /by its window updates, which opened .* \(firmware\)\. That lasts until 2023-11-14 \d\d:\d\d UTC/)
  t.match(await (await it.ask(api('/gateways/home/windows/updates'))).json(), { open: true, next: null })
  await it.pass(3_000, ['home', 'nas'])
  t.equal(await states(it), 'home up, nas up')
  t.strictSame(await (await it.ask(api('/gateways/home/windows'))).json(), { items: [], next: null })
})

test('a weekly window is told as it was written, and its end on its own clocks', async t => {
  await using it = await scene()
  // 14 November 2023 was a Tuesday, and it is 23:13 in Berlin.
  const window = { name: 'nightly', days: ['tue', 'tue'], from: '23:00', to: '04:00', time_zone: 'Europe/Berlin' }
  const made = await it.send('POST', api('/gateways/home/windows'), window)
  t.match(await made.json(), {
    ...window,
    days: ['tue'],
    kind: 'weekly',
    open: true,
    next: { from: Date.parse('2023-11-21T22:00Z') },
  })
  const why = (await (await it.ask(api('/gateway-pools/main/members/home/why'))).json()) as Answer<'why'>
  t.match(why.answer, /until 04:00 Europe\/Berlin, for /)
  t.equal((await it.send('POST', api('/gateways/home/windows'), window)).status, 422)
  t.equal((await it.ask(api('/gateways/home/windows/nightly'), { method: 'DELETE' })).status, 204)
  t.equal(await states(it), 'home up, nas up')
  t.equal((await it.ask(api('/gateways/home/windows/nightly'), { method: 'DELETE' })).status, 404)
})

test('what is no window, and what is no drain, changes nothing', async t => {
  await using it = await scene()
  const week = { name: 'w', days: ['mon'], from: '02:00', to: '04:00', time_zone: 'UTC' }
  const bad = [
    { ...week, days: [] },
    { ...week, days: ['monday'] },
    { ...week, from: '24:00' },
    { ...week, to: '02:00' },
    { ...week, to: '2:30' },
    { ...week, time_zone: 'Mars/Olympus' },
    { ...week, time_zone: '+01:00' },
    { ...week, name: 'Not a name' },
    { ...week, extra: 1 },
    { name: 'w', from: 5 },
    { name: 'w', from: 9, to: 5 },
    { name: 'w', from: 5, to: 9 },
    { name: 'w', from: '02:00', to: '04:00' },
    {},
  ]
  for (const body of bad)
    t.equal((await it.send('POST', api('/gateways/home/windows'), body)).status, 400, JSON.stringify(body))
  const drains = [
    { reason: 'shutdown' },
    { wait: '11m' },
    { wait: -1 },
    { until: 'tomorrow' },
    { until: it.clock.now() },
    { note: 'x'.repeat(201) },
    { note: 'a\nb' },
    { instance: '' },
    { more: 1 },
  ]
  for (const body of drains) t.equal((await drain(it, body)).status, 400, JSON.stringify(body))
  t.equal((await drain(it, { instance: 'nobody' })).status, 422)
  t.equal((await drain(it, {}, 'none')).status, 404)
  t.equal((await lift(it, '?all=yes')).status, 400)
  t.equal((await it.send('POST', api('/gateways/none/windows'), week)).status, 404)
  t.equal((await it.ask(api('/gateways/none/windows'))).status, 404)
  t.equal((await it.ask(api('/gateways/home/windows/none'))).status, 404)
  t.strictSame(it.state.snapshot.world.holds.revision, 0)
})
