import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'

/** The sample of two mirrored pools. */
export const SAMPLE = join(import.meta.dirname, '../../config/active-active.yaml')

/** The sample on free ports, with gateways that beat, and times that a test can wait for. */
export function activeActive(ports: Readonly<Record<string, number>>): string {
  const { gateways, pools, listeners, store: _, ...rest } = parse(readFileSync(SAMPLE, 'utf8'))
  return stringify({
    ...rest,
    admin: { listen: '127.0.0.1:0', token: '${GATEPOOL_ADMIN_TOKEN}' },
    settings: { gateway_down_threshold: '1s' },
    listeners: listeners.map((listener: object) => ({ ...listener, listen: '127.0.0.1:0' })),
    gateways: gateways.map((one: { name: string }) => ({ ...one, http_port: ports[one.name], liveness: 'heartbeat' })),
    pools: pools.map((pool: object) => ({ ...pool, failback_cooldown: '1s' })),
  })
}
