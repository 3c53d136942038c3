/**
 * Reads the configuration file again, all or nothing: a file with a problem changes nothing, and what did not change in a good one keeps
 * its health, its connections and its listeners.
 */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Clock } from './clock.ts'
import type { Environment } from './config/environment.ts'
import { formatProblems, loadConfig } from './config/load.ts'
import { checkDefinitions } from './config/references.ts'
import type { Config, Listener } from './config/schema.ts'
import { differences } from './core/changes.ts'
import type { Definitions } from './core/nouns.ts'
import { isRefusal, type Refusal, refuse } from './errors.ts'
import type { State } from './state.ts'
import type { Logger } from './telemetry/log.ts'

/** Ms between the first sign of a changed file and reading it: editors write in several steps. */
const SETTLE = 200

/** What may not change while the process runs. */
const FIXED = ['admin', 'metrics', 'heartbeats', 'store', 'cluster', 'replica', 'definitions'] as const

export interface ReloadOptions {
  readonly path: string
  readonly env: Environment
  /** What runs now. */
  readonly config: Config
  readonly state: State
  readonly clock: Clock
  readonly log: Logger
  /** Makes the listeners those; refuses, and changes nothing, when one cannot be had. */
  readonly applyListeners: (listeners: readonly Listener[]) => Promise<Refusal | null>
  /** Told how each reload ended. */
  readonly onDone: (ok: boolean) => void
}

export interface Reload extends Disposable {
  /** What the file said when it was last taken. */
  readonly config: Config
  /** Reads the file now. One reload at a time. */
  now(): Promise<Refusal | { readonly changed: readonly string[] }>
}

/** Reloads on demand, and by itself when the file changes. */
export function createReload(options: ReloadOptions): Reload {
  const { path, env, state, clock, log, applyListeners, onDone } = options
  let { config } = options
  let last: Promise<unknown> = Promise.resolve()

  /** What would be wrong with stored routes that is not wrong now: traffic of theirs would end without a word. */
  const strandedBy = (next: Config): readonly Stranded[] => {
    const { value } = state.snapshot.world.definitions
    const already = new Set(strandedRoutes(value, config).map(({ route }) => route))
    return strandedRoutes(value, next).filter(({ route }) => !already.has(route))
  }

  const reload = async (): Promise<Refusal | { readonly changed: readonly string[] }> => {
    const loaded = loadConfig(path, env)
    if (loaded.kind === 'problems') {
      const problems = loaded.problems.map(({ line, column, message, code }) => ({ line, column, code, message }))
      return refuse('config_rejected', formatProblems(loaded.problems).trimEnd(), { problems })
    }
    const next = loaded.config
    const fixed = FIXED.filter(key => JSON.stringify(next[key]) !== JSON.stringify(config[key]))
    if (fixed.length > 0) return refuse('needs_restart', `a change of ${fixed.join(', ')} needs a restart`)
    const stranded = config.definitions === 'store' ? strandedBy(next) : []
    if (stranded.length > 0) {
      const names = stranded.map(({ route }) => route).join(', ')
      return refuse('config_rejected', `routes of the store need a listener as it is, change them first: ${names}`, {
        problems: stranded,
      })
    }
    const refused = await applyListeners(next.listeners)
    if (refused !== null) return refused
    const changed = changedListeners(config.listeners, next.listeners)
    const names = differences(definitionsOf(config), definitionsOf(next))
    config = next
    if (names.length === 0) return { changed }
    if (config.definitions === 'store') {
      log.warn({ ignored: names }, 'the store holds the definitions: what changed of them in the file is ignored')
      return { changed }
    }
    state.apply({ kind: 'loaded', definitions: definitionsOf(next), changed: names, at: clock.now() })
    return { changed: [...changed, ...names] }
  }

  const now = (): ReturnType<Reload['now']> => {
    const mine = last.then(reload).then(outcome => {
      onDone(!isRefusal(outcome))
      if (isRefusal(outcome))
        state.apply({
          kind: 'noted',
          fact: { kind: 'config_rejected', at: clock.now(), subject: path, cause: outcome.detail },
        })
      return outcome
    })
    last = mine.catch(() => undefined)
    return mine
  }

  const watching = watchFile(path, clock, () => void now())
  return {
    get config() {
      return config
    },
    now,
    [Symbol.dispose]: () => watching?.close(),
  }
}

export function definitionsOf({ gateways, pools, routes, settings }: Config): Definitions {
  return { gateways, pools, routes, settings }
}

interface Stranded {
  readonly route: string
  readonly message: string
}

/** The routes that name a listener which does not fit them, or is not there, when the listeners are those of `file`. */
export function strandedRoutes(definitions: Definitions, file: Config): Stranded[] {
  return checkDefinitions(definitions, file).flatMap(({ path: [section, index, key], message }) => {
    const route = section === 'routes' && key === 'listener' ? definitions.routes[Number(index)] : undefined
    return route === undefined ? [] : [{ route: route.name, message }]
  })
}

function changedListeners(before: readonly Listener[], after: readonly Listener[]): string[] {
  const was = new Map(before.map(one => [one.name, JSON.stringify(one)]))
  const changed = after.filter(one => was.get(one.name) !== JSON.stringify(one)).map(({ name }) => name)
  const gone = before.filter(({ name }) => !after.some(one => one.name === name)).map(({ name }) => name)
  return [...changed, ...gone].map(name => `listener:${name}`)
}

/** The folder is watched, since editors and config maps replace the file. A folder that cannot be watched leaves SIGHUP and the API. */
function watchFile(path: string, clock: Clock, run: () => void): FSWatcher | null {
  let pending: Disposable | null = null
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_, name) => {
      // Config maps swap a link beside the file, `..data`, and never the file itself.
      if (name !== basename(path) && name !== '..data') return
      pending?.[Symbol.dispose]()
      pending = clock.after(SETTLE, run)
    })
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}
