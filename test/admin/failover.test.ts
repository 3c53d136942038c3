import { test } from 'tap'
import { testAdmin } from '../support/admin.ts'

const FAILOVER = '/api/v1/gateway-pools/main/failover'

const json = async (response: Response) => (await response.json()) as Record<string, unknown>

test('fail over now, fail back now: who did it is told everywhere', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  const response = await it.send('POST', FAILOVER, { to: 'nas' })
  t.equal(response.status, 200)
  const since = it.clock.now()
  t.match(await json(response), {
    serving: ['nas'],
    serving_as: 'failover',
    original: 'home',
    since,
    by: 'bootstrap',
    failover: { kind: 'over', to: 'nas', by: 'bootstrap', since },
    warnings: [],
  })
  t.match(await json(await it.ask('/api/v1/gateway-pools/main')), { failover: { to: 'nas' } })
  t.match(await json(await it.ask('/api/v1/routes/pinned')), { serving: ['nas'], original: 'home', by: 'bootstrap' })
  await it.pass(5_000)
  const why = async (gateway: string) => json(await it.ask(`/api/v1/gateway-pools/main/members/${gateway}/why`))
  t.match((await why('nas')).answer, 'It serves. bootstrap failed over to it 5 s ago.')
  t.match((await why('home')).answer, 'It stands by; nas serves. bootstrap failed over to nas 5 s ago.')

  t.equal((await it.ask(FAILOVER, { method: 'DELETE' })).status, 204)
  t.equal((await it.ask(FAILOVER, { method: 'DELETE' })).status, 204, 'once more changes nothing')
  t.match(await json(await it.ask('/api/v1/gateway-pools/main')), { serving: ['home'], by: null, failover: null })
  const { items } = (await json(await it.ask('/api/v1/events?subject=main'))) as { items: object[] }
  t.match(items, [
    { kind: 'pool_failover_activated', cause: 'operator' },
    { kind: 'pool_failover_restored', cause: 'operator' },
  ])
  t.equal(items.length, 2)
})

test('failing back does not wait for the cooldown, and lasts no longer than it', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  await it.pass(100_000, ['nas'])
  await it.beat('home')
  t.match(await json(await it.ask('/api/v1/gateway-pools/main')), { serving: ['nas'] })
  t.equal((await it.ask(FAILOVER, { method: 'DELETE' })).status, 204)
  const pool = await json(await it.ask('/api/v1/gateway-pools/main'))
  t.match(pool, { serving: ['home'], serving_as: 'first', failover: { kind: 'back', until: it.clock.now() + 60_000 } })
  const why = await json(await it.ask('/api/v1/gateway-pools/main/members/home/why'))
  t.match(why, { state: 'returning', ready: true, serving: true, failover: { kind: 'back' } })
  t.match(why.answer, 'bootstrap failed back to it')
  await it.pass(61_000, ['home', 'nas'])
  t.match(await json(await it.ask('/api/v1/gateway-pools/main')), { serving: ['home'], failover: null })
})

test('whom it cannot fail over to', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  const refused = async (path: string, to: string) => (await json(await it.send('POST', path, { to }))).code
  t.equal(await refused(FAILOVER, 'spare'), 'unknown_reference')
  t.equal(await refused('/api/v1/gateway-pools/all/failover', 'spare'), 'pool_balances')
  t.equal(await refused('/api/v1/gateway-pools/none/failover', 'spare'), 'not_found')
  t.match(await json(await it.send('POST', FAILOVER, { to: 'nas' })), {
    serving: ['home'],
    warnings: ['nas is not ready: unknown (never_seen)'],
  })
  t.equal((await it.ask(FAILOVER, { method: 'DELETE' })).status, 204)
  await it.pass(100_000)
  t.equal((await json(await it.ask(FAILOVER, { method: 'DELETE' }))).code, 'member_not_ready')
})

test('a member that leaves the pool takes its failover along', async t => {
  await using it = await testAdmin()
  await it.beat('home')
  await it.beat('nas')
  await it.send('POST', FAILOVER, { to: 'nas' })
  await it.send('PUT', '/api/v1/gateway-pools/main/members', ['home'])
  await it.pass(1_000)
  t.strictSame(it.state.snapshot.world.holds.value.failovers, {})
  await it.send('PUT', '/api/v1/gateway-pools/main/members', ['home', 'nas'])
  t.match(await json(await it.ask('/api/v1/gateway-pools/main')), { serving: ['home'], failover: null })
})
