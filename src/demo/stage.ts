/**
 * What the demo and its tour have in common: two gateways, and a gatepool that is told about them by a configuration file, all of it in a
 * temporary folder that goes with the rest.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatProblems, loadConfig } from '../config/load.ts'
import { type Gatepool, startGatepool } from '../gatepool.ts'
import { type SampleGateway, startGateway } from './gateways.ts'
import type { Chosen } from './ports.ts'

export const POOL = 'home-network'
/** Ms of quiet time before `home` takes its traffic back. */
export const COOLDOWN = 5_000

export interface Stage extends AsyncDisposable {
  readonly gatepool: Gatepool
  readonly home: SampleGateway
  readonly ds918: SampleGateway
  /** Where the proxy and the admin API are. */
  readonly proxy: string
  readonly admin: string
  /** The configuration file. Saving it again reloads it. */
  readonly file: string
}

/** Starts everything but the heartbeats: with them the story begins, and somebody may want to hear it from its beginning. */
export async function setStage(ports: Chosen): Promise<Stage> {
  await using building = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gatepool-demo-'))
  building.defer(() => rmSync(folder, { recursive: true, force: true }))
  const token = randomBytes(9).toString('base64url')
  const home = building.use(await startGateway('home', token))
  const ds918 = building.use(await startGateway('ds918', token))

  const path = join(folder, 'gatepool.yaml')
  const text = written({ folder, token, ports, home: home.port, ds918: ds918.port })
  writeFileSync(path, text, { mode: 0o600 })
  // Not this process's environment: what is set there for another gatepool is not meant for the demo.
  const env = {}
  const loaded = loadConfig(path, env)
  if (loaded.kind === 'problems') throw new Error(formatProblems(loaded.problems))
  const gatepool = building.use(await startGatepool({ config: loaded.config, path, env }))

  const rooms = building.move()
  return {
    gatepool,
    home,
    ds918,
    proxy: `http://${gatepool.listeners()[0]?.address}`,
    admin: `http://${gatepool.admin.host}:${gatepool.admin.port}`,
    file: path,
    [Symbol.asyncDispose]: () => rooms.disposeAsync(),
  }
}

interface Written {
  readonly folder: string
  readonly token: string
  readonly ports: Chosen
  readonly home: number
  readonly ds918: number
}

/** The file as an operator would write it. Only its times are shorter, so that nobody has to wait. */
function written({ folder, token, ports, home, ds918 }: Written): string {
  return `version: 1
cluster: demo
store: { kind: embedded, path: ${JSON.stringify(join(folder, 'gatepool.db'))} }
admin: { listen: 127.0.0.1:${ports.admin}, token: ${JSON.stringify(token)} }
logging: { level: silent }         # the demo tells what happens itself
drain_timeout: 2s
settings: { gateway_down_threshold: 3s }
listeners:
  - { name: web, protocol: http, listen: 127.0.0.1:${ports.proxy} }
gateways:
  - { name: home, title: Home, address: 127.0.0.1, http_port: ${home}, liveness: heartbeat }
  - { name: ds918, title: DS918, address: 127.0.0.1, http_port: ${ds918}, liveness: heartbeat }
pools:
  - name: ${POOL}
    title: Home network
    mode: failover
    failback_cooldown: ${COOLDOWN / 1_000}s
    outage_message: Both gateways of the demo are gone. They come back by themselves.
    members: [home, ds918]
    passive: { ejection: 200ms, max_ejection: 200ms }
routes:
  - { name: everything, target: { pool: ${POOL} }, response_timeout: 3s }
  - { name: nas, match: { host: nas.localhost }, target: { gateway: ds918 }, response_timeout: 3s }
`
}
