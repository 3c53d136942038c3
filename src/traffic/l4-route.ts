/**
 * A TCP, TLS or UDP route made ready: what can be looked up beforehand is not looked up for each connection or session.
 */
import type { Pool, Route, World } from '../core/nouns.ts'
import { poolOf } from '../core/passive.ts'
import { homeOrder, targetKey } from '../core/plan.ts'
import type { Destination } from '../core/routes.ts'
import { compileAdmission, type IsTrusted, inRanges } from './address.ts'

/** Ms without a byte either way, where the route does not say. */
const IDLE_STREAM = 3_600_000
const IDLE_DATAGRAMS = 60_000

export interface L4Route extends Destination {
  /** Whether a client of this address may; null: everybody. */
  readonly admits: ((address: string) => boolean) | null
  /** The peers from whom a PROXY header is expected; nobody, if the route takes none. */
  readonly sendsProxy: IsTrusted
  /** The PROXY header that its upstreams get. */
  readonly proxy: Pool['send_proxy']
  /** Ms. */
  readonly idleTimeout: number
}

export function compileL4(route: Route, world: World): L4Route {
  const { target, protocol, send_proxy, accept_proxy, trusted_proxies, idle_timeout } = route
  const pool =
    'pool' in target
      ? poolOf(world, target.pool)
      : 'gateway' in target
        ? homeOrder(world, target.gateway)[0]
        : undefined
  return {
    route,
    target: targetKey(route),
    admits: compileAdmission(route),
    sendsProxy: inRanges(accept_proxy ? trusted_proxies : []),
    proxy: send_proxy ?? pool?.send_proxy ?? 'off',
    idleTimeout: idle_timeout ?? (protocol === 'udp' ? IDLE_DATAGRAMS : IDLE_STREAM),
  }
}
