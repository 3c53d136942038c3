/** Several real gatepool processes that share a real Redis, with one gateway behind each name. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { FactKind } from '../../src/core/events.ts'
import type { LaunchOptions, Scope } from './launch.ts'
import { ADMIN_TOKEN, type Program, runProgram } from './program.ts'

/** Ms that an answer may be waited for. */
const PATIENCE = 20_000

/** Code that Node has compiled: tests that start hundreds of replicas compile it once. */
const COMPILED = join(import.meta.dirname, '../../node_modules/.cache/compiled')

/** The name of the gatepool cluster. */
export const CLUSTER = 'test'

export interface Status {
  readonly replica: string
  readonly store: {
    readonly available: boolean
    readonly code: string | null
    readonly warnings: readonly string[]
  }
  readonly definitions: { readonly revision: number; readonly differ: boolean }
  readonly replicas: readonly { readonly name: string; readonly evaluates: boolean; readonly behind: number }[]
  readonly pools: readonly { readonly name: string; readonly serving: readonly string[]; readonly health: string }[]
}

export interface TestReplica {
  readonly name: string
  readonly program: Program
  /** Asks the admin API, and waits for the answer for `most` ms. */
  ask(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
    most?: number,
  ): Promise<Response>
  status(): Promise<Status>
  /** What `/readyz` says. */
  ready(): Promise<{ readonly status: number; readonly warnings: readonly string[] }>
  /** The name of the gateway that answers a request, or the status that came instead. */
  request(): Promise<string>
}

/** Starts a gateway that answers every request with its name. */
export async function startGateway(t: Scope, name: string): Promise<number> {
  const server = createServer((_, response) => response.end(name)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** A receiver of webhooks that takes everything. */
export interface Receiver {
  readonly url: string
  /** The ids that came, each as often as it came. */
  readonly ids: readonly string[]
}

export async function startReceiver(t: Scope): Promise<Receiver> {
  const ids: string[] = []
  const server = createServer((request, response) => {
    ids.push(String(request.headers['webhook-id']))
    request.resume().on('end', () => response.end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, ids }
}

/** Has `receiver` told of every fact of `kind`. */
export async function tellHook(replica: TestReplica, receiver: Receiver, kind: string): Promise<void> {
  const hook = { name: 'hook', url: receiver.url, kinds: [kind], allow_private: true }
  const made = await replica.ask('POST', '/webhooks', hook)
  if (made.status !== 201) throw new Error(await made.text())
}

export interface ReplicaOptions {
  readonly name: string
  readonly url: string
  /** Where the gateways are; absent: 127.0.0.1. */
  readonly host?: string
  /** gateway → the port where it answers. */
  readonly ports: Readonly<Record<string, number>>
  /** Ms. */
  readonly threshold?: number
  readonly definitions?: 'file' | 'store'
  /** How it is known that a gateway lives. */
  readonly liveness?: 'heartbeat' | 'probe'
  /** The checks of the pool, as its file has them. */
  readonly active?: string
  /** Where its own copy is; absent: a folder that goes with the test. */
  readonly home?: string
  /** More keys of its store. */
  readonly store?: string
  /** More lines of the file. */
  readonly more?: string
  readonly launched?: LaunchOptions
}

/** One pool `main` in failover mode, the gateways in their order, and a route that takes everything. */
export async function startReplica(t: Scope, options: ReplicaOptions): Promise<TestReplica> {
  const { name, url, ports, threshold = 2_000, definitions = 'store', more = '', store = '', home } = options
  const { host = '127.0.0.1', liveness = 'heartbeat', active = '', launched = {} } = options
  const gateways = Object.entries(ports).map(
    ([gateway, port]) => `  - { name: ${gateway}, address: ${host}, http_port: ${port}, liveness: ${liveness} }`,
  )
  const program = await runProgram(
    t,
    `
version: 1
cluster: ${CLUSTER}
replica: ${name}
definitions: ${definitions}
store: { kind: redis, url: ${JSON.stringify(url)}${store} }
admin: { listen: 127.0.0.1:0 }
settings: { gateway_down_threshold: ${threshold}ms }
listeners:
  - { name: web, listen: 127.0.0.1:0 }
gateways:
${gateways.join('\n')}
pools:
  - { name: main, failback_cooldown: 1s, members: [${Object.keys(ports).join(', ')}], active: [${active}] }
routes:
  - { name: all, target: { pool: main } }
${more}`,
    home,
    { ...launched, env: { NODE_COMPILE_CACHE: COMPILED, ...launched.env } },
  )
  const ask: TestReplica['ask'] = (method, path, body, headers = {}, most = PATIENCE) =>
    fetch(`${program.url.admin}/api/v1${path}`, {
      method,
      signal: AbortSignal.timeout(most),
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return {
    name,
    program,
    ask,
    status: async () => (await (await ask('GET', '/status')).json()) as Status,
    async ready() {
      const answer = await fetch(`${program.url.admin}/readyz`, { signal: AbortSignal.timeout(PATIENCE) })
      const { warnings } = (await answer.json()) as { readonly warnings: readonly string[] }
      return { status: answer.status, warnings }
    },
    async request() {
      const response = await fetch(program.url.web ?? '', { signal: AbortSignal.timeout(PATIENCE) })
      const [name = ''] = (await response.text()).split(' ')
      return response.status === 200 ? name : String(response.status)
    },
  }
}

export interface Beating {
  /** Stops the beats of a gateway. */
  stop(gateway: string): void
  start(gateway: string): void
  /** From now on all beats go there. */
  only(replicas: readonly TestReplica[]): void
}

/** Beats for `gateways` every `ms`, each beat at the next replica in turn that answers. */
export function beatFor(t: Scope, replicas: readonly TestReplica[], gateways: readonly string[], ms = 50): Beating {
  const silent = new Set<string>()
  let targets = replicas
  let turn = 0
  const timer = setInterval(() => {
    for (const gateway of gateways) {
      if (silent.has(gateway)) continue
      const replica = targets[turn++ % targets.length]
      const beat = { instance: `${gateway}-1`, state: 'ready' }
      void replica?.ask('POST', `/gateways/${gateway}/heartbeat`, beat).catch(() => undefined)
    }
  }, ms)
  t.teardown(() => clearInterval(timer))
  return {
    stop: gateway => void silent.add(gateway),
    start: gateway => void silent.delete(gateway),
    only(next) {
      targets = next
    },
  }
}

export const serving = async (replica: TestReplica): Promise<string> =>
  (await replica.status()).pools[0]?.serving.join() ?? ''

/** It sees `count` replicas, and every gateway is up. */
export async function isReady(replica: TestReplica, count: number): Promise<boolean> {
  const { replicas, pools } = await replica.status()
  return replicas.length === count && pools[0]?.health === 'green'
}

/** Ends the replicas; answers how often each of them has told a fact of `kind`. */
export async function endAll(replicas: readonly TestReplica[]): Promise<(kind: FactKind) => number[]> {
  const end = (signal: NodeJS.Signals) => replicas.forEach(({ program }) => void program.signal(signal))
  end('SIGTERM')
  const late = setTimeout(end, PATIENCE, 'SIGKILL')
  const lines = (await Promise.all(replicas.map(({ program }) => program.ended))).map(({ out }) => out.split('\n'))
  clearTimeout(late)
  return kind => lines.map(of => of.filter(line => line.includes(`"kind":"${kind}"`)).length)
}
