/** What the attempt loop adds to a request that is answered at once: `node bench/core/attempt.ts`. */
import { definitions } from '../../src/config/definitions.ts'
import { firstSight } from '../../src/core/advance.ts'
import { buildRoutes } from '../../src/core/routes.ts'
import { EMPTY } from '../../src/core/store.ts'
import { createState } from '../../src/state.ts'
import { Attempt } from '../../src/traffic/attempt.ts'
import { Taken } from '../../src/traffic/shared.ts'
import { Slots } from '../../src/traffic/slots.ts'
import { measure } from './measure.ts'

for (const size of [1, 16]) {
  const gateways = Array.from({ length: size }, (_, i) => ({ name: `g${i}`, address: '10.0.0.1' }))
  const value = definitions.parse({
    gateways,
    pools: [{ name: 'p', mode: 'load_balancing', members: gateways.map(({ name }) => name) }],
    routes: [{ name: 'r', target: { pool: 'p' } }],
  })
  const world = {
    definitions: { revision: 1, value },
    holds: { revision: 0, value: EMPTY.holds },
    access: { revision: 0, value: EMPTY.access },
    liveness: { revision: 0, value: EMPTY.liveness },
    sight: firstSight(0),
  }
  const state = createState({ world, cluster: 'c', replica: 'r', boot: 'b', onError: () => {} })
  const slots = new Slots(Math.random, new Taken(), () => ({ release: () => {} }))
  const entry = buildRoutes(value, 'web', () => null).any[0]
  if (entry === undefined) throw new Error('no route')
  const attempt = new Attempt({ state, slots, now: () => 0, onRetry: () => {} })
  measure(`attempt, begun and finished, ${size} members`, () => {
    attempt.begin(entry, 0, 0)
    attempt.respond(200)
    attempt.finish()
  })
}
