import { test } from 'tap'
import { readStored } from '../../src/config/stored.ts'
import { define } from '../support/world.ts'

const full = define({
  settings: { gateway_down_threshold: '2m' },
  gateways: [{ name: 'a', address: 'NAS.lan.' }],
  pools: [
    {
      name: 'p',
      failback_cooldown: 'nas',
      members: ['a', { gateway: 'b', weight: 2 }],
      on_all_down: { action: 'hold' },
      active: [{ kind: 'http', timeout: '5s' }],
      passive: { max_ejected: '10%' },
    },
  ],
  routes: [
    { name: 'r', listen: '[::1]:53', match: { host: '*.EXAMPLE.org' }, target: { redirect: { to: '/x' } } },
    { name: 's', request_fields: { set: { a: 'b' } }, target: { respond: { body: 'hi' } }, allow: ['10.0.0.0/8'] },
  ],
})

/** `full` as JSON gives it back, without what is at these paths. */
function without(...paths: string[]): typeof full {
  const copy = structuredClone(full)
  for (const path of paths) {
    const keys = path.split('.')
    const last = String(keys.pop())
    const above = keys.reduce(
      (value, key) => (value as unknown as Record<string, object>)[key] as object,
      copy as object,
    )
    delete (above as Record<string, unknown>)[last]
  }
  return copy
}

test('what was stored is read as it was, units and all', t => {
  t.strictSame(readStored(structuredClone(full)), { kind: 'value', value: full })
  const stamps = { 'pool:p': 3 }
  t.strictSame(readStored({ ...full, stamps }), { kind: 'value', value: { ...full, stamps } })
  t.end()
})

test("keys that it lacks get today's defaults, at every depth, in the order of the schema", t => {
  const older = without(
    'settings.address_ranges',
    'gateways.0.http_port',
    'pools.0.passive',
    'pools.0.active.0.interval',
    'pools.0.on_all_down.hold',
    'pools.0.members.0.weight',
    'routes.0.match.path',
    'routes.0.target.redirect.status',
    'routes.1.request_fields.remove',
    'routes.1.target.respond.status',
    'routes.1.retry',
  )
  const read = readStored(older)
  const { max_ejected: _, ...passive } = full.pools[0]?.passive ?? {}
  t.match(read, { kind: 'value', value: { pools: [{ passive: { ...passive, max_ejected: 50 } }] } })
  const expected = structuredClone(full)
  for (const pool of expected.pools) pool.passive.max_ejected = 50
  t.equal(JSON.stringify(read), JSON.stringify({ kind: 'value', value: expected }))
  t.end()
})

test('what no longer fits is told at its place', t => {
  const places = (changed: object) => {
    const read = readStored({ ...full, ...changed })
    return read.kind === 'value' ? 'fits' : read.findings.map(({ path }) => path.join('.'))
  }
  const [pool] = full.pools
  t.strictSame(places({ pools: [{ ...pool, mode: 'quantum', entangled: true }] }), [
    'pools.0.mode',
    'pools.0.entangled',
  ])
  t.strictSame(places({ pools: [{ ...pool, failback_cooldown: '15m' }] }), ['pools.0.failback_cooldown'])
  t.strictSame(places({ gateways: [{ name: 'a' }] }), ['gateways.0.address'])
  t.strictSame(places({ webhooks: [] }), ['webhooks'])
  t.end()
})
