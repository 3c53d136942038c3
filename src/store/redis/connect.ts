/**
 * The connection to Redis. A command is sent at once or not at all, waits for its answer for a bounded time, and is never sent again by
 * itself: what is asked of a store that is away fails at once, and whoever asked knows better what to do next.
 */
import { Cluster, type CommonRedisOptions, Redis } from 'ioredis'
import { type Refusal, refuse } from '../../errors.ts'
import type { Credentials } from './credentials.ts'
import type { Script } from './scripts/script.ts'
import type { Address } from './url.ts'

/** Ms that an answer may take; a store that is slower than that is as good as away. */
const ANSWER = 1_000
const CONNECT = 2_000
/** Ms between two attempts to connect at most. They start at 50 and double, with chance, so that replicas do not come all at once. */
const LONGEST_WAIT = 1_000

export interface Connection extends AsyncDisposable {
  readonly client: Redis | Cluster
  /** How often it has come about: behind another one there may be another server. */
  readonly turn: number
  /** Runs a script; rejects like any command. */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<readonly unknown[]>
  /** What went wrong when `error` came back from a command. */
  refusal(error: unknown): Refusal
  /** Calls `listener` for each message of `channel`, on a connection of its own; and when that is there (again), since it may have missed some. */
  subscribe(channel: string, listener: () => void): void
}

export interface ConnectOptions {
  readonly address: Address
  readonly tls: Credentials
  /** Shown by CLIENT LIST. */
  readonly name: string
  readonly random: () => number
}

export function connect({ address, tls, name, random }: ConnectOptions): Connection {
  const backOff = (times: number) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_WAIT) * (0.5 + random() / 2)
  const client = open(address, tls, name, backOff)
  const subscribers: (Redis | Cluster)[] = []
  let trouble = 'not connected yet'
  let turn = 0
  let closed = false
  // Without a listener ioredis writes to the console. What is wrong is told to whoever asks next.
  client.on('error', error => {
    trouble = reason(error)
  })
  client.on('ready', () => turn++)

  return {
    client,
    get turn() {
      return turn
    },
    async run({ lua, sha }, keys, args) {
      const given = [...keys, ...args]
      const answered = await client.evalsha(sha, keys.length, ...given).catch(error => {
        // A server that was started anew, or became the master, has not seen the script yet.
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
        return client.eval(lua, keys.length, ...given)
      })
      return answered as readonly unknown[]
    },
    refusal(error) {
      if (!(error instanceof Error)) return refuse('store_unavailable', 'the store failed')
      // Said by Redis itself (READONLY, LOADING, OOM, NOPERM and the like) or by ioredis before it sent anything: nothing was done.
      if (error.name === 'ReplyError') return refuse('store_unavailable', `Redis refuses: ${error.message}`)
      if (NOT_SENT.test(error.message)) return refuse('store_unavailable', `Redis is away: ${trouble}`)
      return refuse('store_unavailable', `no answer from Redis: ${reason(error)}`, { outcome: 'unknown' })
    },
    subscribe(channel, listener) {
      const own = open(address, tls, `${name}:news`, backOff)
      subscribers.push(own)
      own.on('error', () => {})
      own.on('message', listener)
      // A Cluster is ready before the connection that it listens on, and may choose another one meanwhile: then it is asked again. Until
      // it listens, and for whoever may not listen at all, news is what polling finds.
      const listen = (): void => {
        own.subscribe(channel).then(listener, () => {
          if (!closed && own.status === 'ready') setTimeout(listen, LONGEST_WAIT).unref()
        })
      }
      own.on('ready', listen)
    },
    async [Symbol.asyncDispose]() {
      closed = true
      for (const one of [client, ...subscribers]) one.disconnect()
    },
  }
}

const NOT_SENT = /isn't writeable|enableOfflineQueue|Cluster isn't ready/

const reason = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.message

function open(address: Address, tls: Credentials, name: string, backOff: (times: number) => number): Redis | Cluster {
  const { username, password, db } = address
  const common = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(address.tls ? { tls } : {}),
    db,
    connectionName: name,
    connectTimeout: CONNECT,
    commandTimeout: ANSWER,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    // One that is loading says how long it will take, and is often wrong.
    maxLoadingRetryTime: LONGEST_WAIT,
    retryStrategy: backOff,
    // A master that became a replica: the next connection finds the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies CommonRedisOptions & { readonly tls?: object }
  switch (address.kind) {
    case 'server':
      return new Redis({ ...common, ...address.at })
    case 'socket':
      return new Redis({ ...common, path: address.path })
    case 'sentinel':
      return new Redis({
        ...common,
        sentinels: [...address.sentinels],
        name: address.master,
        sentinelRetryStrategy: backOff,
        sentinelCommandTimeout: ANSWER,
        ...(address.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tls } : {}),
      })
    case 'cluster':
      return new Cluster([...address.nodes], {
        redisOptions: common,
        enableOfflineQueue: false,
        clusterRetryStrategy: backOff,
        // A write is sent once: whoever asked decides whether it is asked again.
        maxRedirections: 3,
        retryDelayOnFailover: 0,
        slotsRefreshTimeout: ANSWER,
      })
  }
}
