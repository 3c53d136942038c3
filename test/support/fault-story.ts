/** A fault of Redis under three replicas with traffic, while two of three gateways die and come back: what was seen and measured. */
import { setTimeout as pause } from 'node:timers/promises'
import { startGateway } from '../../src/demo/gateways.ts'
import type { Scope } from './launch.ts'
import { ADMIN_TOKEN } from './program.ts'
import type { RedisFault } from './redis-faults.ts'
import { beatFor, endAll, isReady, serving, startReplica, type TestReplica } from './replicas.ts'
import { startTraffic } from './traffic.ts'
import { until } from './until.ts'

const GATEWAYS = ['home', 'nas', 'far'] as const
const CHECKS = '{ kind: http, interval: 1s, fast_interval: 200ms, timeout: 500ms, fall: 2, rise: 2 }'
/** Ms that anything may be waited for. */
const PATIENCE = 30_000

/** Ms in which everything is as before once Redis is. */
const CONVERGENCE = 3_000

/** Times in ms are those of the slowest replica. */
export interface FaultReport {
  readonly requests: number
  /** What came instead of a gateway's answer. */
  readonly failed: readonly string[]
  /** Requests that another gateway than the first one answered although that one was well. */
  readonly strayed: number
  /** From the fault until `store_lost` was told. */
  readonly lostAfter: number
  /** What each replica said meanwhile: to a change by the API, to a token that is only in the store, and of itself. */
  readonly meanwhile: readonly Meanwhile[]
  /** From the death of the first gateway, which had the traffic, until the second one answered. */
  readonly movedAfter: number
  /** From the death of the third gateway, which nobody sent to, until checks had it ejected. */
  readonly checkedAfter: number
  /** From the end of the fault, which is its begin where it ends by itself, until every replica had the store and saw the others. */
  readonly backAfter: number
  /** From the end of the fault until a change at one replica held at all of them. */
  readonly agreedAfter: number
  /** From the first beat of the first gateway until it had the traffic again. */
  readonly returnedAfter: number
  /** How often each replica has told these. */
  readonly lost: readonly number[]
  readonly recovered: readonly number[]
  /** How often the first gateway was told to be down, by all replicas together. */
  readonly downs: number
}

interface Meanwhile {
  readonly change: { readonly status: number; readonly code?: string }
  readonly token: number
  readonly ready: { readonly status: number; readonly warnings: readonly string[] }
}

/** `hold`: ms that the fault lasts at least. */
export async function throughFault(t: Scope, fault: RedisFault, hold = 0): Promise<FaultReport> {
  const { url, begin, end } = await fault.start(t)
  const gateways = await Promise.all(GATEWAYS.map(name => startGateway(name, ADMIN_TOKEN)))
  for (const gateway of gateways) t.teardown(() => gateway[Symbol.asyncDispose]())
  const [home, , far] = gateways as [Gateway, Gateway, Gateway]
  const ports = Object.fromEntries(gateways.map(({ name, port }) => [name, port]))
  const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, url, ports, active: CHECKS })))
  const [a] = replicas as [TestReplica]
  const beats = beatFor(t, replicas, GATEWAYS)
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3), PATIENCE)
  const made = await a.ask('POST', '/tokens', { name: 'looker', role: 'viewer' })
  const { token } = (await made.json()) as { readonly token: string }
  for (const replica of replicas)
    await until('it knows the token', async () => (await look(replica, token)) === 200, PATIENCE)
  const { answered, stop } = startTraffic(t, replicas)
  const all = (is: (replica: TestReplica) => Promise<boolean>) =>
    until('all three', async () => (await Promise.all(replicas.map(is))).every(Boolean), PATIENCE)
  const hasTraffic = (gateway: string, since: number) =>
    all(async ({ name }) => answered.some(({ replica, by, at }) => replica === name && by === gateway && at > since))

  await begin()
  const began = performance.now()
  const meanwhile = await Promise.all(
    replicas.map(async replica => {
      await replica.program.fact('store_lost', undefined, PATIENCE)
      const lostAfter = performance.now() - began
      return { lostAfter, said: await askMeanwhile(replica, token) }
    }),
  )
  if (end !== undefined) await pause(hold)
  const strayed = answered.filter(({ by }) => by !== 'home').length

  const died = performance.now()
  home.kill()
  far.kill()
  beats.stop('home')
  const [movedAfter, checkedAfter] = await Promise.all([
    hasTraffic('nas', died),
    Promise.all(replicas.map(({ program }) => program.fact('member_ejected', 'far', PATIENCE))).then(
      () => performance.now() - died,
    ),
  ])
  await end?.()
  const ended = end === undefined ? began : performance.now()
  await all(async replica => {
    const { store, replicas } = await replica.status()
    return store.available && replicas.length === 3
  })
  const backAfter = performance.now() - ended
  const change = await a.ask('PATCH', '/gateway-pools/main', { title: 'afterwards' })
  if (!change.ok) throw new Error(`no change afterwards: ${await change.text()}`)
  await all(async replica => (await (await replica.ask('GET', '/gateway-pools/main')).text()).includes('"afterwards"'))
  const agreedAfter = performance.now() - ended

  await Promise.any(replicas.map(({ program }) => program.fact('gateway_down', 'home', PATIENCE)))
  await Promise.all([home.revive(), far.revive()])
  beats.start('home')
  const returned = performance.now()
  const returnedAfter = await hasTraffic('home', returned)
  await all(async replica => (await serving(replica)) === 'home')
  await stop()
  const told = await endAll(replicas)
  return {
    requests: answered.length,
    failed: answered.map(({ by }) => by).filter(by => !GATEWAYS.some(name => name === by)),
    strayed,
    lostAfter: Math.max(...meanwhile.map(({ lostAfter }) => lostAfter)),
    meanwhile: meanwhile.map(({ said }) => said),
    movedAfter,
    checkedAfter,
    backAfter,
    agreedAfter,
    returnedAfter,
    lost: told('store_lost'),
    recovered: told('store_recovered'),
    downs: told('gateway_down').reduce((sum, count) => sum + count, 0),
  }
}

/** What of a report is not as it should be. */
export function broken(report: FaultReport, { codes }: RedisFault): string[] {
  const { failed, strayed, meanwhile, lost, recovered, downs, agreedAfter } = report
  const isRight = ({ change, token, ready }: Meanwhile) =>
    change.status === 503 &&
    codes.some(code => code === change.code) &&
    token === 200 &&
    ready.status === 200 &&
    ready.warnings.length > 0
  const once = (told: readonly number[]) => told.every(count => count === 1)
  return [
    ...(failed.length > 0 ? [`failed: ${failed.join()}`] : []),
    ...(strayed > 0 ? [`${strayed} requests moved without cause`] : []),
    ...meanwhile.filter(said => !isRight(said)).map(said => `meanwhile: ${JSON.stringify(said)}`),
    ...(once(lost) && once(recovered) ? [] : [`told: ${lost.join()} lost, ${recovered.join()} recovered`]),
    ...(downs === 1 ? [] : [`told ${downs} times that the gateway is down`]),
    ...(agreedAfter < CONVERGENCE ? [] : [`agreed after ${Math.round(agreedAfter)} ms`]),
  ]
}

type Gateway = Awaited<ReturnType<typeof startGateway>>

async function look(replica: TestReplica, token: string): Promise<number> {
  return (await replica.ask('GET', '/gateways', undefined, { authorization: `Bearer ${token}` })).status
}

async function askMeanwhile(replica: TestReplica, token: string): Promise<Meanwhile> {
  const [change, known, ready] = await Promise.all([
    replica.ask('PATCH', '/gateway-pools/main', { title: 'meanwhile' }),
    look(replica, token),
    replica.ready(),
  ])
  const { code } = (await change.json()) as { readonly code?: string }
  return {
    change: { status: change.status, ...(code !== undefined && { code }) },
    token: known,
    ready,
  }
}
