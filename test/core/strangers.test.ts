import { test } from 'tap'
import { evaluation } from '../../src/core/changes.ts'
import { nextFailoverEnd } from '../../src/core/failover.ts'
import type { World } from '../../src/core/nouns.ts'
import { define, down, drained, START, up, worldOf } from '../support/world.ts'

const definitions = define({
  gateways: [{ name: 'home', address: '127.0.0.1', liveness: 'heartbeat' }],
  pools: [{ name: 'main', members: ['home'] }],
})
const failover = { kind: 'over', to: 'attic', by: 'ops', since: START } as const
const window = {
  name: 'w',
  by: 'ops',
  since: START,
  schedule: { kind: 'once', from: START, to: START + 1_000 },
  next: { from: START, to: START + 1_000 },
} as const

/** `attic` and the pool `other` are another replica's. */
function world(differ: boolean): World {
  const known = worldOf(definitions, {
    records: { home: up, attic: down },
    holds: { attic: [drained] },
    failovers: { other: failover },
    sight: { others: { count: 1, differ, failing: {} } },
  })
  const { liveness, holds } = known
  return {
    ...known,
    liveness: {
      ...liveness,
      value: { ...liveness.value, instances: { attic: { one: 1 } }, refused: { attic: ['x'] } },
    },
    holds: { ...holds, value: { ...holds.value, windows: { attic: [window] } } } as World['holds'],
  }
}

test('what is not defined here is left alone while replicas go by different definitions', t => {
  const before = world(true)
  t.equal(evaluation(before, START + 500), null, 'nothing at all happens')
  t.equal(nextFailoverEnd(before), Number.POSITIVE_INFINITY)
  const late = evaluation(before, START + 90_000)
  t.match(late, { documents: { liveness: { gateways: { home: { state: 'down' } } } } }, 'what is defined here goes on')
  t.match(late, {
    documents: { liveness: { ...before.liveness.value, gateways: { attic: down } } },
  })
  t.notHas(late, { documents: { holds: {} } })
  t.end()
})

test('once they go by the same, what nobody has goes', t => {
  t.match(evaluation(world(false), START + 500), {
    documents: {
      liveness: { gateways: { home: up }, instances: {}, refused: {} },
      holds: { failovers: {}, windows: {} },
    },
  })
  const { documents } = evaluation(world(false), START + 500) as unknown as { documents: { liveness: object } }
  t.strictSame(Object.keys((documents.liveness as { gateways: object }).gateways), ['home'])
  t.end()
})
