/**
 * A replica in a small world of its own, to which random things happen on a hand clock: gateways that beat, fall silent, announce and
 * restart; upstreams that fail; people who hold gateways and change definitions; pauses, restarts and a store that is away. It is driven
 * through the two real doors, and after every step the oracle looks at what came of it.
 */
import { firstSight } from '../../src/core/advance.ts'
import { beat, type Change, evaluation, probed } from '../../src/core/changes.ts'
import { beatInterval, latenessLimit, nextDue } from '../../src/core/evaluate.ts'
import type { Event } from '../../src/core/events.ts'
import { failBack, failOver, nextFailoverEnd } from '../../src/core/failover.ts'
import { cancelWindow, planWindow } from '../../src/core/holding.ts'
import { hold, nextExpiry, release } from '../../src/core/holds.ts'
import type {
  Announcement,
  Choice,
  Definitions,
  FailureReason,
  Hold,
  Plan,
  Schedule,
  World,
} from '../../src/core/nouns.ts'
import { passiveAgenda, targetOf } from '../../src/core/passive.ts'
import { policies } from '../../src/core/policies/policies.ts'
import { freshLoad, type Load } from '../../src/core/policies/policy.ts'
import { nextWindow } from '../../src/core/windows.ts'
import { refuse } from '../../src/errors.ts'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import { createState, type State } from '../../src/state.ts'
import { createDice } from './dice.ts'
import { placesOf } from './machine-checks.ts'
import { COOLDOWNS, changeDefinitions, drawDefinitions } from './machine-definitions.ts'
import { checkForetold, wentDown } from './machine-foretold.ts'
import { createOracle } from './machine-oracle.ts'
import { violated } from './machine-truths.ts'
import { memoryStore } from './memory-store.ts'
import { START } from './world.ts'

export interface Model {
  /** Does one random thing. Throws when an invariant is broken. */
  step(): Promise<void>
  /** What was done last, oldest first. */
  readonly trace: readonly string[]
}

interface Agent {
  readonly gateway: string
  name: string
  alive: boolean
  says: Announcement['state']
  place: number
  readonly weight: number
  next: number
}

const FAILURES: readonly FailureReason[] = ['connect_refused', 'connect_timeout', 'reset', 'status', 'body_cut']
const TRACE = 60

export async function createModel(seed: number): Promise<Model> {
  const dice = createDice(seed)
  const { int, oneOf, maybe } = dice
  const fromFile = maybe(0.3)
  let now = START
  let definitions = drawDefinitions(dice)
  let away = false
  let boots = 0
  let broken: unknown
  let agents: Agent[] = []
  const sick = new Set<string>()
  const checkAt = new Map<string, number>()
  const loads = new Map<string, Load>()
  const trace: string[] = []
  const store = memoryStore(() => now, fromFile ? {} : { definitions })
  const oracle = createOracle(now)
  let committed = 0

  const open = (): { readonly state: State; readonly ledger: Ledger } => {
    const documents = store.documents
    const world: World = {
      ...documents,
      definitions: fromFile ? { revision: 1, value: definitions } : documents.definitions,
      sight: firstSight(now),
    }
    const state = createState({
      world,
      cluster: 'test',
      replica: 'r',
      boot: String(boots++),
      onError: error => {
        broken ??= error
      },
    })
    state.onFact(fact => {
      oracle.told(fact, before)
      if (fact.replica === undefined && store.committed[committed++] !== fact)
        violated(14, `${fact.id} is not what was committed`)
    })
    return { state, ledger: createLedger({ state, store, definitions: fromFile ? 'file' : 'store' }) }
  }
  let { state, ledger } = open()
  let before = state.snapshot

  const said = (what: string) => {
    trace.push(`${now - START} ${what}`)
    if (trace.length > TRACE) trace.shift()
  }

  const apply = async (event: Event) => {
    before = state.snapshot
    state.apply(event)
    await settle()
  }
  /** Facts are told after the step. */
  const settle = async () => {
    await Promise.resolve()
    if (broken !== undefined) throw broken
  }
  const commit = async (change: Change) => {
    before = state.snapshot
    const outcome = await ledger.commit(change, 'test')
    if (outcome.kind === 'refusal' && !away) violated(13, `${outcome.code}: ${outcome.detail}`)
    await settle()
  }

  const world = () => state.snapshot.world
  const threshold = () => definitions.settings.gateway_down_threshold
  const due = () =>
    away
      ? Infinity
      : Math.min(
          nextDue(world()),
          nextExpiry(world().holds.value),
          nextWindow(world().holds.value),
          nextFailoverEnd(world()),
        )

  const evaluate = async () => {
    const was = due()
    if (was > now) return
    const { snapshot } = state
    await commit(evaluation)
    const down = wentDown(snapshot, state.snapshot)
    if (down !== null && down.length > 0) checkForetold(snapshot, state.snapshot, { down, held: [] }, now)
    oracle.moved(world())
    if (due() === was) violated(13, 'an evaluation left what was due')
  }

  /** As the room that hears beats does it: what fell due before is decided first. */
  const hear = async (agent: Agent) => {
    agent.next = now + Math.ceil(beatInterval(threshold()) * (0.7 + 0.3 * dice.random()))
    if (!definitions.gateways.some(({ name }) => name === agent.gateway)) return
    await evaluate()
    oracle.heard(agent.gateway, now, world(), away)
    const definition = definitions.gateways.find(({ name }) => name === agent.gateway)
    // Now and then it is elsewhere.
    if (maybe(0.02)) agent.place = int(2)
    const place = { address: `10.${agent.place}.0.${agent.name.slice(1)}` }
    const what: Announcement = {
      state: agent.says,
      ...(definition?.address === 'from_heartbeat' ? place : {}),
      ...(agent.weight === 100 ? {} : { weight: agent.weight }),
    }
    await apply({ kind: 'beat', gateway: agent.gateway, instance: agent.name, said: what, at: now })
    await commit(beat(agent.gateway, agent.name, what))
    oracle.moved(world())
  }

  /** As the room that makes checks does it: each of the checks of a gateway, and what they change of its record. */
  const check = async (name: string) => {
    checkAt.set(name, now + 500 + int(3_000))
    const gateway = definitions.gateways.find(one => one.name === name)
    if (gateway?.enabled !== true) return
    await evaluate()
    const alive = !sick.has(name)
    for (const place of placesOf(world(), gateway)) {
      if (place.pool === '-' && !Object.values(state.snapshot.pinned).some(one => one.gateway === name)) continue
      for (const key of place.keys) {
        for (const index of place.rules.keys()) {
          const passed = maybe(alive ? 0.95 : 0.1)
          const { snapshot } = state
          oracle.checked(name, place, key, index, passed, now, snapshot)
          await apply({ kind: 'checked', upstream: targetOf(key), check: index, passed, said: '', at: now })
          if (!passed && oracle.checks.passing(place, key) === false) oracle.failed(key, now, snapshot, state.snapshot)
          const change = probed(name)
          if (change(world(), now) !== null) await commit(change)
        }
      }
    }
  }

  const passive = async () => {
    const { trials, next } = passiveAgenda(state.snapshot, now)
    if (next <= now) {
      await apply({ kind: 'tick', at: now })
      if (passiveAgenda(state.snapshot, now).next <= now) violated(13, 'a tick left what was due')
    }
    for (const key of trials) {
      const ok = sick.has(targetOf(key).gateway) ? maybe(0.1) : maybe(0.9)
      before = state.snapshot
      state.apply({ kind: 'trial', upstream: targetOf(key), ok, at: now })
      if (ok) oracle.passed(key, now)
      else oracle.failed(key, now, before, state.snapshot)
      await settle()
    }
  }

  /** Time passes, and what falls due is done in its turn, `late` ms late. */
  const pass = async (ms: number) => {
    const until = now + ms
    const late = maybe(0.7) ? 0 : int(Math.min(latenessLimit(threshold()), 900))
    for (;;) {
      const agent = agents.reduce<Agent | undefined>(
        (first, one) => (one.alive && (first === undefined || one.next < first.next) ? one : first),
        undefined,
      )
      const agenda = passiveAgenda(state.snapshot, now)
      const health = agenda.trials.length > 0 ? now : agenda.next
      const [checking, checkDue] = nextCheck()
      const next = Math.min(agent?.next ?? Infinity, due() + late, health, checkDue)
      if (next > until) break
      now = Math.max(now, next)
      if (health <= now) await passive()
      else if (due() + late <= now) await evaluate()
      else if (checkDue <= now) await check(checking)
      else if (agent) await hear(agent)
    }
    now = until
  }

  /** The gateway whose checks are due first, and when. */
  const nextCheck = (): readonly [string, number] => {
    let first: readonly [string, number] = ['', Infinity]
    for (const { name } of definitions.gateways) {
      const at = checkAt.get(name) ?? now
      if (at < first[1]) first = [name, at]
    }
    return first
  }

  const employ = () => {
    // Agents run where gateways beat; a gateway may have several.
    const beating = definitions.gateways.filter(({ liveness }) => liveness === 'heartbeat')
    agents = agents.filter(({ gateway }) => beating.some(({ name }) => name === gateway))
    for (const { name } of beating) {
      if (agents.some(({ gateway }) => gateway === name)) continue
      for (let i = 0; i <= int(2); i++)
        agents.push({
          gateway: name,
          name: `i${i}`,
          alive: maybe(0.8),
          says: 'ready',
          place: 0,
          weight: oneOf([100, 100, 50, 0]) ?? 100,
          next: now + int(2_000),
        })
    }
  }

  const resolve = async (chance: number) => {
    for (const { address } of definitions.gateways) {
      if (!address.endsWith('.lan') || !maybe(chance)) continue
      const addresses = Array.from({ length: 1 + int(2) }, () => `10.0.0.${1 + int(3)}`)
      await apply({ kind: 'resolved', host: address, addresses: [...new Set(addresses)].sort(), at: now })
      oracle.redefined(world())
    }
  }

  const listen = async (restarted: boolean) => {
    oracle.listening(now, restarted ? state.snapshot : undefined)
    if (!restarted) await apply({ kind: 'observing', at: now })
    await evaluate()
  }

  /** Requests to one plan, each to the upstreams that its policy picks until one answers or none is left. */
  const request = async (plan: Plan, route: string) => {
    const pick = policies[plan.policy]
    for (let times = 1 + int(5); times > 0; times--) {
      const candidate = (choice: Choice) => ({ ...choice, name: choice.gateway, load: loadOf(choice) })
      const choices = plan.choices.map(candidate)
      const policy = pick(choices, dice.random, () => now)
      const tried: typeof choices = []
      for (;;) {
        const chosen = policy.pick(int(2 ** 32), tried) ?? plan.emergency.map(candidate)[tried.length - choices.length]
        if (chosen === undefined) break
        if (choices.length > tried.length && !choices.includes(chosen)) violated(2, 'an emergency before the ready')
        tried.push(chosen)
        if (await attempt(oneOf(chosen.upstreams), route)) break
      }
      if (tried.length === 0 && choices.length > 0) violated(2, 'nobody was picked, though somebody is ready')
    }
  }
  const loadOf = ({ pool, gateway }: Choice): Load => {
    const key = `${pool}/${gateway}`
    const known = loads.get(key) ?? { ...freshLoad(), inFlight: int(4) }
    loads.set(key, known)
    return known
  }
  const attempt = async (upstream: Choice['upstreams'][number] | undefined, route: string): Promise<boolean> => {
    if (upstream === undefined) return true
    const ok = maybe(sick.has(upstream.gateway) ? 0.05 : 0.98)
    const result = ok ? 'ok' : (oneOf(FAILURES) ?? 'reset')
    before = state.snapshot
    state.apply({ kind: 'outcome', upstream, route, result, at: now })
    if (!ok) oracle.failed(upstream.key, now, before, state.snapshot)
    await settle()
    return ok
  }

  const wish = (change: (before: World) => ReturnType<typeof hold>): Change => {
    return world => {
      const moved = change(world)
      return moved.holds === world.holds.value ? null : { documents: { holds: moved.holds }, facts: moved.facts }
    }
  }

  const define = async (next: Definitions) => {
    definitions = next
    if (fromFile) await apply({ kind: 'loaded', definitions: next, changed: [], at: now })
    else await commit(() => ({ documents: { definitions: next }, facts: [] }))
    oracle.disturbed(now)
    oracle.redefined(world())
    employ()
    await resolve(0.7)
  }

  const actions: readonly (readonly [weight: number, name: string, run: () => unknown])[] = [
    [30, 'time passes', () => pass(int(oneOf([50, 1_000, threshold() / 3, threshold(), 2 * threshold()]) ?? 0))],
    [6, 'a long time passes', () => pass(int(oneOf(COOLDOWNS) ?? 0))],
    [
      30,
      'requests',
      () => {
        const { pools, pinned } = state.snapshot
        const target = oneOf([...Object.values(pools), ...Object.values(pinned)])
        return target && request(target.plan, oneOf(['x', 'y']) ?? '')
      },
    ],
    [
      4,
      'a late answer',
      () => {
        const member = oneOf(oneOf(Object.values(state.snapshot.pools))?.members ?? [])
        return attempt(oneOf(member?.upstreams ?? []), 'x')
      },
    ],
    [
      8,
      'sick or well',
      () => {
        const { name } = oneOf(definitions.gateways) ?? { name: '' }
        if (!sick.delete(name)) sick.add(name)
      },
    ],
    [
      8,
      'an agent dies or starts',
      () => {
        const agent = oneOf(agents)
        if (agent === undefined) return
        agent.alive = !agent.alive
        if (maybe(0.2)) agent.name = `i${int(5)}`
        if (agent.alive) agent.says = 'ready'
        agent.next = now
      },
    ],
    [
      7,
      'an agent announces',
      () => {
        const agent = oneOf(agents)
        if (!agent?.alive) return
        agent.says = maybe(0.6) ? 'ready' : (oneOf(['drain', 'maintenance', 'shutdown'] as const) ?? 'ready')
        return hear(agent)
      },
    ],
    [
      5,
      'somebody holds',
      async () => {
        const { name } = oneOf(definitions.gateways) ?? { name: '' }
        const wanted: Hold = {
          reason: oneOf(['drain', 'maintenance', 'shutdown'] as const) ?? 'drain',
          holder: oneOf(['ops', 'i0']) ?? 'ops',
          since: now,
          ...(maybe(0.3) ? { instance: `i${int(3)}` } : {}),
          ...(maybe(0.5) ? { until: now + 1 + int(20_000) } : {}),
        }
        const { snapshot } = state
        await commit(wish(({ holds }) => hold({ holds: holds.value, facts: [] }, name, wanted, now)))
        const whole = wanted.instance === undefined && !away
        if (whole) checkForetold(snapshot, state.snapshot, { down: [], held: [name] }, now)
      },
    ],
    [
      5,
      'somebody lifts',
      () => {
        const { name } = oneOf(definitions.gateways) ?? { name: '' }
        const reason = oneOf(['drain', 'maintenance', 'shutdown'] as const)
        const chosen = (one: Hold) => one.reason === reason || one.holder === 'ops'
        return commit(wish(({ holds }) => release({ holds: holds.value, facts: [] }, name, chosen, now)))
      },
    ],
    [
      4,
      'somebody fails over',
      () => {
        const pool = oneOf(definitions.pools.filter(({ mode }) => mode === 'failover'))
        const to = oneOf(pool?.members ?? [])
        return pool && to && commit(failOver(pool.name, to.gateway, 'ops'))
      },
    ],
    [
      4,
      'somebody fails back',
      () => {
        const pool = oneOf(definitions.pools.filter(({ mode }) => mode === 'failover'))
        const change = failBack(pool?.name ?? '', 'ops')
        const proposed = change(world(), now)
        return proposed && !('kind' in proposed) && commit(change)
      },
    ],
    [
      3,
      'somebody plans or cancels a window',
      () => {
        const { name } = oneOf(definitions.gateways) ?? { name: '' }
        const from = now + int(10_000) - 2_000
        const schedule: Schedule = maybe(0.7)
          ? { kind: 'once', from, to: from + 1 + int(20_000) }
          : { kind: 'weekly', days: ['tue', 'wed'], from: '22:13', to: '22:14', time_zone: 'UTC' }
        const window = `w${int(3)}`
        const change = maybe(0.7) ? planWindow(name, { name: window, schedule }, 'ops') : cancelWindow(name, window)
        const proposal = change(world(), now)
        return proposal === null || 'kind' in proposal ? undefined : commit(change)
      },
    ],
    [4, 'definitions change', () => (away && !fromFile ? undefined : define(changeDefinitions(definitions, dice)))],
    [3, 'names are looked up', () => resolve(0.5)],
    [
      2,
      'we are paused',
      async () => {
        now += Math.ceil(latenessLimit(threshold())) + int(3 * threshold())
        for (const agent of agents) agent.next = now + int(beatInterval(threshold()))
        await listen(false)
      },
    ],
    [
      1,
      'we restart',
      async () => {
        now += int(5_000)
        ;({ state, ledger } = open())
        before = state.snapshot
        oracle.disturbed(now)
        await listen(true)
        await resolve(0.8)
      },
    ],
    [
      2,
      'the store goes or comes',
      async () => {
        away = !away
        store.disturb = away ? () => refuse('store_unavailable', 'it is away') : null
        if (away) return
        oracle.disturbed(now)
        await listen(false)
      },
    ],
  ]
  const drawer = actions.flatMap(action => Array.from({ length: action[0] }, () => action))

  employ()
  oracle.listening(now, state.snapshot)
  await resolve(0.8)

  return {
    trace,
    async step() {
      const [, name, run] = oneOf(drawer) ?? violated(13, 'there is nothing to do')
      said(name)
      await run()
      oracle.check(state.snapshot, now, away)
    },
  }
}
