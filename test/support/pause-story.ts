/** The replica in charge stands still for a while, and the others go on without it: what it makes of that when it wakes up. */
import { setTimeout as pause } from 'node:timers/promises'
import type { FactKind } from '../../src/core/events.ts'
import type { Scope } from './launch.ts'
import { startRedis } from './redis.ts'
import { beatFor, endAll, isReady, serving, startGateway, startReplica, type TestReplica } from './replicas.ts'
import { startTraffic } from './traffic.ts'
import { until } from './until.ts'

const GATEWAYS = ['home', 'nas', 'far']
/** Ms that its answers may be waited for once it goes on. */
const PATIENCE = 30_000
/** What would be told of a gateway that is taken for alive again. */
const RETURNS: readonly FactKind[] = ['down_to_cooldown', 'gateway_alive', 'cooldown_reset']

export interface PauseReport {
  /** Ms. */
  readonly stoodStill: number
  /** Requests to the other two replicas, and what came instead of a gateway's answer. */
  readonly requests: number
  readonly failed: readonly string[]
  /** The status of a change that was sent to it while it stood still, on what was true before. */
  readonly staleChange: number
  /** Ms from when it went on until it went by what the others had decided. */
  readonly caughtUpAfter: number
  /** The order of the pool, at each replica. */
  readonly orders: readonly string[]
  /** How often all replicas together told that a gateway was down, and that one was back. */
  readonly downs: number
  readonly returns: number
}

/**
 * Stops the replica in charge for `ms`. Meanwhile the first gateway falls silent, with beats of it waiting in the sockets of that replica,
 * and the order of the pool is changed at another one. Once it goes on, the second gateway falls silent too.
 */
export async function standsStill(t: Scope, ms: number): Promise<PauseReport> {
  const { url } = await startRedis(t)
  const ports = Object.fromEntries(
    await Promise.all(GATEWAYS.map(async name => [name, await startGateway(t, name)] as const)),
  )
  const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, url, ports })))
  const beats = beatFor(t, replicas, GATEWAYS)
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  const charged = (await replicas[0]?.status())?.replicas.find(({ evaluates }) => evaluates)?.name
  const still = replicas.find(({ name }) => name === charged) as TestReplica
  const others = replicas.filter(replica => replica !== still)
  const [other] = others as [TestReplica]
  const { answered, stop } = startTraffic(t, others)
  const allServe = (gateway: string, of: readonly TestReplica[]) =>
    until(`${gateway} serves`, async () => (await Promise.all(of.map(serving))).every(is => is === gateway))

  const etag = (await still.ask('GET', '/gateway-pools/main')).headers.get('etag') ?? ''
  const began = performance.now()
  still.program.signal('SIGSTOP')
  const condition = { 'if-match': etag }
  const stale = still.ask('PATCH', '/gateway-pools/main', { members: ['home'] }, condition, ms + PATIENCE)
  const waiting = still.ask(
    'POST',
    '/gateways/home/heartbeat',
    { instance: 'home-1', state: 'ready' },
    {},
    ms + PATIENCE,
  )
  beats.stop('home')
  await allServe('nas', others)
  const changed = await other.ask('PUT', '/gateway-pools/main/members', ['far', 'nas', 'home'])
  if (!changed.ok) throw new Error(`no change meanwhile: ${await changed.text()}`)
  await allServe('far', others)
  await pause(Math.max(0, ms - (performance.now() - began)))
  still.program.signal('SIGCONT')
  const stoodStill = performance.now() - began

  const caughtUpAfter = await allServe('far', [still])
  const staleChange = (await stale).status
  await waiting
  beats.stop('nas')
  await Promise.any(replicas.map(({ program }) => program.fact('gateway_down', 'nas')))
  const orders = await Promise.all(
    replicas.map(async replica => {
      const { definition } = (await (await replica.ask('GET', '/gateway-pools/main')).json()) as Shown
      return definition.members.map(member => (typeof member === 'string' ? member : member.gateway)).join()
    }),
  )
  await stop()
  const told = await endAll(replicas)
  const sum = (kind: FactKind) => told(kind).reduce((all, count) => all + count, 0)
  return {
    stoodStill,
    requests: answered.length,
    failed: answered.map(({ by }) => by).filter(by => !GATEWAYS.includes(by)),
    staleChange,
    caughtUpAfter,
    orders,
    downs: sum('gateway_down'),
    returns: RETURNS.reduce((all, kind) => all + sum(kind), 0),
  }
}

interface Shown {
  readonly definition: { readonly members: readonly (string | { readonly gateway: string })[] }
}

/** What of a report is not as it should be. */
export function wrongAfterPause({ failed, staleChange, orders, downs, returns }: PauseReport): string[] {
  return [
    ...(failed.length > 0 ? [`failed: ${failed.join()}`] : []),
    ...(staleChange === 412 ? [] : [`a change on old knowledge got ${staleChange}`]),
    ...orders.filter(order => order !== 'far,nas,home').map(order => `the order is ${order}`),
    ...(downs === 2 ? [] : [`told ${downs} times that a gateway is down, of two`]),
    ...(returns === 0 ? [] : [`told ${returns} times that a silent gateway is back`]),
  ]
}
