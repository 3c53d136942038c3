/**
 * Who serves is derived; that it changed is told. `told` remembers per pool what was said last, so that a failover, a failback and an
 * outage are each told exactly once, by whoever makes the change.
 *
 * Not told: what a change of definitions begins, and then not its end either; anything in load_balancing but an outage; a failover from
 * a first member, or an outage of a pool, that was never ready since the cluster has known it; an outage of a pool that is not enabled.
 */

import { recordOf } from './evaluate.ts'
import type { FactDraft } from './events.ts'
import { gatewayOf } from './member.ts'
import type { OutageCause, PoolView, Route, Snapshot, Told, World } from './nouns.ts'
import { own } from './own.ts'
import { homeOrder } from './plan.ts'

const NOTHING: Told = { failover: null, outage: null }

export interface Telling {
  readonly told: Readonly<Record<string, Told>>
  readonly facts: readonly FactDraft[]
}

/**
 * What has to be told about `snapshot` at `at`, after `before` was told. The same `told` when there is nothing. Where it `isQuiet`, only
 * the ends of what was told are.
 */
export function tell(
  snapshot: Snapshot,
  before: Readonly<Record<string, Told>>,
  at: number,
  isQuiet: (view: PoolView) => boolean,
): Telling {
  const facts: FactDraft[] = []
  const changed: Record<string, Told> = {}
  for (const name in snapshot.pools) {
    const view = snapshot.pools[name] as PoolView
    const was = own(before, name) ?? NOTHING
    const quiet = isQuiet(view)
    const is = state(snapshot.world, view, was, quiet)
    if (is.outage === was.outage && is.failover === was.failover) continue
    changed[name] = is
    facts.push(...outageFacts(name, was, is, at), ...failoverFacts(snapshot.world, view, was, is, quiet, at))
  }
  return { told: Object.keys(changed).length === 0 ? before : { ...before, ...changed }, facts }
}

/** `before` as it is after `facts` (told by somebody else, or by us with a commit) are taken in. */
export function hear(
  before: Readonly<Record<string, Told>>,
  facts: readonly FactDraft[],
): Readonly<Record<string, Told>> {
  let told = before
  for (const fact of facts) {
    const was = own(told, fact.subject) ?? NOTHING
    switch (fact.kind) {
      case 'pool_failover_activated':
        told = {
          ...told,
          [fact.subject]: {
            ...was,
            failover: {
              to: fact.to,
              emergency: fact.cause === 'emergency',
              operator: fact.cause === 'operator',
              quiet: false,
            },
          },
        }
        break
      case 'pool_failover_restored':
        told = { ...told, [fact.subject]: { ...was, failover: null } }
        break
      case 'pool_outage_started':
        told = { ...told, [fact.subject]: { ...was, outage: { cause: fact.cause, quiet: false } } }
        break
      case 'pool_outage_resolved':
        told = { ...told, [fact.subject]: { ...was, outage: null } }
        break
      default:
    }
  }
  return told
}

/** What is so now. What goes on as it was stays the very same object, so that it is told no second time. */
function state(world: World, view: PoolView, was: Told, quiet: boolean): Told {
  const { serving } = view
  let { failover, outage } = was
  if (serving.kind === 'first' || serving.kind === 'balanced') failover = null
  else if (
    serving.kind !== 'nobody' &&
    (failover || onceReady(world, serving.original)) &&
    modeOf(world, view.name) === 'failover'
  ) {
    const emergency = serving.kind === 'emergency'
    const operator = serving.by !== null
    if (failover?.to !== serving.gateway || failover.emergency !== emergency)
      failover = { to: serving.gateway, emergency, operator, quiet: quiet && (failover?.quiet ?? true) }
    // Who stood in by order stays by wish, or the other way round: worth to know, and nothing to tell.
    else if (failover.operator !== operator) failover = { ...failover, operator }
  }
  const cause = outageOf(world, view, was)
  if (cause === null) outage = null
  else if (outage?.cause !== cause) outage = { cause, quiet: quiet && (outage?.quiet ?? true) }
  return { failover, outage }
}

function outageOf(world: World, view: PoolView, was: Told): OutageCause | null {
  if (!view.enabled) return null
  const once = was.outage !== null || view.members.some(({ gateway }) => onceReady(world, gateway))
  if (view.serving.kind === 'nobody' && once) return 'nobody'
  return view.failing ? 'passive' : null
}

function outageFacts(subject: string, was: Told, is: Told, at: number): FactDraft[] {
  const facts: FactDraft[] = []
  if (was.outage === is.outage) return facts
  // One outage may turn into another (the last member fails, then goes down): the first ends where the second starts.
  if (was.outage && !was.outage.quiet)
    facts.push({ kind: 'pool_outage_resolved', at, subject, cause: was.outage.cause })
  if (is.outage && !is.outage.quiet) facts.push({ kind: 'pool_outage_started', at, subject, cause: is.outage.cause })
  return facts
}

function failoverFacts(world: World, view: PoolView, was: Told, is: Told, quiet: boolean, at: number): FactDraft[] {
  if (was.failover?.to === is.failover?.to && was.failover?.emergency === is.failover?.emergency) return []
  if (is.failover ? quiet : was.failover?.quiet) return []
  const original = view.members.find(({ state }) => state !== 'disabled')
  const first = original?.gateway ?? ''
  const from = was.failover?.to ?? first
  const common = { at, subject: view.name, from, original: first, routes: routesOf(world, view.name) }
  const ended = was.failover?.operator === true && view.wish?.kind !== 'over'
  if (is.failover === null) {
    // The first in order serves while it is returning only where somebody failed back to it.
    const cause = ended || original?.state === 'returning' ? 'operator' : 'failback'
    return [{ kind: 'pool_failover_restored', cause, to: first, ...common }]
  }
  const byHand = ended || is.failover.operator
  const cause = is.failover.emergency ? 'emergency' : byHand ? 'operator' : (original?.state ?? 'unknown')
  return [{ kind: 'pool_failover_activated', cause, to: is.failover.to, ...common }]
}

/** Has the cluster ever seen this gateway alive? */
function onceReady(world: World, gateway: string): boolean {
  return (
    gatewayOf(world, gateway)?.liveness === 'assumed' || recordOf(world.liveness.value, gateway).state !== 'unknown'
  )
}

function modeOf(world: World, pool: string): string | undefined {
  return world.definitions.value.pools.find(({ name }) => name === pool)?.mode
}

/** The names of the routes that go to a pool, or are pinned to a gateway whose home it is. */
export function routesOf(world: World, pool: string): readonly string[] {
  const goes = ({ target }: Route) =>
    'gateway' in target ? homeOrder(world, target.gateway)[0]?.name === pool : 'pool' in target && target.pool === pool
  return world.definitions.value.routes.filter(goes).map(({ name }) => name)
}
