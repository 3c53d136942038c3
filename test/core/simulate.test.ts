import { test } from 'tap'
import { type Moved, signal } from '../../src/core/evaluate.ts'
import { type HoldsMoved, hold } from '../../src/core/holds.ts'
import type { Definitions, GatewayRecord, Snapshot } from '../../src/core/nouns.ts'
import { simulate } from '../../src/core/simulate.ts'
import { EMPTY } from '../../src/core/store.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState } from '../../src/state.ts'
import { createDice, type Dice } from '../support/dice.ts'
import { drawDefinitions } from '../support/machine-definitions.ts'
import { memoryStore } from '../support/memory-store.ts'
import { seed } from '../support/seed.ts'
import { down, returning, START, up, worldOf } from '../support/world.ts'

const WORLDS = 300
const NOW = START + 5_000

/** A replica in a random state, behind its two real doors. */
function replica(definitions: Definitions, dice: Dice) {
  const draw = () => dice.oneOf([up, up, down, returning(START, -1), returning(START, 500)]) ?? up
  const records = Object.fromEntries(definitions.gateways.map(({ name }): [string, GatewayRecord] => [name, draw()]))
  const [first] = definitions.pools.filter(({ mode, members }) => mode === 'failover' && members.length > 1)
  const to = first?.members[1]?.gateway ?? ''
  const failovers = first ? { [first.name]: { kind: 'over' as const, to, by: 'ops', since: START } } : {}
  const store = memoryStore(() => NOW, {
    definitions,
    liveness: { ...EMPTY.liveness, gateways: records },
    holds: { ...EMPTY.holds, failovers },
  })
  const addresses = Object.fromEntries(definitions.gateways.map(({ address }) => [address, ['10.0.0.1']]))
  const world = { ...worldOf(definitions, { sight: { addresses } }), ...store.documents }
  const state = createState({
    world,
    cluster: 'test',
    replica: 'r',
    boot: 'b',
    onError: error => {
      throw error
    },
  })
  return { state, ledger: createLedger({ state, store, definitions: 'store' }) }
}

const placed = ({ pools, ports, pinned }: Snapshot) => JSON.stringify({ pools, ports, pinned })

test(`what is simulated is what then happens, in ${WORLDS} random worlds`, async t => {
  for (let number = seed; number < seed + WORLDS; number++) {
    const dice = createDice(number)
    // What is only assumed cannot be seen to go, so there is nothing to compare with.
    const drawn = drawDefinitions(dice)
    const gateways = drawn.gateways.map(one => ({ ...one, liveness: 'heartbeat' as const }))
    const { state, ledger } = replica({ ...drawn, gateways }, dice)
    for (const upstream of Object.values(state.snapshot.pools).flatMap(pool =>
      pool.members.flatMap(one => one.upstreams),
    ))
      for (let fails = dice.int(4); fails > 0; fails--)
        state.apply({ kind: 'outcome', upstream, route: 'r', result: 'reset', at: NOW })
    const some = () => gateways.map(({ name }) => name).filter(() => dice.maybe(0.4))
    const [dead, held] = [some(), some()]
    const before = state.snapshot
    const foretold = simulate(before, { down: dead, held }, NOW)
    t.ok(state.snapshot === before)

    await ledger.commit(({ liveness: { value }, holds }) => {
      const untouched: Moved = { liveness: value, facts: [] }
      const silent = dead.reduce((moved, name) => signal(moved, name, { kind: 'silence', at: NOW }), untouched)
      const wish = { reason: 'drain' as const, holder: 'simulation', since: NOW }
      const free: HoldsMoved = { holds: holds.value, facts: silent.facts }
      const moved = held.reduce((before, name) => hold(before, name, wish, NOW), free)
      return { documents: { liveness: silent.liveness, holds: moved.holds }, facts: moved.facts }
    }, 'test')
    const [said, is] = [placed(foretold), placed(state.snapshot)]
    t.ok(said === is, `seed ${number}: down ${dead}, held ${held}`)
  }
})

test('a gateway that is assumed to be up, or was never seen, can be down in a simulation', t => {
  const dice = createDice(seed)
  const drawn = drawDefinitions(dice)
  for (const liveness of ['assumed', 'heartbeat'] as const) {
    const gateways = drawn.gateways.map(one => ({ ...one, address: '10.0.0.1', liveness, enabled: true }))
    const { state } = replica({ ...drawn, gateways }, createDice(seed))
    const names = gateways.map(({ name }) => name)
    const { pools, pinned, world } = simulate(state.snapshot, { down: names, held: [] }, NOW)
    for (const { serving } of [...Object.values(pools), ...Object.values(pinned)])
      t.strictSame(serving, { kind: 'nobody' }, `seed ${seed}`)
    t.equal(Object.keys(world.liveness.value.gateways).length, names.length)
  }
  t.end()
})
