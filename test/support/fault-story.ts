/** A fault of Redis under three replicas with traffic, while two of three gateways die and come back: what was seen and measured. */
import { setTimeout as pause } from 'node:timers/promises'
import { type SampleGateway, startGateway } from '../../src/demo/gateways.ts'
import type { Scope } from './launch.ts'
import { OWN_HOST } from './own-host.ts'
import { ADMIN_TOKEN } from './program.ts'
import type { RedisFault } from './redis-faults.ts'
import { beatFor, endAll, isReady, serving, startReplica, type TestReplica } from './replicas.ts'
import { startTraffic, type Traffic } from './traffic.ts'
import { until } from './until.ts'

const GATEWAYS = ['home', 'nas', 'far'] as const
const CHECKS = '{ kind: http, interval: 1s, fast_interval: 200ms, timeout: 500ms, fall: 2, rise: 2 }'
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
  readonly meanwhile: readonly Meanwhile[]
  /** From the death of the first gateway, which had the traffic, until the second one answered. */
  readonly movedAfter: number
  /** From the death of the third gateway, which nobody sent to, until checks had it ejected. */
  readonly checkedAfter: number
  /** It was over before both had died, though it does not end by itself. */
  readonly endedEarly: boolean
  /** From the end of the fault, which is its begin where it ends by itself, until every replica had the store and saw the others. */
  readonly backAfter: number
  /** From the end of the fault until a change at one replica held at all of them. */
  readonly agreedAfter: number
  /** How often each replica has told these. */
  readonly lost: readonly number[]
  readonly recovered: readonly number[]
  /** How often a gateway was told to be down, by all replicas together. */
  readonly downs: number
}

/** What a replica said while Redis was not as it should be. */
interface Meanwhile {
  /** To a change by the API. */
  readonly change: { readonly status: number; readonly code: string | undefined }
  /** To a token that is in the store. */
  readonly token: number
  /** Of itself. */
  readonly ready: { readonly status: number; readonly warnings: readonly string[] }
}

/**
 * From the begin of a fault, which lasts `hold` ms at least unless it ends by itself, to its end. The first gateway and the third die
 * meanwhile, and the second one does not beat for as long.
 */
export async function throughFault(t: Scope, fault: RedisFault, hold = 0): Promise<FaultReport> {
  const { redis, home, far, replicas, beats, token, traffic } = await setUp(t, fault, hold)
  const { answered } = traffic
  const all = (is: (replica: TestReplica) => Promise<boolean>) =>
    until('all three', async () => (await Promise.all(replicas.map(is))).every(Boolean))
  const hasTraffic = (gateway: string, since: number) =>
    all(async ({ name }) => answered.some(({ replica, by, at }) => replica === name && by === gateway && at > since))

  await redis.begin()
  const began = performance.now()
  const noticed = await Promise.all(
    replicas.map(async replica => {
      await replica.program.fact('store_lost')
      return { after: performance.now() - began, meanwhile: await askMeanwhile(replica, token) }
    }),
  )
  if (redis.end !== undefined) {
    beats.stop('nas')
    await pause(hold)
  }
  const strayed = answered.filter(({ by }) => by !== 'home').length

  const died = performance.now()
  home.kill()
  far.kill()
  beats.stop('home')
  const ejected = Promise.all(replicas.map(({ program }) => program.fact('member_ejected', 'far')))
  const [movedAfter, checkedAfter] = await Promise.all([
    hasTraffic('nas', died),
    ejected.then(() => performance.now() - died),
  ])
  const stores = await Promise.all(replicas.map(async replica => (await replica.status()).store))
  const endedEarly = redis.end !== undefined && stores.some(({ available }) => available)

  await redis.end?.()
  const ended = redis.end === undefined ? began : performance.now()
  beats.start('nas')
  await all(async replica => {
    const { store, replicas } = await replica.status()
    return store.available && replicas.length === 3
  })
  const backAfter = performance.now() - ended
  await change(replicas)
  await all(async replica => (await (await replica.ask('GET', POOL)).text()).includes(AFTERWARDS))
  const agreedAfter = performance.now() - ended

  await Promise.any(replicas.map(({ program }) => program.fact('gateway_down', 'home')))
  await Promise.all([home.revive(), far.revive()])
  beats.start('home')
  await hasTraffic('home', performance.now())
  await all(async replica => (await serving(replica)) === 'home')
  await traffic.stop()
  const told = await endAll(replicas)
  return {
    requests: answered.length,
    failed: answered.map(({ by }) => by).filter(by => !GATEWAYS.some(name => name === by)),
    strayed,
    lostAfter: Math.max(...noticed.map(({ after }) => after)),
    meanwhile: noticed.map(({ meanwhile }) => meanwhile),
    movedAfter,
    checkedAfter,
    endedEarly,
    backAfter,
    agreedAfter,
    lost: told('store_lost'),
    recovered: told('store_recovered'),
    downs: told('gateway_down').reduce((sum, count) => sum + count, 0),
  }
}

/** What of a report is not as it should be; `slack`: ms that convergence may take longer. */
export function broken(report: FaultReport, { codes }: RedisFault, slack = 0): string[] {
  const { failed, strayed, meanwhile, endedEarly, lost, recovered, downs, agreedAfter } = report
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
    ...(endedEarly ? ['it was over too early to show anything'] : []),
    ...(once(lost) && once(recovered) ? [] : [`told: ${lost.join()} lost, ${recovered.join()} recovered`]),
    ...(downs === 1 ? [] : [`told ${downs} times that a gateway is down, of one`]),
    ...(agreedAfter < CONVERGENCE + slack ? [] : [`agreed after ${Math.round(agreedAfter)} ms`]),
  ]
}

interface Scene {
  readonly redis: Awaited<ReturnType<RedisFault['start']>>
  readonly home: SampleGateway
  readonly far: SampleGateway
  readonly replicas: readonly TestReplica[]
  readonly beats: ReturnType<typeof beatFor>
  /** That every replica knows from the store. */
  readonly token: string
  readonly traffic: Traffic
}

/** Three gateways as processes, and three replicas that all know them and each other, with traffic through them. */
async function setUp(t: Scope, fault: RedisFault, hold: number): Promise<Scene> {
  const redis = await fault.start(t, hold)
  const gateways = await Promise.all(GATEWAYS.map(name => startGateway(name, ADMIN_TOKEN, OWN_HOST)))
  for (const gateway of gateways) t.teardown(() => gateway[Symbol.asyncDispose]())
  const [home, , far] = gateways as [SampleGateway, SampleGateway, SampleGateway]
  const ports = Object.fromEntries(gateways.map(({ name, port }) => [name, port]))
  const options = { url: redis.url, host: OWN_HOST, ports, active: CHECKS }
  const replicas = await Promise.all(['a', 'b', 'c'].map(name => startReplica(t, { name, ...options })))
  const beats = beatFor(t, replicas, GATEWAYS)
  for (const replica of replicas) await until(`${replica.name} is ready`, () => isReady(replica, 3))
  const [a] = replicas as [TestReplica]
  const made = await a.ask('POST', '/tokens', { name: 'looker', role: 'viewer' })
  const { token } = (await made.json()) as { readonly token: string }
  for (const replica of replicas) await until('it knows the token', async () => (await look(replica, token)) === 200)
  return { redis, home, far, replicas, beats, token, traffic: startTraffic(t, replicas) }
}

const POOL = '/gateway-pools/main'
const AFTERWARDS = 'changed afterwards'

async function change([replica]: readonly TestReplica[]): Promise<void> {
  const answer = await replica?.ask('PATCH', POOL, { title: AFTERWARDS })
  if (!answer?.ok) throw new Error(`no change afterwards: ${await answer?.text()}`)
}

async function look(replica: TestReplica, token: string): Promise<number> {
  return (await replica.ask('GET', '/gateways', undefined, { authorization: `Bearer ${token}` })).status
}

async function askMeanwhile(replica: TestReplica, token: string): Promise<Meanwhile> {
  const [change, known, ready] = await Promise.all([
    replica.ask('PATCH', POOL, { title: 'meanwhile' }),
    look(replica, token),
    replica.ready(),
  ])
  const { code } = (await change.json()) as { readonly code?: string }
  return { change: { status: change.status, code }, token: known, ready }
}
