/**
 * What may change while traffic flows, and what the API changes: gateways, pools, routes and settings. Field, default, limit and
 * meaning are said here once; types, validation, the JSON Schema and the reference page follow from it. Keys are the same in the
 * file, in the program and in the API; durations are ms and sizes are bytes once they are parsed.
 */
import { z } from 'zod'
import { redirect, respond } from './answers.ts'
import { requestFields, responseFields, token } from './field-rules.ts'
import {
  addressRange,
  cooldown,
  duration,
  host,
  hostPort,
  isHostName,
  isIpv4,
  isIpv6,
  listenAddress,
  percent,
  port,
} from './units.ts'

/** The name of a gateway, pool, route or listener is its identity: it never changes. */
/** What a name looks like. */
export const NAME_FORM = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/

export const name = z.string().regex(NAME_FORM, {
  error: 'a name is 1 to 32 lower-case letters, digits and inner hyphens',
})

const NAME = name.meta({ description: 'Identity; letters, digits and hyphens; never changes' })
const TITLE = z
  .string()
  .regex(/^(?=.*\S)[\P{C}\u200d]{1,80}$/u, { error: 'a title is 1 to 80 printable characters' })
  .optional()
  .meta({ description: 'Free text for people, 1 to 80 characters', examples: ['Home'] })
const ENABLED = z.boolean().default(true).meta({ description: 'false takes it out without deleting it' })
const STATUS = z.number().int().min(100).max(599)
const COUNT = z.number().int()

export const settings = z.strictObject({
  gateway_down_threshold: duration({ min: 1000 })
    .prefault('90s')
    .meta({ description: 'A gateway is down when its newest heartbeat is older than this; at least 1s' }),
  address_ranges: z
    .array(addressRange)
    .default(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'])
    .meta({ description: 'Where the addresses that gateways announce of themselves must lie' }),
})

export const gateway = z.strictObject({
  name: NAME.meta({ examples: ['home'] }),
  title: TITLE,
  enabled: ENABLED,
  address: z
    .union([z.literal('from_heartbeat'), host], {
      error: 'expected a host name, an IPv4 or an IPv6 address without a port, or from_heartbeat',
    })
    .meta({ description: 'Host name, IPv4 or IPv6 address; from_heartbeat: as it announces', examples: ['127.0.0.1'] }),
  http_port: port.default(8080).meta({ description: 'Where its HTTP is' }),
  liveness: z
    .enum(['heartbeat', 'probe', 'assumed'])
    .default('assumed')
    .meta({ description: 'How we know that it is alive: it beats, we probe, or we assume it' }),
  max_instances: COUNT.min(1)
    .max(64)
    .optional()
    .meta({ description: 'How many agents may share this gateway, at most 64; absent: 64', examples: [2] }),
})

const memberFields = z.strictObject({
  gateway: name,
  weight: COUNT.min(1).max(1000).default(1),
})

/** A bare name is a member of weight 1. */
export const member = z.codec(
  z.union([name, memberFields], { error: 'expected the name of a gateway, or { gateway: NAME, weight: 2 }' }),
  memberFields,
  {
    decode: written => (typeof written === 'string' ? { gateway: written } : written),
    encode: ({ gateway, weight }) => (weight === undefined || weight === 1 ? gateway : { gateway, weight }),
  },
)

const passive = z.strictObject({
  max_fails: COUNT.min(1).max(1000).default(3).meta({ description: 'This many failures in a row eject' }),
  fail_duration: duration({ min: 100 }).prefault('30s').meta({ description: '… if the first is not older than this' }),
  ejection: duration({ min: 100 })
    .prefault('30s')
    .meta({ description: 'How long a first ejection lasts; the nth in a row lasts n times as long' }),
  max_ejection: duration({ min: 100 }).prefault('5m').meta({ description: '… but never longer than this' }),
  unhealthy_status: z
    .array(STATUS)
    .default([502, 503, 504])
    .meta({ description: 'Answers with these statuses are failures' }),
  unhealthy_latency: duration().prefault('0s').meta({ description: 'Slower answers are failures; 0s: off' }),
  max_fail_ratio: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .meta({ description: 'So does a larger share of failures among 20 or more requests' }),
  max_ejected: percent
    .prefault('50%')
    .meta({ description: 'Load balancing: at most this share of the members, rounded up' }),
})

const pace = {
  interval: duration({ min: 100 }).prefault('10s').meta({ description: 'From one check to the next' }),
  timeout: duration({ min: 10 }).prefault('2s').meta({ description: 'A check that takes longer has failed' }),
  fall: COUNT.min(1).max(100).default(3).meta({ description: 'Down after this many failed checks in a row' }),
  rise: COUNT.min(1).max(100).default(2).meta({ description: 'Back after this many passed checks in a row' }),
  fast_interval: duration({ min: 100 }).prefault('1s').meta({ description: 'Interval while a verdict is pending' }),
  port: port.optional().meta({ description: 'Port to check, when it is not the one that serves', examples: [8081] }),
}

const check = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('http').meta({ description: 'A request and its answer' }),
    method: token.default('GET').meta({ description: 'Request method' }),
    path: z.string().startsWith('/').default('/').meta({ description: 'Request target' }),
    host: z
      .string()
      .optional()
      .meta({ description: 'Host field; absent: the address', examples: ['nas.example.com'] }),
    expect_status: z.array(STATUS).default([]).meta({ description: 'Statuses that pass; empty: every 2xx and 3xx' }),
    expect_body: z
      .string()
      .optional()
      .meta({ description: 'Text that the body must hold', examples: ['ok'] }),
    ...pace,
  }),
  z.strictObject({
    kind: z.literal('tcp').meta({ description: 'A connection' }),
    send: z
      .string()
      .optional()
      .meta({ description: 'Text to send after the connect', examples: ['PING'] }),
    expect: z
      .string()
      .optional()
      .meta({ description: 'Text that the answer must hold', examples: ['PONG'] }),
    ...pace,
  }),
])

const onAllDown = z.discriminatedUnion('action', [
  z.strictObject({
    action: z.literal('fail_closed').meta({ description: 'Tell people so: 503 and the outage message' }),
  }),
  z.strictObject({ action: z.literal('fail_open').meta({ description: 'Ask members that are down all the same' }) }),
  z.strictObject({
    action: z.literal('hold').meta({ description: 'Let requests wait, bodies up to 64 KiB; at most 1,000 a pool' }),
    hold: duration().prefault('10s').meta({ description: 'How long a request waits for somebody to return' }),
  }),
  z.strictObject({
    action: z.literal('fallback').meta({ description: 'Send them to another pool' }),
    pool: name.meta({ description: 'The pool that takes over', examples: ['spare'] }),
  }),
])

const sendProxy = z.enum(['off', 'v1', 'v2'])

export const pool = z.strictObject({
  name: NAME.meta({ examples: ['home-network'] }),
  title: TITLE,
  enabled: ENABLED,
  mode: z
    .enum(['failover', 'load_balancing'])
    .default('failover')
    .meta({ description: 'First ready member in order, or all of them at once' }),
  lb_policy: z
    .enum(['round_robin', 'least_conn', 'ip_hash', 'random', 'two_choices', 'latency'])
    .default('round_robin')
    .meta({ description: 'Load balancing: round_robin, least_conn, ip_hash, random, two_choices, latency' }),
  failback_cooldown: cooldown.prefault('60s').meta({
    description: `Quiet time before a member is back; or container, vm, hypervisor, nas, windows, conservative`,
  }),
  outage_message: z
    .string()
    .regex(/^[\P{C}\n\u200d]{1,2000}$/u, { error: 'an outage message is 1 to 2000 printable characters' })
    .optional()
    .meta({ description: 'Told to people while nobody can serve', examples: ['We are back in a minute.'] }),
  members: z
    .array(member)
    .max(256, { error: 'a pool has at most 256 members' })
    .default([])
    .meta({ description: 'Gateways, first in order first; or { gateway: home, weight: 2 }', examples: [['home']] }),
  passive: passive.prefault({}).meta({ description: 'What real traffic tells about a member' }),
  active: z.array(check).default([]).meta({ description: 'Checks that gatepool makes by itself' }),
  require: z.enum(['all', 'any']).default('all').meta({ description: 'How many of the checks must pass' }),
  on_all_down: onAllDown
    .prefault({ action: 'fail_closed' })
    .meta({ description: 'When nobody is left: fail_closed, fail_open, hold, fallback' }),
  hold_out: z
    .boolean()
    .default(false)
    .meta({ description: 'Load balancing: hold a returning member out for its cooldown' }),
  slow_start: duration()
    .prefault('10s')
    .meta({ description: 'Load balancing: a returning member gets its share back over this time' }),
  max_connections: COUNT.min(0)
    .default(0)
    .meta({ description: 'In flight per member, over all replicas; 0: no limit' }),
  sticky: z
    .strictObject({
      cookie: token.max(64).meta({ description: 'Name of the cookie', examples: ['member'] }),
    })
    .optional()
    .meta({
      description: 'Load balancing of HTTP: a cookie keeps a client with its member as long as that is ready',
      examples: [{ cookie: 'member' }],
    }),
  sessions: z
    .strictObject({
      on_down: z.enum(['keep', 'close']).default('keep').meta({ description: 'When their member goes down' }),
      on_drain: z.enum(['finish', 'close']).default('finish').meta({ description: 'When their member is drained' }),
      on_failback: z.enum(['keep', 'close']).default('keep').meta({ description: 'When the first in order is back' }),
    })
    .prefault({})
    .meta({ description: 'What happens to long connections' }),
  send_proxy: sendProxy
    .default('off')
    .meta({ description: 'tcp, tls, udp routes: PROXY protocol towards the members; off, v1, v2 (udp: always v2)' }),
})

const HOST_PATTERN = 'expected a host name such as nas.example.com or "*.example.com", without a port'

const routeHost = z
  .string()
  .toLowerCase()
  .overwrite(text => (text.endsWith('.') ? text.slice(0, -1) : text))
  .refine(
    text =>
      isHostName(text.replace(/^\*\./, '')) || isIpv4(text) || (/^\[.*\]$/.test(text) && isIpv6(text.slice(1, -1))),
    { error: HOST_PATTERN },
  )

/** `.` and `..`, also percent-encoded, are resolved before a path is matched: a match that holds one could never be met. */
const DOT_SEGMENT = /\/(\.|%2e){1,2}(\/|$)/i

const routePath = z
  .string()
  .regex(/^\/[\x21-\x7e]*$/, { error: 'a path begins with / and has no spaces; other characters are percent-encoded' })
  .refine(path => !/[?#]/.test(path), { error: 'a path has no query and no fragment' })
  .refine(path => !DOT_SEGMENT.test(path), { error: 'a path has no . or .. segments' })

/** At least one: an empty list would be read as everybody by some and as nobody by others. */
const addressRanges = z.array(addressRange).min(1, { error: 'needs at least one range of addresses' })

/** A part of paths: as it is written it goes into every request. */
const pathPrefix = routePath.refine(path => !path.includes('//'), { error: 'this path has an empty segment' })

/** Exactly one of them. */
const target = z.union(
  [
    z.strictObject({ pool: name.meta({ description: 'A pool of gateways', examples: ['home-network'] }) }),
    z.strictObject({
      gateway: name.meta({ description: 'One gateway, with its siblings as stand-ins', examples: ['home'] }),
    }),
    z.strictObject({ redirect: redirect.meta({ description: 'Nowhere: the client is sent elsewhere' }) }),
    z.strictObject({ respond: respond.meta({ description: 'Nowhere: the answer is always the same' }) }),
  ],
  { error: 'expected one of { pool: NAME }, { gateway: NAME }, { redirect: … } and { respond: … }' },
)

export const route = z.strictObject({
  name: NAME.meta({ examples: ['nas'] }),
  title: TITLE,
  enabled: ENABLED,
  protocol: z
    .enum(['http', 'tcp', 'udp', 'tls'])
    .default('http')
    .meta({ description: 'http, tcp, udp or tls (passed through)' }),
  listener: name
    .optional()
    .meta({ description: 'Only on this listener; absent: on every http and https one', examples: ['web'] }),
  listen: listenAddress.optional().meta({ description: 'tcp, udp: its own address', examples: ['0.0.0.0:3389'] }),
  match: z
    .strictObject({
      host: routeHost
        .optional()
        .meta({ description: 'Host name, or "*.example.com"; absent: any', examples: ['nas.example.com'] }),
      path: routePath.default('/').meta({ description: 'This path and everything below it' }),
      sni: routeHost.optional().meta({ description: 'tls: the server name asked for', examples: ['db.example.org'] }),
      alpn: z
        .array(z.string().min(1).max(255))
        .optional()
        .meta({ description: 'tls: any of these protocols', examples: [['h2']] }),
    })
    .prefault({})
    .meta({ description: 'Which requests it takes' }),
  target: target.meta({ description: 'Where it goes: one of pool, gateway, redirect, respond' }),
  failover: z
    .enum(['auto', 'always', 'never'])
    .default('auto')
    .meta({ description: 'May a stand-in serve? auto: yes, unless the backend is a loopback address' }),
  backend: hostPort.optional().meta({ description: 'The address behind the gateway', examples: ['192.168.1.5:5001'] }),
  gateway_port: port.optional().meta({ description: 'tcp, udp, tls: the port on the gateway', examples: [13389] }),
  connect_timeout: duration({ min: 1 }).prefault('2s').meta({ description: 'To connect to an upstream' }),
  response_timeout: duration({ min: 1 })
    .prefault('30s')
    .meta({ description: 'From the request to the head of its answer' }),
  response_body_timeout: duration()
    .prefault('5m')
    .meta({ description: 'Without a byte of an answer that has begun; 0s: for ever' }),
  retry: z
    .strictObject({
      tries: COUNT.min(1).max(256).default(3).meta({ description: 'Upstreams to try, the first included' }),
      within: duration().prefault('10s').meta({ description: 'No new try after this time' }),
      on_status: z.array(STATUS).default([]).meta({ description: 'Answers that an idempotent request may retry' }),
    })
    .prefault({})
    .meta({ description: 'What is tried again' }),
  upstream_host: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, { error: 'expected a host, with or without a port' })
    .refine(isAuthority, { error: 'expected a host, with or without a port' })
    .optional()
    .meta({ description: 'Host field towards the upstream; absent: as the client sent it', examples: ['nas.lan'] }),
  upgrade: z
    .array(token.toLowerCase())
    .default(['websocket'])
    .meta({ description: 'Protocols that a connection may be upgraded to' }),
  tunnel_timeout: duration().prefault('0s').meta({ description: 'Idle time of an upgraded connection; 0s: none' }),
  forwarded: z
    .enum(['x_forwarded', 'forwarded'])
    .default('x_forwarded')
    .meta({ description: 'X-Forwarded-* fields, or Forwarded (RFC 7239)' }),
  strip_prefix: pathPrefix.optional().meta({ description: 'Cut off the path before it is sent', examples: ['/app'] }),
  add_prefix: pathPrefix.optional().meta({ description: 'Put before the path when it is sent', examples: ['/v2'] }),
  request_fields: requestFields.prefault({}).meta({ description: 'Changes to the fields of a request' }),
  response_fields: responseFields.prefault({}).meta({ description: 'Changes to the fields of an answer' }),
  allow: addressRanges.optional().meta({
    description: 'Only clients of these ranges; others get 403, or nothing',
    examples: [['10.0.0.0/8', 'fc00::/7']],
  }),
  deny: addressRanges
    .optional()
    .meta({ description: 'Never clients of these ranges, even if allowed', examples: [['203.0.113.7']] }),
  idle_timeout: duration({ min: 1000 })
    .optional()
    .meta({ description: 'tcp, tls, udp: idle in both directions; absent: 1h, udp 60s', examples: ['1h'] }),
  responses: COUNT.min(0)
    .optional()
    .meta({ description: 'udp: a session ends after this many answers', examples: [1] }),
  per_packet: z.boolean().default(false).meta({ description: 'udp: pick anew for each datagram' }),
  max_sessions: COUNT.min(1).default(16_384).meta({ description: 'tcp, udp: connections or sessions at once' }),
  max_sessions_per_address: COUNT.min(1)
    .default(1024)
    .meta({ description: '… of one client address; tcp: or one IPv6 /64, loopback exempt' }),
  accept_proxy: z
    .boolean()
    .default(false)
    .meta({ description: 'tcp, udp: expect PROXY protocol from trusted_proxies' }),
  trusted_proxies: z.array(addressRange).default([]).meta({ description: 'tcp, udp: who may send PROXY protocol' }),
  send_proxy: sendProxy
    .optional()
    .meta({ description: 'tcp, tls, udp: PROXY protocol; absent: as the pool says', examples: ['v2'] }),
})

/** RFC 9110 section 7.2: a host, and a port if it is not the usual one. */
function isAuthority(text: string): boolean {
  const bare = text.replace(/:\d{1,5}$/, '').toLowerCase()
  return isHostName(bare) || isIpv4(bare) || (/^\[.*\]$/.test(bare) && isIpv6(bare.slice(1, -1)))
}

/** The sections that make up the definitions document. */
export const definitionSections = {
  settings: settings.prefault({}).meta({ description: 'For all replicas' }),
  gateways: z.array(gateway).default([]).meta({ description: 'Hosts that can all reach the private network' }),
  pools: z.array(pool).default([]).meta({ description: 'Gateways that stand in for each other' }),
  routes: z.array(route).default([]).meta({ description: 'Which traffic goes where' }),
}

export const definitions = z.strictObject(definitionSections)

export type Gateway = z.output<typeof gateway>
export type Member = z.output<typeof member>
export type Pool = z.output<typeof pool>
export type Route = z.output<typeof route>
export type Settings = z.output<typeof settings>
export type Definitions = z.output<typeof definitions>
