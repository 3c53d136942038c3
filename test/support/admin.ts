import { setImmediate } from 'node:timers/promises'
import { type Admin, type AdminOptions, startAdmin } from '../../src/admin/server.ts'
import { parseConfig } from '../../src/config/load.ts'
import { firstSight } from '../../src/core/advance.ts'
import { seed } from '../../src/core/changes.ts'
import type { Fact } from '../../src/core/events.ts'
import { EMPTY, type Store } from '../../src/core/store.ts'
import { createLedger } from '../../src/ledger.ts'
import { createState, type State } from '../../src/state.ts'
import { openEmbeddedStore } from '../../src/store/embedded.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { tellWebhooks } from '../../src/telemetry/webhooks.ts'
import { watchLiveness } from '../../src/watch/liveness.ts'
import { type HandClock, handClock } from './hand-clock.ts'

export const TOKEN = 'the-canary-token'

/** Two gateways in a failover pool, a balanced pool, a pinned route and one to a pool. */
export const SAMPLE = `
version: 1
definitions: store
listeners:
  - { name: web, listen: 127.0.0.1:8080 }
gateways:
  - { name: home, title: Home, address: 127.0.0.1, http_port: 9101, liveness: heartbeat }
  - { name: nas, address: 127.0.0.1, http_port: 9102, liveness: heartbeat }
  - { name: spare, address: "::1", http_port: 9103 }
pools:
  - { name: main, title: Main, failback_cooldown: 60s, members: [home, { gateway: nas, weight: 2 }] }
  - { name: all, mode: load_balancing, members: [home, spare] }
routes:
  - { name: pinned, match: { host: nas.example.com }, target: { gateway: home } }
  - { name: app, match: { host: "*.example.org", path: /app }, target: { pool: main } }
`

export interface TestAdmin extends AsyncDisposable {
  readonly url: string
  readonly admin: Admin
  readonly state: State
  readonly store: Store
  readonly clock: HandClock
  /** Everything that was logged, as one text. */
  logged(): string
  /** Asks with the token, unless \`init\` says otherwise. */
  ask(path: string, init?: RequestInit): Promise<Response>
  send(method: string, path: string, body: unknown): Promise<Response>
  /** A ready beat of an instance of \`gateway\`. */
  beat(gateway: string, body?: object): Promise<Response>
  /** Moves time by \`ms\`, a second at a time, while \`beating\` gateways beat; lets through what falls due. */
  pass(ms: number, beating?: readonly string[]): Promise<void>
}

/** The admin listener with everything real behind it, on a free port and a clock that is moved by hand. */
export async function testAdmin(
  changes: Partial<AdminOptions> = {},
  config = SAMPLE,
  clock: HandClock = handClock(),
): Promise<TestAdmin> {
  const loaded = parseConfig(config, 'sample.yaml', {})
  if (loaded.kind === 'problems') throw new Error(JSON.stringify(loaded.problems))
  const store = await openEmbeddedStore({ path: ':memory:', cluster: 'test', clock })
  const sight = firstSight(clock.now())
  const empty = <T>(value: T) => ({ revision: 0, value })
  const state = createState({
    world: {
      definitions: empty(EMPTY.definitions),
      holds: empty(EMPTY.holds),
      liveness: empty(EMPTY.liveness),
      access: empty(EMPTY.access),
      sight,
    },
    cluster: 'test',
    replica: 'one',
    boot: 'b',
    onError: error => {
      throw error
    },
  })
  state.onFact((fact: Fact) => {
    if (fact.replica !== undefined) store.append([fact])
  })
  const mode = changes.definitionsMode ?? 'store'
  const ledger = createLedger({ state, store, definitions: mode })
  const { gateways, pools, routes, settings } = loaded.config
  const definitions = { gateways, pools, routes, settings }
  if (mode === 'store') await ledger.commit(seed(definitions), 'system')
  else state.apply({ kind: 'loaded', definitions, changed: [], at: clock.now() })
  const watch = watchLiveness({ state, ledger, store, clock })
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    cluster: 'test',
    replica: 'one',
    destination: { write: line => lines.push(line) },
  })
  const webhooks = await tellWebhooks({ state, store, clock, random: Math.random, log })
  const admin = await startAdmin({
    listen: { host: '127.0.0.1', port: 0 },
    token: TOKEN,
    cluster: 'test',
    replica: 'one',
    version: '1.2.3',
    startedAt: Date.now() - 90_500,
    definitionsMode: mode,
    state,
    ledger,
    store,
    hear: watch.hear,
    file: () => loaded.config,
    listeners: () => [{ name: 'web', protocol: 'http', address: '127.0.0.1:8080', open: true }],
    ready: () => [],
    reload: async () => ({ changed: ['pool:main'] }),
    connects: async () => true,
    inFlight: () => 0,
    webhooks,
    metrics: async () => 'up 1\n',
    log,
    ...changes,
  })
  const url = `http://127.0.0.1:${admin.address.port}`

  const ask = (path: string, { headers, ...init }: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { authorization: `Bearer ${TOKEN}`, ...headers } as Record<string, string> })
  const send = (method: string, path: string, body: unknown) =>
    ask(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

  const beat = (gateway: string, body: object = {}) =>
    send('POST', `/api/v1/gateways/${gateway}/heartbeat`, { instance: `${gateway}-1`, state: 'ready', ...body })

  return {
    url,
    admin,
    state,
    store,
    clock,
    logged: () => lines.join(''),
    ask,
    send,
    beat,
    async pass(ms, beating = []) {
      for (let passed = 0; passed < ms; passed += 1_000) {
        clock.advance(Math.min(1_000, ms - passed))
        await setImmediate()
        if (passed % 10_000 === 0) for (const gateway of beating) await beat(gateway)
      }
    },
    async [Symbol.asyncDispose]() {
      await admin[Symbol.asyncDispose]()
      await webhooks[Symbol.asyncDispose]()
      watch[Symbol.dispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}
