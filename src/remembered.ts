/**
 * What a process knows when it starts: opens the store, and reads from it, or from this replica's own copy while it is away.
 */
import type { Clock } from './clock.ts'
import { pathText } from './config/findings.ts'
import type { Config } from './config/schema.ts'
import { readStored } from './config/stored.ts'
import { firstSight } from './core/advance.ts'
import type { Documents } from './core/events.ts'
import type { Beats, Definitions, World } from './core/nouns.ts'
import { EMPTY, type SharedStore, type Store } from './core/store.ts'
import { isRefusal, type Refusal, refuse } from './errors.ts'
import { definitionsOf } from './reload.ts'
import { openEmbeddedStore } from './store/embedded.ts'
import type { Logger } from './telemetry/log.ts'

/** Ms that a shared store may take to answer before a replica starts with what it remembers. */
const PATIENCE = 1_000
const LOOK_EVERY = 20

/** Why it cannot start, in words for the operator. */
export class StartError extends Error {
  override name = 'StartError'
}

export interface OpenOptions {
  readonly config: Config
  readonly replica: string
  readonly clock: Clock
  readonly log: Logger
  /** Told how long a shared store took for each answer, ms. */
  readonly onAnswer: (ms: number) => void
}

/** Opens the store of the configuration; `shared` is the very same one, where replicas share it. */
export async function openStore(
  options: OpenOptions,
): Promise<{ readonly store: Store; readonly shared: SharedStore | null }> {
  const { config, replica, clock, log, onAnswer } = options
  const { cluster, store: place } = config
  const onError = (error: unknown) => log.error({ err: error }, 'the store could not be written')
  switch (place.kind) {
    case 'embedded':
      return { store: await openEmbeddedStore({ path: place.path, cluster, clock, onError }), shared: null }
    case 'redis': {
      const { url, cache, tls = {} } = place
      // Loaded where it is used: its client alone costs memory, and every request some of its processor time.
      const { openRedisStore } = await import('./store/redis/redis.ts')
      const shared = openRedisStore({
        ...{
          url,
          tls,
          cluster,
          replica,
          cache,
          clock,
          random: Math.random,
          complete,
          onError,
          onAnswer,
        },
      })
      return { store: shared, shared }
    }
  }
}

/** What was decided before this start. Definitions of the file come before those of the store. */
export async function firstWorld(
  config: Config,
  store: Store,
  shared: SharedStore | null,
  clock: Clock,
): Promise<World> {
  const documents = shared === null ? await store.read() : await readSoon(shared, clock)
  // Parts that an older version did not know are empty.
  const holds = { ...documents.holds, value: { ...EMPTY.holds, ...documents.holds.value } }
  const liveness = { ...documents.liveness, value: { ...EMPTY.liveness, ...documents.liveness.value } }
  const sight = firstSight(store.now(), await store.readBeats().catch((): Beats => new Map()))
  return { ...documents, definitions: firstDefinitions(config, documents, shared !== null), holds, liveness, sight }
}

function firstDefinitions(config: Config, { definitions }: Documents, isShared: boolean): World['definitions'] {
  const value = definitionsOf(config)
  if (config.definitions === 'file') return { revision: 1, value }
  // A shared store that has none, as far as is known, gets those of the file when it can be asked; until then they are what there is.
  return isShared && definitions.revision === 0 ? { revision: 0, value } : completed(definitions)
}

/** What a shared store holds, or what was last seen of it. */
async function readSoon(shared: SharedStore, clock: Clock): Promise<Documents> {
  const until = clock.now() + PATIENCE
  for (;;) {
    const documents = await shared.read().catch(() => null)
    if (documents !== null) return documents
    if (clock.now() >= until) return shared.known
    await new Promise<void>(resolve => clock.after(LOOK_EVERY, resolve))
  }
}

function completed({ revision, value }: World['definitions']): World['definitions'] {
  if (revision === 0) return { revision, value }
  const read = complete(value)
  if (isRefusal(read)) throw new StartError(read.detail)
  return { revision, value: read }
}

/** What another version wrote, with today's defaults for what it did not know. Refused where this one does not know what that one wrote. */
function complete(definitions: Definitions): Definitions | Refusal {
  const read = readStored(definitions)
  if (read.kind === 'value') return read.value
  const problems = read.findings.map(({ path, message }) => `\n  ${pathText(path)}: ${message}`)
  const detail = `the definitions in the store do not fit this version, and were left as they are:${problems.join('')}`
  return refuse('store_newer', detail)
}
