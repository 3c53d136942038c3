/** What an event costs, from an outcome that changes nothing to a gateway that goes down: `node bench/core/advance.ts`. */
import { definitions } from '../../src/config/definitions.ts'
import { advance, begin, firstSight } from '../../src/core/advance.ts'
import type { Event } from '../../src/core/events.ts'
import type { GatewayRecord, Snapshot } from '../../src/core/nouns.ts'
import { EMPTY } from '../../src/core/store.ts'
import { createState } from '../../src/state.ts'
import { measure } from './measure.ts'

const AT = 1_700_000_000_000

/** 100 pools of `size` members, in which 50 gateways take part again and again. */
function start(size: number): Snapshot {
  const gateways = Array.from({ length: Math.max(50, size) }, (_, i) => ({
    name: `g${i}`,
    address: '10.0.0.1',
    liveness: 'heartbeat' as const,
  }))
  const pools = Array.from({ length: 100 }, (_, p) => ({
    name: `p${p}`,
    members: Array.from({ length: size }, (_, i) => `g${(p + i) % gateways.length}`),
  }))
  const routes = pools.map(({ name }) => ({ name, match: { path: `/${name}` }, target: { pool: name } }))
  const up: GatewayRecord = { state: 'up', since: AT }
  return begin({
    definitions: { revision: 1, value: definitions.parse({ gateways, pools, routes }) },
    holds: { revision: 0, value: EMPTY.holds },
    access: { revision: 0, value: EMPTY.access },
    liveness: {
      revision: 1,
      value: { ...EMPTY.liveness, gateways: Object.fromEntries(gateways.map(({ name }) => [name, up])) },
    },
    sight: firstSight(AT),
  })
}

for (const size of [2, 16, 256]) {
  const snapshot = start(size)
  const { world } = snapshot
  const state = createState({ world, cluster: 'c', replica: 'r', boot: 'b', onError: () => {} })
  const upstream = snapshot.pools.p0?.members[0]?.upstreams[0]
  if (upstream === undefined) throw new Error('no upstream')
  const ok: Event = { kind: 'outcome', upstream, route: 'p0', result: 'ok', at: AT }
  const failed: Event = { kind: 'outcome', upstream, route: 'p0', result: 'reset', at: AT }
  const beat: Event = { kind: 'beat', gateway: 'g0', instance: 'i', said: { state: 'ready' }, at: AT }
  const records = (g0: GatewayRecord): Event => ({
    kind: 'committed',
    documents: {
      liveness: { revision: 2, value: { ...EMPTY.liveness, gateways: { ...world.liveness.value.gateways, g0 } } },
    },
    facts: [],
    at: AT,
  })
  const down = records({ state: 'down', since: AT })
  measure(`apply, a good answer, 100 pools of ${size}`, () => state.apply(ok))
  measure(`advance, a failure that is counted, 100 pools of ${size}`, () => advance(snapshot, failed))
  measure(`advance, a beat, 100 pools of ${size}`, () => advance(snapshot, beat))
  measure(`advance, a gateway goes down, 100 pools of ${size}`, () => advance(snapshot, down))
}
