/**
 * The wiring: builds every room in order and closes them in reverse. Rooms do not know each other; whatever passes between two of them
 * passes here, or through one of the doors.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { startAdmin } from './admin/server.ts'
import { ownVersion } from './cli/version.ts'
import { type Clock, realClock } from './clock.ts'
import type { Environment } from './config/environment.ts'
import type { Config } from './config/schema.ts'
import { differences, everyName, seed } from './core/changes.ts'
import { CONNECT } from './core/checks.ts'
import type { World } from './core/nouns.ts'
import { isRefusal, type Refusal } from './errors.ts'
import { createLedger } from './ledger.ts'
import { createReload, definitionsOf, strandedRoutes } from './reload.ts'
import { firstWorld, openStore, StartError } from './remembered.ts'
import { createState, type State } from './state.ts'
import { createAccessLog } from './telemetry/access.ts'
import { tellFact } from './telemetry/facts.ts'
import { createLog, type Logger } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { serveMetrics } from './telemetry/metrics-listener.ts'
import { tellWebhooks } from './telemetry/webhooks.ts'
import { keepStickyKey } from './traffic/sticky-key.ts'
import { createTraffic } from './traffic/traffic.ts'
import { runCheck } from './watch/check.ts'
import { watchChecks } from './watch/checks.ts'
import { watchLiveness } from './watch/liveness.ts'
import { watchNames } from './watch/names.ts'
import { type ReplicasWatch, watchReplicas } from './watch/replicas.ts'
import { watchTrials } from './watch/trials.ts'

export interface GatepoolOptions {
  readonly config: Config
  /** The file that `config` was read from, for reloads. */
  readonly path: string
  readonly env: Environment
  /** Instead of JSON lines on stdout. */
  readonly log?: Logger
}

export interface Gatepool extends AsyncDisposable {
  readonly state: State
  readonly admin: { readonly host: string; readonly port: number }
  /** Its own listener for metrics; null: there is none. */
  readonly metrics: { readonly host: string; readonly port: number } | null
  /** The listener that takes heartbeats alone; null: there is none. */
  readonly heartbeats: { readonly host: string; readonly port: number } | null
  /** The bootstrap administrator's. */
  readonly token: string
  listeners(): readonly { readonly name: string; readonly address: string }[]
  reload(): Promise<Refusal | { readonly changed: readonly string[] }>
  /** Stops accepting, waits for what runs, and closes everything. Once `cut` fires it waits no more. */
  stop(cut: AbortSignal): Promise<void>
}

/** Starts everything, or nothing and throws. */
export async function startGatepool({ config, path, env, log: givenLog }: GatepoolOptions): Promise<Gatepool> {
  await using building = new AsyncDisposableStack()
  const clock = realClock()
  const replica = config.replica ?? replicaName()
  const version = ownVersion()
  const log = givenLog ?? createLog({ level: config.logging.level, cluster: config.cluster, replica })

  // What is remembered, and the doors to it.
  let onStoreAnswer = (_ms: number) => {}
  const { store, shared } = await openStore({ config, replica, clock, log, onAnswer: ms => onStoreAnswer(ms) })
  building.use(store)
  // Whatever decides goes by the store's time: replicas whose clocks differ must not differ over what is due.
  const time: Clock = { ...clock, now: store.now }
  const world = await firstWorld(config, store, shared, clock)
  const boot = clock.now().toString(36)
  const onError = (error: unknown) => log.error({ err: error }, 'a listener of facts failed')
  const state = createState({ world, cluster: config.cluster, replica, boot, onError })
  const ledger = createLedger({ state, store, definitions: config.definitions })
  // Into a shared store it goes as soon as that can be asked.
  const first = config.definitions === 'store' ? seed(definitionsOf(config)) : null
  if (first !== null && shared === null) {
    const seeded = await ledger.commit(first, 'file')
    if (isRefusal(seeded)) throw new StartError(seeded.detail)
  }
  if (first !== null) warnOfMisfits(config, state.snapshot.world, log)

  // Traffic, and those who find out where it may go.
  const { access: logged, access_sample: sample } = config.logging
  const access = logged
    ? building.use(createAccessLog({ cluster: config.cluster, replica, sample, random: Math.random }))
    : null
  const traffic = createTraffic({ state, clock: time, random: Math.random, access, warn: text => log.warn(text) })
  building.defer(() => traffic.close())
  building.use(keepStickyKey({ state, ledger, clock }))
  let replicas: ReplicasWatch | null = null
  const metrics = createMetrics({
    ...{ state, version, traffic: traffic.numbers, commit: env.GATEPOOL_COMMIT ?? '' },
    sharing: () => ({
      up: (replicas?.away ?? null) === null,
      conflicts: ledger.conflicts,
      replicas: replicas?.replicas ?? [{ name: replica, behind: 0 }],
    }),
  })
  onStoreAnswer = ms => metrics.storeLatency.observe(ms / 1_000)
  state.onFact((fact, heard) => {
    if (heard) return
    tellFact(fact, log, metrics.count)
    if (fact.replica !== undefined) store.append([fact])
  })
  replicas =
    shared &&
    building.use(
      await watchReplicas({
        ...{ state, ledger, store: shared, clock, replica, version },
        definitions: config.definitions,
        warn: text => log.warn(text),
        seed: first,
      }),
    )
  const mayTell = () => replicas?.inCharge ?? true
  const webhooks = building.use(await tellWebhooks({ state, store, clock, random: Math.random, log, mayTell }))
  building.use(
    watchNames({
      state,
      clock: time,
      onFailure: (host, code) => log.warn({ host, code }, 'a host name was not resolved'),
    }),
  )
  building.use(watchTrials({ state, clock: time }))
  building.use(
    watchChecks({
      state,
      ledger,
      clock: time,
      random: Math.random,
      onResult: ({ pool, gateway }, passed) =>
        metrics.healthChecks.inc({ pool, gateway, result: passed ? 'passed' : 'failed' }),
    }),
  )
  const liveness = building.use(
    watchLiveness({ state, ledger, store, clock, onBeat: metrics.heard, ...(replicas && { companions: replicas }) }),
  )
  const refused = await traffic.apply(config.listeners)
  if (refused !== null) throw new StartError(refused.detail)

  // People and tools.
  const closing = new AbortController()
  building.defer(() => closing.abort())
  const reload = building.use(
    createReload({
      path,
      env,
      config,
      state,
      clock: time,
      log,
      applyListeners: traffic.apply,
      onDone: ok => metrics.reloadSuccessful.set(Number(ok)),
    }),
  )
  metrics.reloadSuccessful.set(1)
  let stopping = false
  const token = adminToken(config)
  const admin = building.use(
    await startAdmin({
      listen: config.admin.listen,
      token,
      cluster: config.cluster,
      replica,
      version,
      startedAt: clock.now(),
      definitionsMode: config.definitions,
      state,
      ledger,
      store,
      hear: liveness.hear,
      listeners: traffic.listeners,
      file: () => reload.config,
      ready: () => (stopping ? ['stopping'] : traffic.closed().map(name => `listener ${name} is closed`)),
      ...(replicas && { replicas }),
      reload: reload.now,
      connects: async place => (await runCheck(CONNECT, place, closing.signal)).passed,
      inFlight: traffic.inFlight,
      webhooks,
      metrics: metrics.render,
      log,
    }).catch(cannotListen('the admin API', config.admin.listen)),
  )
  const { listen: ofBeats } = config.heartbeats ?? {}
  const heartbeats =
    ofBeats && (await admin.takeBeats(ofBeats).catch(cannotListen('the listener for heartbeats', ofBeats)))
  const { listen: page } = config.metrics ?? {}
  const metricsPage =
    page && building.use(await serveMetrics(page, metrics.render).catch(cannotListen('the metrics', page)))

  const rooms = building.move()
  return {
    state,
    admin: admin.address,
    metrics: metricsPage?.address ?? null,
    heartbeats: heartbeats ?? null,
    token,
    listeners: traffic.listeners,
    reload: reload.now,
    async stop(cut) {
      stopping = true
      await untilOr(cut, resolve => clock.after(config.drain_delay, resolve))
      await untilOr(cut, resolve => {
        void traffic.drain().then(resolve)
        return clock.after(config.drain_timeout, resolve)
      })
      await rooms.disposeAsync()
    },
    [Symbol.asyncDispose]: () => rooms.disposeAsync(),
  }
}

/** For the `catch` of whatever listens: says who cannot, where and why. */
function cannotListen(who: string, { host, port }: Gatepool['admin']): (error: NodeJS.ErrnoException) => never {
  return error => {
    throw error.syscall === 'listen' ? new StartError(`${who} cannot listen on ${host}:${port} (${error.code})`) : error
  }
}

/** Where the store holds the definitions: what of the file is ignored, and what of the store the file does not fit. */
function warnOfMisfits(config: Config, { definitions }: World, log: Logger): void {
  const ofFile = definitionsOf(config)
  const said = new Set(everyName(ofFile))
  const ignored = differences(definitions.value, ofFile).filter(name => said.has(name))
  if (ignored.length > 0) log.warn({ ignored }, 'the store holds the definitions: what differs in the file is ignored')
  const misfits = strandedRoutes(definitions.value, config)
  if (misfits.length > 0) log.warn({ misfits }, 'routes of the store do not fit the listeners of the file')
}

/** The configured token, or one that was made at an earlier start or is made now, readable by this user alone. */
function adminToken({ admin, store }: Config): string {
  if (admin.token !== undefined) return admin.token
  const path = 'path' in store ? store.path : store.cache
  const folder = path === ':memory:' ? '.' : dirname(path)
  const file = join(folder, 'admin.token')
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new StartError(`${file} cannot be read`)
  }
  const token = randomBytes(24).toString('base64url')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(file, `${token}\n`, { mode: 0o600, flag: 'wx' })
  chmodSync(file, 0o600)
  return token
}

/** A name for this process's own facts: the host's, in the form of a name. */
function replicaName(): string {
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 32)
  return name === '' ? 'replica' : name
}

/** Waits for `start`'s resolve or for `cut`, whichever comes first; disposes what `start` answers. */
async function untilOr(cut: AbortSignal, start: (resolve: () => void) => Disposable): Promise<void> {
  if (cut.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  cut.addEventListener('abort', () => resolve(), { once: true })
  using _ = start(resolve)
  await promise
}
