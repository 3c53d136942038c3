/**
 * A primary flaps for 24 hours of virtual time. Whichever signal sees it, traffic changes sides at most as often as the cooldown allows, and
 * who is back has stayed for a whole cooldown.
 */
import { test } from 'tap'
import { beat, type Change, evaluation } from '../../src/core/changes.ts'
import { nextDue } from '../../src/core/evaluate.ts'
import { passiveAgenda, targetOf } from '../../src/core/passive.ts'
import { EMPTY } from '../../src/core/store.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState } from '../../src/state.ts'
import { createDice } from '../support/dice.ts'
import { memoryStore } from '../support/memory-store.ts'
import { seed } from '../support/seed.ts'
import { define, START, worldOf } from '../support/world.ts'

const SECOND = 1_000
const DAY = 24 * 3_600 * SECOND
const COOLDOWN = 300 * SECOND
const UPSTREAM = { key: 'main/a/10.0.0.1:8080', pool: 'main', gateway: 'a' }

for (const signal of ['beats', 'probe', 'passive'] as const) {
  test(`24 hours of a flapping primary as ${signal} show it: traffic moves no oftener than the cooldown allows`, async t => {
    const definitions = define({
      settings: { gateway_down_threshold: '6s' },
      gateways: [
        { name: 'a', address: '10.0.0.1', liveness: signal === 'beats' ? 'heartbeat' : 'assumed' },
        { name: 'b', address: '10.0.0.2' },
      ],
      pools: [
        {
          name: 'main',
          failback_cooldown: '5m',
          members: ['a', 'b'],
          ...(signal === 'probe' ? { active: [{ kind: 'tcp' as const }] } : {}),
        },
      ],
      routes: [{ name: 'all', target: { pool: 'main' } }],
    })
    let now = START
    const store = memoryStore(() => now, { ...EMPTY, definitions })
    const onError = (error: unknown) => t.fail(String(error))
    const world = { ...worldOf(definitions), ...store.documents }
    const state = createState({ world, cluster: 'home', replica: 'one', boot: 'b', onError })
    const ledger = createLedger({ state, store, definitions: 'store' })
    const commit = async (change: Change) => {
      if (change(state.snapshot.world, now) !== null) await ledger.commit(change, 'system')
    }
    const moves: { at: number; kind: string }[] = []
    state.onFact(({ kind, at }) => {
      if (kind === 'pool_failover_activated' || kind === 'pool_failover_restored') moves.push({ at, kind })
    })

    const dice = createDice(seed)
    let well = true
    let turns = START + 60 * SECOND
    let died = 0
    for (; now < START + DAY; now += SECOND) {
      if (now >= turns) {
        well = !well
        if (!well) died++
        // Mostly it is away and back within a minute; now and then it stays for longer than a cooldown.
        turns = now + (well && dice.maybe(0.1) ? 2 * COOLDOWN : SECOND + dice.int(60) * SECOND)
      }
      if (nextDue(state.snapshot.world) <= now) await commit(evaluation)
      if (signal === 'beats' && well) {
        state.apply({ kind: 'beat', gateway: 'a', instance: 'a-1', said: { state: 'ready' }, at: now })
        await commit(beat('a', 'a-1', { state: 'ready' }))
      }
      if (signal === 'probe')
        state.apply({ kind: 'checked', upstream: UPSTREAM, check: 0, passed: well, said: '', at: now })
      state.apply({ kind: 'tick', at: now })
      for (const key of passiveAgenda(state.snapshot, now).trials)
        state.apply({ kind: 'trial', upstream: targetOf(key), ok: well, at: now })
      const { serving } = state.snapshot.pools.main ?? {}
      if (signal === 'passive' && serving && 'gateway' in serving && serving.gateway === 'a')
        state.apply({
          kind: 'outcome',
          upstream: UPSTREAM,
          route: 'all',
          result: well ? 'ok' : 'connect_refused',
          at: now,
        })
    }
    await Promise.resolve()

    const back = moves.filter(({ kind }) => kind === 'pool_failover_restored').map(({ at }) => at)
    const away = moves.filter(({ kind }) => kind === 'pool_failover_activated').map(({ at }) => at)
    t.comment(`seed ${seed}: died ${died} times, moved away ${away.length} times, back ${back.length} times`)
    t.ok(died > 500, 'it flapped')
    t.ok(back.length > 5, 'it comes back when it stays')
    t.ok(away.length <= DAY / COOLDOWN, 'no oftener than the cooldown allows')
    t.ok(Math.abs(away.length - back.length) <= 1, 'there and back in turns')
    const tooSoon = back.filter((at, i) => at - (away[i] ?? 0) < COOLDOWN)
    t.strictSame(tooSoon, [], `seed ${seed}: it stayed for the whole cooldown before each failback`)
  })
}
