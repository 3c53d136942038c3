import { caddy } from './caddy.ts'
import { gatepool } from './gatepool.ts'
import { haproxy } from './haproxy.ts'
import { httpProxy3 } from './http-proxy-3.ts'
import { nginx } from './nginx.ts'
import type { Rival } from './rival.ts'
import { undici } from './undici.ts'

/** In the order of the table. */
export const RIVALS: readonly Rival[] = [gatepool, haproxy, nginx, caddy, undici, httpProxy3]
