import { test } from 'tap'
import { isLiteral, upstreamsOf, viewMember } from '../../src/core/member.ts'
import type { GatewayRecord, PassiveRecord } from '../../src/core/nouns.ts'
import { define, down, drained, type Known, returning, START, up, worldOf } from '../support/world.ts'

const history = { times: 1, forget_at: 0 }
const ejected = (until = START + 30_000): PassiveRecord => ({
  kind: 'ejected',
  since: START,
  until,
  reason: 'reset',
  history,
})
const cooling = (at = START): PassiveRecord => ({
  kind: 'cooling',
  since: START - 9,
  returned_at: at,
  next_trial: at + 10_000,
  reason: 'reset',
  history,
})

const definitions = define({
  gateways: [
    { name: 'beats', address: '10.0.0.1', liveness: 'heartbeat' },
    { name: 'named', address: 'nas.lan', http_port: 80 },
    { name: 'off', address: '10.0.0.3', enabled: false },
  ],
  pools: [{ name: 'p', failback_cooldown: '1m', members: ['beats'] }],
})
const pool = { name: 'p', mode: 'failover', failback_cooldown: 60_000, hold_out: false, max_connections: 0 } as const
const balanced = { ...pool, mode: 'load_balancing' } as const

const view = (gateway: string, known: Known = {}, judging: typeof pool | typeof balanced = pool) =>
  viewMember(worldOf(definitions, known), judging, { gateway, weight: 2 }, 3)
const beats = (record: GatewayRecord | undefined, known: Known = {}, judging: typeof pool | typeof balanced = pool) =>
  view('beats', { ...known, records: record ? { beats: record } : {} }, judging)
const KEY = 'p/beats/10.0.0.1:8080'

test('what the cluster agreed on, in the eyes of a pool', t => {
  t.match(beats(undefined), { state: 'unknown', ready: false, cause: 'never_seen', since: null, back_at: null })
  t.match(beats(up), { state: 'up', ready: true, cause: 'beats', since: START, priority: 3, weight: 2 })
  t.match(beats(down), { state: 'down', ready: false, cause: 'stale', since: START, back_at: null })
  t.match(beats(returning()), {
    state: 'returning',
    ready: false,
    cause: 'cooldown',
    since: START - 60_000,
    back_at: START + 60_000,
  })
  t.end()
})

test('a return is over in each pool by its own cooldown', t => {
  t.match(beats(returning(START, 59_999)), { state: 'returning' })
  t.match(beats(returning(START, 60_000)), { state: 'up', ready: true, since: START + 60_000 })
  t.match(
    viewMember(
      worldOf(definitions, { records: { beats: returning(START, 60_000) } }),
      { ...pool, failback_cooldown: 60_001 },
      { gateway: 'beats', weight: 1 },
      1,
    ),
    { state: 'returning', back_at: START + 60_001 },
  )
  t.end()
})

test('of a limit each replica has its share', t => {
  const limited = { ...pool, max_connections: 10 }
  const limit = (count: number) =>
    viewMember(
      worldOf(definitions, { sight: { others: { count, differ: false, failing: {} } } }),
      limited,
      { gateway: 'beats', weight: 1 },
      1,
    ).limit
  t.strictSame([0, 1, 2, 20].map(limit), [10, 5, 4, 1])
  t.end()
})

test('in load balancing a returning member is ready', t => {
  t.match(beats(returning(), {}, balanced), { state: 'returning', ready: true })
  t.match(beats(down, {}, balanced), { ready: false })
  t.end()
})

test('an assumed gateway is up once its address is known', t => {
  t.match(view('named'), { state: 'unknown', cause: 'unresolved', ready: false, upstreams: [] })
  t.match(view('named', { sight: { addresses: { 'nas.lan': ['10.0.0.2'] } } }), {
    state: 'up',
    cause: 'assumed',
    ready: true,
    upstreams: [{ key: 'p/named/10.0.0.2:80', address: '10.0.0.2', port: 80, pool: 'p', gateway: 'named' }],
  })
  t.end()
})

test('a gateway that is disabled or gone is disabled, whatever else is known', t => {
  t.match(view('off', { holds: { off: [drained] } }), { state: 'disabled', ready: false })
  t.match(view('nobody'), { state: 'disabled', ready: false, upstreams: [] })
  t.end()
})

test('a hold outranks everything but being disabled, and says when it ends', t => {
  const holds = { beats: [{ ...drained, until: START + 5 }] }
  for (const record of [up, down, returning()])
    t.match(beats(record, { holds }), { state: 'held', cause: 'drain', ready: false, back_at: START + 5 })
  t.end()
})

test('an ejection outranks up, and never down', t => {
  const sight = { passive: { [KEY]: ejected() } }
  t.match(beats(up, { sight }), { state: 'ejected', cause: 'reset', ready: false, back_at: START + 90_000 })
  t.match(beats(up, { sight }, balanced), { state: 'ejected', back_at: START + 30_000 })
  t.match(beats(down, { sight }), { state: 'down' })
  t.match(beats(returning(START + 70_000), { sight }), { state: 'ejected', back_at: START + 130_000 })
  t.end()
})

test('a cooldown of either kind ends when both are over', t => {
  const sight = { passive: { [KEY]: cooling(START) } }
  t.match(beats(up, { sight }), { state: 'returning', cause: 'reset', back_at: START + 60_000, since: START - 9 })
  t.match(beats(returning(START + 1), { sight }), { state: 'returning', back_at: START + 60_001 })
  t.end()
})

test('a member with several addresses is out only when all of them are', t => {
  const addresses = { 'nas.lan': ['10.0.0.2', '10.0.0.3', '10.0.0.4'] }
  const key = (last: number) => `p/named/10.0.0.${last}:80`
  const dialled = (passive: Record<string, PassiveRecord>) => {
    const { state, upstreams } = view('named', { sight: { addresses, passive } })
    return [state, ...upstreams.map(({ address }) => address.at(-1))].join(' ')
  }
  t.equal(dialled({}), 'up 2 3 4')
  t.equal(dialled({ [key(2)]: ejected() }), 'up 3 4')
  t.equal(dialled({ [key(2)]: ejected(), [key(3)]: cooling() }), 'up 4', 'one that is cooling waits too')
  t.equal(dialled({ [key(2)]: ejected(), [key(3)]: cooling(), [key(4)]: ejected() }), 'returning 3')
  t.equal(dialled({ [key(2)]: ejected(), [key(3)]: ejected(), [key(4)]: ejected() }), 'ejected 2 3 4')
  t.end()
})

test('passive health of another pool does not count here', t => {
  t.match(beats(up, { sight: { passive: { 'q/beats/10.0.0.1:8080': ejected() } } }), { state: 'up' })
  t.end()
})

test('addresses and host names are told apart, and IPv6 keys can be read', t => {
  for (const literal of ['127.0.0.1', '::1', 'fe80::1']) t.ok(isLiteral(literal), literal)
  for (const name of ['localhost', 'nas.lan', '10.example.org']) t.notOk(isLiteral(name), name)
  const six = define({ gateways: [{ name: 'six', address: '::1' }] })
  const [gateway] = six.gateways
  t.match(gateway && upstreamsOf(worldOf(six), 'p', gateway), [{ key: 'p/six/[::1]:8080', address: '::1' }])
  t.end()
})
