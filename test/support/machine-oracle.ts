/**
 * What must hold whatever happens, worked out from what happened and not from the code under test. The model (`machine-model.ts`) tells
 * what it did; `check` looks at the snapshot after each step, `told` at each fact. Numbers are in the messages.
 *
 *  1. Who is held, down or disabled is never offered: not first, not for a retry, not in an emergency.
 *  2. While somebody is ready only the ready come first. The others stand in by rank: returning (first back first), ejected, never seen.
 *  3. In failover the ready come by priority, so that the first in order serves as soon as it is ready; but for a failover by hand.
 *  4. A gateway goes down after a whole threshold of silence that we were there to hear, and at most 1 s later. Our own pause, restart or
 *     lost store takes nobody down.
 *  5. A gateway is back in a pool after that pool's own cooldown, at most 1 s later; each length is told once per return.
 *  6. A gap in the beats resets the cooldown, at most 1 s late; none is overlooked while we listen.
 *  7. Facts about a gateway follow the machine: one down per up, one cooldown per return.
 *  8. Held and released are told in turns for each hold. No hold and no failover by hand outlives its end.
 *  9. Failover activated and restored, outage started and resolved are told in turns for each pool, when they are true.
 * 10. An upstream's ejection and return are told in turns; it returns by a passed trial, in failover after the whole cooldown since, and at
 *     most 1 s later. When its gateway goes down the ejection is over: the gateway's own cooldown follows.
 * 11. The last member that could serve is never ejected; in load balancing not more than the share that may be out.
 * 12. The snapshot is the one that is built from nothing out of the same world.
 * 13. What is due and is done is no longer due.
 * 14. No fact comes twice, and the cluster's facts are those that were committed, in that order.
 * 15. Before gateways go down or somebody holds one, `simulate` says who serves then (`machine-foretold.ts`).
 */
import { gapTime } from '../../src/core/evaluate.ts'
import type { Fact } from '../../src/core/events.ts'
import type { GatewayRecord, Snapshot, World } from '../../src/core/nouns.ts'
import { own } from '../../src/core/own.ts'
import { buildSnapshot } from '../../src/core/snapshot.ts'
import { type Checks, createChecks, type Place } from './machine-checks.ts'
import { checkPlans, cooldowns, isHeartbeat, keysOf, mayGo, same, seen, violated } from './machine-truths.ts'

/** Ms after which what is due has to be done. */
const SOON = 1_000

export interface Oracle {
  /** A beat was taken in. */
  heard(gateway: string, at: number, world: World, away: boolean): void
  /** Silence counts from `at`. After a restart nothing is remembered of what one replica saw. */
  listening(at: number, restarted?: Snapshot): void
  /** Something else than time made things due at `at`: a change of definitions, a store that is back. */
  disturbed(at: number): void
  /** Definitions or addresses are others now: what was known of what is gone is let go. */
  redefined(world: World): void
  /** Instances came, went or are elsewhere: so are their upstreams. */
  moved(world: World): void
  /** An upstream passed its trial. */
  passed(key: string, at: number): void
  /** An upstream failed a trial or a request. */
  failed(key: string, at: number, before: Snapshot, after: Snapshot): void
  /** An active check of an upstream is about to be told, in the world of `before`. */
  checked(
    gateway: string,
    place: Place,
    key: string,
    check: number,
    passed: boolean,
    at: number,
    before: Snapshot,
  ): void
  /** What active checks say, by all that was told of them. */
  readonly checks: Checks
  /** A fact came out of the step that led from `before`. */
  told(fact: Fact, before: Snapshot): void
  check(snapshot: Snapshot, now: number, away: boolean): void
}

interface GatewayStory {
  state: GatewayRecord['state']
  heard: number
  /** The first beat since we listen. */
  vouched: number
  returnedAt: number
  /** The longest cooldown that was told. */
  back: number
  /** The last active check, the last that it passed, and the first of those since we listen. */
  checkedAt: number
  passedAt: number
  cleared: number
}

interface UpstreamStory {
  out: boolean
  /** Since when its trials pass. */
  passing: number | null
}

/** By whom, and whether as an emergency. */
const serves = ({ to, emergency }: { readonly to: string; readonly emergency: boolean }) =>
  emergency ? `${to}, an emergency` : to

export function createOracle(start: number): Oracle {
  let listeningSince = start
  let disturbedAt = start
  const gateways = new Map<string, GatewayStory>()
  const upstreams = new Map<string, UpstreamStory>()
  const held = new Set<string>()
  const failovers = new Map<string, string>()
  const outages = new Map<string, string>()
  const ids = new Set<string>()
  const checks = createChecks()

  const story = (gateway: string): GatewayStory => {
    let known = gateways.get(gateway)
    if (known === undefined) {
      known = {
        state: 'unknown',
        heard: -Infinity,
        vouched: -Infinity,
        returnedAt: 0,
        back: -1,
        checkedAt: -Infinity,
        passedAt: -Infinity,
        cleared: -Infinity,
      }
      gateways.set(gateway, known)
    }
    return known
  }

  const upstream = (key: string): UpstreamStory => {
    let known = upstreams.get(key)
    if (known === undefined) {
      known = { out: false, passing: null }
      upstreams.set(key, known)
    }
    return known
  }

  const rememberTold = (snapshot: Snapshot) => {
    failovers.clear()
    outages.clear()
    for (const [name, { failover, outage }] of Object.entries(snapshot.world.sight.told)) {
      if (failover && !failover.quiet) failovers.set(name, serves(failover))
      if (outage && !outage.quiet) outages.set(name, outage.cause)
    }
  }

  const onLiveness = (fact: Fact, world: World) => {
    const it = story(fact.subject)
    const threshold = world.definitions.value.settings.gateway_down_threshold
    const silence = fact.at - Math.max(it.heard, listeningSince)
    const late = fact.at - Math.max(it.heard, listeningSince, disturbedAt)
    const from = (number: number, ...states: GatewayRecord['state'][]) => {
      if (!states.includes(it.state)) violated(number, `${fact.kind} of ${fact.subject}, which was ${it.state}`)
    }
    switch (fact.kind) {
      case 'first_alive':
        from(7, 'unknown')
        mustLive(fact, world)
        it.state = 'up'
        break
      case 'gateway_down':
        from(7, 'up', ...(isOver(it, fact.subject, world) ? (['returning'] as const) : []))
        if (fact.cause === 'probe') {
          if (checks.lives(world, fact.subject) !== false) violated(4, `${fact.subject} is down, though a check passes`)
          it.state = 'down'
          break
        }
        if (silence < threshold) violated(4, `${fact.subject} is down after ${silence} of ${threshold} ms of silence`)
        if (late > threshold + SOON) violated(4, `${fact.subject} is down ${late - threshold} ms late`)
        it.state = 'down'
        break
      case 'down_to_cooldown':
        from(7, 'down', ...(fact.cause === 'shutdown_over' ? (['up', 'returning'] as const) : []))
        mustLive(fact, world)
        Object.assign(it, { state: 'returning', returnedAt: fact.at, back: -1 })
        break
      case 'cooldown_reset':
        from(7, 'returning')
        if (fact.cause === 'probe') {
          if (!checks.failsEverywhere(world, fact.subject))
            violated(6, `${fact.subject} is reset, though a check passes`)
          it.state = 'down'
          break
        }
        if (silence < gapTime(threshold)) violated(6, `${fact.subject} is reset after ${silence} ms of silence`)
        if (late > gapTime(threshold) + SOON) violated(6, `the gap of ${fact.subject} shows ${late} ms late`)
        it.state = 'down'
        break
      case 'gateway_alive': {
        from(7, 'returning')
        const lengths = cooldowns(world, fact.subject)
        const pools = lengths.get(fact.cooldown) ?? []
        const probed = world.definitions.value.gateways.some(
          ({ name, liveness }) => name === fact.subject && liveness === 'probe',
        )
        const due = Math.max(it.returnedAt + fact.cooldown, probed ? it.cleared : it.vouched, disturbedAt)
        if (fact.cooldown <= it.back) violated(5, `${fact.subject} is back after ${fact.cooldown} ms twice`)
        if (fact.at < it.returnedAt + fact.cooldown) violated(5, `${fact.subject} is back too early`)
        if (fact.at > due + SOON) violated(5, `${fact.subject} is back ${fact.at - due} ms late`)
        if ((probed ? it.passedAt : it.heard) < listeningSince)
          violated(5, `${fact.subject} is back without a beat that we heard`)
        if (fact.pools.join() !== pools.join()) violated(5, `back in ${fact.pools.join()}, not ${pools.join()}`)
        it.back = fact.cooldown
        if (isOver(it, fact.subject, world)) it.state = 'up'
        break
      }
      default:
    }
  }

  const mustLive = ({ cause, subject }: Fact, world: World) => {
    if (cause !== 'probe') return
    const lives = story(subject).state === 'down' ? checks.rises(world, subject) : checks.lives(world, subject)
    if (lives !== true) violated(7, `${subject} is alive, and passes no checks`)
  }

  const onHold = (fact: Fact) => {
    if (fact.kind !== 'member_held' && fact.kind !== 'member_released') return
    const key = [fact.subject, fact.cause, fact.holder, fact.instance].join('/')
    if (held.has(key) === (fact.kind === 'member_held')) violated(8, `${fact.kind} twice: ${key}`)
    if (fact.kind === 'member_held') held.add(key)
    else held.delete(key)
  }

  const onPool = (fact: Fact) => {
    switch (fact.kind) {
      case 'pool_failover_activated': {
        const to = serves({ to: fact.to, emergency: fact.cause === 'emergency' })
        if (failovers.get(fact.subject) === to) violated(9, `${fact.subject} fails over to ${to} twice`)
        failovers.set(fact.subject, to)
        break
      }
      case 'pool_failover_restored':
        if (!failovers.delete(fact.subject)) violated(9, `${fact.subject} was in no failover`)
        break
      case 'pool_outage_started':
        if (outages.has(fact.subject)) violated(9, `${fact.subject} has a second outage`)
        outages.set(fact.subject, fact.cause)
        break
      case 'pool_outage_resolved':
        if (outages.get(fact.subject) !== fact.cause) violated(9, `${fact.subject} had no outage ${fact.cause}`)
        outages.delete(fact.subject)
        break
      default:
    }
  }

  const onUpstream = (fact: Fact, before: Snapshot) => {
    if (fact.kind === 'gateway_down' || fact.kind === 'cooldown_reset') {
      for (const key of upstreams.keys()) if (key.split('/')[1] === fact.subject) upstreams.delete(key)
    }
    if (fact.kind !== 'member_ejected' && fact.kind !== 'member_returned') return
    const it = upstream(fact.upstream)
    if (it.out === (fact.kind === 'member_ejected')) violated(10, `${fact.kind} twice: ${fact.upstream}`)
    it.out = fact.kind === 'member_ejected'
    if (it.out) {
      it.passing = null
      mayGo(before, fact.upstream)
      return
    }
    const pool = before.world.definitions.value.pools.find(({ name }) => name === fact.pool)
    const waited = fact.at - (it.passing ?? violated(10, `${fact.upstream} is back without a passed trial`))
    if (pool === undefined) return
    const cooldown = pool.mode === 'failover' || pool.hold_out ? pool.failback_cooldown : 0
    if (waited < cooldown) violated(10, `${fact.upstream} is back too early`)
    const due = Math.max(fact.at - waited + cooldown, listeningSince, disturbedAt)
    if (fact.at > due + SOON) violated(10, `${fact.upstream} is back ${fact.at - due} ms late`)
  }

  return {
    heard(gateway, at, world, away) {
      const it = story(gateway)
      endUntold(gateway, world)
      const gap = gapTime(world.definitions.value.settings.gateway_down_threshold)
      const silence = at - Math.max(it.heard, listeningSince, disturbedAt)
      if (!away && it.state === 'returning' && isHeartbeat(world, gateway) && silence >= gap)
        violated(6, `a gap of ${silence} ms of ${gateway} is overlooked`)
      if (it.heard < listeningSince) it.vouched = at
      it.heard = at
    },
    listening(at, restarted) {
      listeningSince = at
      if (restarted === undefined) return
      for (const it of gateways.values()) it.heard = it.passedAt = -Infinity
      upstreams.clear()
      checks.forget(() => false)
      rememberTold(restarted)
    },
    disturbed(at) {
      disturbedAt = at
    },
    redefined(world) {
      const { gateways: defined, pools } = world.definitions.value
      for (const [name, it] of gateways) if (!defined.some(gateway => gateway.name === name)) it.heard = -Infinity
      for (const told of [failovers, outages])
        for (const name of told.keys()) if (!pools.some(pool => pool.name === name)) told.delete(name)
      // Definitions may move a failover without a word.
      for (const name of failovers.keys()) {
        const is = own(world.sight.told, name)?.failover
        if (is) failovers.set(name, serves(is))
      }
      this.moved(world)
      // What that changes of a verdict shows with the next result.
      for (const [name, it] of gateways) {
        it.checkedAt = -Infinity
        it.passedAt = Math.min(it.passedAt, checks.vouchedAt(world, name))
      }
    },
    moved(world) {
      // What was known of an upstream goes with it.
      const there = new Set([...keysOf(world).values()].flat())
      for (const key of upstreams.keys()) if (!there.has(key)) upstreams.delete(key)
      checks.forget(key => Object.hasOwn(world.sight.checks, key))
    },
    checks,
    checked(gateway, place, key, check, passed, at, before) {
      const rules = place.rules[check]
      if (rules === undefined) return
      checks.result(key, check, passed, rules, at)
      const it = story(gateway)
      it.checkedAt = at
      if (checks.lives(before.world, gateway) !== true) it.passedAt = -Infinity
      else if (checks.verdict(place, key) === true) {
        if (it.passedAt < listeningSince) it.cleared = at
        it.passedAt = at
      }
      const record = own(before.world.sight.passive, key)
      if (record?.kind === 'ejected' && record.reason === 'probe' && checks.verdict(place, key) === true)
        upstream(key).passing ??= at
    },
    passed(key, at) {
      upstream(key).passing ??= at
    },
    failed(key, at, before, after) {
      const was = own(before.world.sight.passive, key)?.kind
      const is = own(after.world.sight.passive, key)?.kind
      if (was === 'cooling' && is === 'ejected') mayGo(before, key)
      // Cooling goes on from the beginning; after an ejection a trial has to pass first.
      if (was === 'cooling' || was === 'ejected') upstream(key).passing = is === 'cooling' ? at : null
    },
    told(fact, before) {
      if (ids.has(fact.id)) violated(14, `fact ${fact.id} comes twice`)
      ids.add(fact.id)
      onLiveness(fact, before.world)
      onHold(fact)
      onPool(fact)
      onUpstream(fact, before)
    },
    check(snapshot, now, away) {
      checkPlans(snapshot)
      checkRecords(snapshot.world, now, away)
      checkTold(snapshot)
      if (!away) checkHolds(snapshot.world, now)
      const rebuilt = buildSnapshot(snapshot.world, null, 'all')
      if (!same(rebuilt.pools, snapshot.pools)) violated(12, 'the pools are not those of the world')
      if (!same(rebuilt.pinned, snapshot.pinned)) violated(12, 'the pinned plans are not those of the world')
    },
  }

  /** A return ends without a fact where definitions took its longer cooldowns away. */
  function endUntold(name: string, world: World): void {
    const it = story(name)
    if (it.state !== 'returning' || own(world.liveness.value.gateways, name)?.state !== 'up') return
    if (!isOver(it, name, world)) violated(5, `${name} is up, and back only after ${it.back} ms`)
    it.state = 'up'
  }

  function isOver({ back }: GatewayStory, name: string, world: World): boolean {
    return Math.max(...cooldowns(world, name).keys()) <= back
  }

  function checkRecords(world: World, now: number, away: boolean): void {
    const { gateways: defined, settings } = world.definitions.value
    for (const { name, liveness } of defined) {
      const it = story(name)
      const record = own(world.liveness.value.gateways, name) ?? { state: 'unknown' }
      endUntold(name, world)
      if (record.state !== it.state) violated(7, `${name} is ${record.state}, but told to be ${it.state}`)
      if (!away && liveness === 'probe' && it.checkedAt > disturbedAt) {
        const lives = checks.lives(world, name)
        if (lives === false && it.state === 'up') violated(4, `${name} fails its checks, and is up`)
        if (lives === true && it.state === 'unknown') violated(7, `${name} passes its checks, and is unknown`)
        if (checks.rises(world, name) && it.state === 'down') violated(7, `${name} passes its checks, and is down`)
      }
      if (away || liveness !== 'heartbeat') continue
      const quiet = now - Math.max(it.heard, listeningSince, disturbedAt)
      if (it.state === 'up' && quiet > settings.gateway_down_threshold + SOON) violated(4, `${name} is silent, and up`)
      if (it.state === 'returning' && quiet > gapTime(settings.gateway_down_threshold) + SOON)
        violated(6, `${name} has a gap, and is returning`)
    }
    for (const name of gateways.keys()) {
      const gone =
        !defined.some(gateway => gateway.name === name) && own(world.liveness.value.gateways, name) === undefined
      if (gone) gateways.delete(name)
    }
  }

  function checkTold({ world, pools }: Snapshot): void {
    for (const { name, enabled, serving, failing, members, plan } of Object.values(pools)) {
      const told = own(world.sight.told, name)
      const to = failovers.get(name)
      if (to !== undefined && (serving.kind === 'first' || serving.kind === 'balanced'))
        violated(9, `${name} is told to be in failover`)
      const by = 'original' in serving && serves({ to: serving.gateway, emergency: serving.kind === 'emergency' })
      if (to !== undefined && by && by !== to && plan.policy === 'ordered')
        violated(9, `${name} is told to be served by ${to}, and it is ${by}`)
      if (serving.kind === 'failover' && to === undefined && !told?.failover?.quiet && seen(world, serving.original))
        violated(9, `the failover of ${name} to ${serving.gateway} is not told`)
      const outage = outages.get(name)
      const dark = serving.kind === 'nobody'
      if (outage !== undefined && !(enabled && (dark || failing)))
        violated(9, `the end of an outage of ${name} is not told`)
      const is = failing || (dark && members.some(({ gateway }) => seen(world, gateway)))
      if (failing && members.some(({ ready, gateway }) => ready && !failing.upstream.startsWith(`${name}/${gateway}/`)))
        violated(9, `${name} is failing, though another member is ready`)
      if (outage === undefined && enabled && is && !told?.outage?.quiet)
        violated(9, `the outage of ${name} is not told`)
    }
  }

  function checkHolds({ holds, definitions }: World, now: number): void {
    for (const [name, wish] of Object.entries(holds.value.failovers)) {
      const pool = definitions.value.pools.find(one => one.name === name)
      const stands = pool?.mode === 'failover' && pool.members.some(({ gateway }) => gateway === wish.to)
      if (!stands && disturbedAt + SOON < now) violated(8, `the failover of ${name} to ${wish.to} has outlived itself`)
      if (wish.kind === 'back' && wish.until + SOON < now) violated(8, `the failback of ${name} has run out`)
    }
    for (const [name, wishes] of Object.entries(holds.value.gateways))
      if (wishes.some(({ until = now }) => until + SOON < now)) violated(8, `a hold of ${name} has run out`)
    for (const [name, windows] of Object.entries(holds.value.windows))
      if (windows.some(({ next }) => next !== null && next.from + SOON < now))
        violated(8, `a window of ${name} is late`)
  }
}
