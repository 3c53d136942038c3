/**
 * What the schema cannot see because it concerns two places at once: names that are taken, references to nothing, routes that match
 * the same requests, fallbacks that run in a circle.
 */
import { type Definitions, type Gateway, type Pool, type Route, route as routeSchema } from './definitions.ts'
import type { Finding, Path } from './findings.ts'
import type { Config, ListenAddress, Listener } from './schema.ts'
import { type didYouMean, limitedHints, quote } from './suggest.ts'
import { joinHostPort } from './units.ts'

/** One entry of a section; without a value when something is wrong with it already. Its name can be referred to all the same. */
export interface Entry<T> {
  readonly name: string | undefined
  readonly value: T | undefined
}

/** What of the file listens for people and agents, not for traffic. */
export type OwnListeners = Partial<Pick<Config, 'admin' | 'metrics' | 'heartbeats'>>

export interface Sections {
  /** What listens besides them, as far as that is known. */
  readonly own: OwnListeners
  /** undefined: not known here, references to listeners are not checked. */
  readonly listeners: readonly Entry<Listener>[] | undefined
  readonly gateways: readonly Entry<Gateway>[]
  readonly pools: readonly Entry<Pool>[]
  readonly routes: readonly Entry<Route>[]
}

/**
 * Everything in `definitions` that does not fit together, with paths into that document. Routes' listeners are looked up among those
 * of `file`; without it they are taken as they are.
 */
export function checkDefinitions(definitions: Definitions, file?: OwnListeners & Pick<Config, 'listeners'>): Finding[] {
  const entries = <T extends { name: string }>(values: readonly T[]): Entry<T>[] =>
    values.map(value => ({ name: value.name, value }))
  return checkSections({
    own: file ?? {},
    listeners: file && entries(file.listeners),
    gateways: entries(definitions.gateways),
    pools: entries(definitions.pools),
    routes: entries(definitions.routes),
  })
}

export function checkSections(sections: Sections): Finding[] {
  const { own, listeners = [], gateways, pools, routes } = sections
  const find = lookup(limitedHints(100))
  return [
    ...duplicateNames('listeners', listeners),
    ...duplicateNames('gateways', gateways),
    ...duplicateNames('pools', pools),
    ...duplicateNames('routes', routes),
    ...sameAddresses(listeners, routes, own),
    ...checkListeners(listeners, routes),
    ...values(gateways).flatMap(([gateway, at]) => checkGateway(gateway, ['gateways', at])),
    ...checkPools(pools, names(gateways), find),
    ...fallbackCircles(pools),
    ...checkRoutes(sections, find),
    ...equalRoutes(routes),
  ]
}

const names = (entries: readonly Entry<unknown>[]): ReadonlySet<string> =>
  new Set(entries.flatMap(({ name }) => (name === undefined ? [] : [name])))

const values = <T>(entries: readonly Entry<T>[]): [T, number][] =>
  entries.flatMap(({ value }, at): [T, number][] => (value === undefined ? [] : [[value, at]]))

/** Says that there is no such thing, if there is none. */
type Lookup = (kind: string, name: string, known: ReadonlySet<string>, path: Path) => Finding[]

function lookup(hint: typeof didYouMean): Lookup {
  return (kind, name, known, path) => {
    if (known.has(name)) return []
    return [{ path, code: 'unknown_reference', message: `there is no ${kind} ${quote(name)}${hint(name, known)}` }]
  }
}

function duplicateNames(section: string, entries: readonly Entry<unknown>[]): Finding[] {
  const first = new Map<string, number>()
  return entries.flatMap(({ name }, at): Finding[] => {
    if (name === undefined) return []
    const taken = first.get(name)
    if (taken === undefined) first.set(name, at)
    return taken === undefined
      ? []
      : [
          {
            path: [section, at, 'name'],
            code: 'duplicate_name',
            message: `${section}[${taken}] is called ${quote(name)} already`,
          },
        ]
  })
}

function sameAddresses(
  listeners: readonly Entry<Listener>[],
  routes: readonly Entry<Route>[],
  { admin, metrics, heartbeats }: OwnListeners,
): Finding[] {
  const taken = new Map<string, string>()
  const take = (listen: ListenAddress, who: string, path: Path): Finding[] => {
    const address = joinHostPort(listen)
    const other = taken.get(address)
    taken.set(address, other ?? who)
    // Port 0 is a free port, another one each time.
    if (other === undefined || listen.port === 0) return []
    return [{ path, code: 'bad_request', message: `${other} listens there already` }]
  }
  return [
    ...(admin === undefined ? [] : take(admin.listen, 'the admin API', ['admin', 'listen'])),
    ...(metrics === undefined ? [] : take(metrics.listen, 'the page of metrics', ['metrics', 'listen'])),
    ...(heartbeats === undefined ? [] : take(heartbeats.listen, 'what takes heartbeats', ['heartbeats', 'listen'])),
    ...values(listeners).flatMap(([{ name, listen }, at]) =>
      take(listen, `listener ${quote(name)}`, ['listeners', at, 'listen']),
    ),
    // Two routes at one address are told apart from this: they match the same.
    ...values(routes).flatMap(([{ enabled, protocol, listen }, at]) => {
      const other = enabled && protocol === 'tcp' && listen !== undefined && taken.get(joinHostPort(listen))
      if (!other || listen?.port === 0) return []
      return [
        { path: ['routes', at, 'listen'], code: 'bad_request', message: `${other} listens there already` } as const,
      ]
    }),
  ]
}

/** Who takes what names no known server. */
function checkListeners(listeners: readonly Entry<Listener>[], routes: readonly Entry<Route>[]): Finding[] {
  return values(listeners).flatMap(([{ name, protocol, default_route }, at]): Finding[] => {
    if (default_route === undefined) return []
    const path = ['listeners', at, 'default_route']
    if (protocol !== 'tls')
      return [{ path, code: 'bad_request', message: `${protocol} listeners have no default_route` }]
    const route = values(routes).find(([one]) => one.name === default_route)?.[0]
    // Where the store has the routes it may be one of those.
    if (route === undefined || (route.protocol === 'tls' && route.listener === name)) return []
    return [{ path, code: 'bad_request', message: `route ${quote(default_route)} is no tls route of this listener` }]
  })
}

function checkGateway(gateway: Gateway, path: Path): Finding[] {
  if (gateway.address !== 'from_heartbeat' || gateway.liveness === 'heartbeat') return []
  const message = 'a gateway that announces its address must beat: liveness: heartbeat'
  return [{ path: [...path, 'address'], code: 'bad_request', message }]
}

function checkPools(pools: readonly Entry<Pool>[], gateways: ReadonlySet<string>, find: Lookup): Finding[] {
  const known = names(pools)
  return values(pools).flatMap(([pool, at]) => {
    const seen = new Set<string>()
    const members = pool.members.flatMap(({ gateway }, index): Finding[] => {
      const path = ['pools', at, 'members', index]
      if (seen.has(gateway)) {
        return [{ path, code: 'duplicate_member', message: `${quote(gateway)} is a member of this pool already` }]
      }
      seen.add(gateway)
      return find('gateway', gateway, gateways, path)
    })
    const { on_all_down } = pool
    if (on_all_down.action !== 'fallback') return members
    return [...members, ...find('pool', on_all_down.pool, known, ['pools', at, 'on_all_down', 'pool'])]
  })
}

/** A request may wander from fallback to fallback, but never back. Told once for each circle, at its first pool. */
function fallbackCircles(pools: readonly Entry<Pool>[]): Finding[] {
  const next = new Map(
    values(pools).flatMap(([{ name, on_all_down }, at]) =>
      on_all_down.action === 'fallback' ? [[name, { to: on_all_down.pool, at }] as const] : [],
    ),
  )
  const done = new Set<string>()
  const findings: Finding[] = []
  for (const [start, { at }] of next) {
    const walked = new Set<string>()
    let here = start
    for (let step = next.get(here); step !== undefined && !done.has(here) && !walked.has(here); step = next.get(here)) {
      walked.add(here)
      here = step.to
    }
    if (walked.has(here)) {
      const circle = [...walked].slice([...walked].indexOf(here))
      findings.push({
        path: ['pools', next.get(here)?.at ?? at, 'on_all_down', 'pool'],
        code: 'fallback_cycle',
        message: `fallbacks run in a circle: ${[...circle, here].join(' → ')}`,
      })
    }
    for (const name of walked) done.add(name)
  }
  return findings
}

function checkRoutes({ listeners, gateways, pools, routes }: Sections, find: Lookup): Finding[] {
  const gatewayNames = names(gateways)
  const poolNames = names(pools)
  const listenerNames = listeners && names(listeners)
  const protocols = new Map(listeners?.map(({ name, value }) => [name, value?.protocol]))
  return values(routes).flatMap(([route, at]) => {
    const path = ['routes', at]
    const findings = checkShape(route, path)
    const { target } = route
    if ('gateway' in target)
      findings.push(...find('gateway', target.gateway, gatewayNames, [...path, 'target', 'gateway']))
    else if ('pool' in target) findings.push(...find('pool', target.pool, poolNames, [...path, 'target', 'pool']))
    else findings.push(...sendsNothing(route, path))
    if (route.listener === undefined || listenerNames === undefined) return findings
    findings.push(...find('listener', route.listener, listenerNames, [...path, 'listener']))
    const misplaced = isMisplaced(route.protocol, protocols.get(route.listener))
    if (misplaced !== null) {
      const message = `listener ${quote(route.listener)} ${misplaced}`
      findings.push({ path: [...path, 'listener'], code: 'bad_request', message })
    }
    return findings
  })
}

/** Why a route of one protocol cannot be on a listener of another; null: it can, as far as is known. */
function isMisplaced(route: Route['protocol'], listener: Listener['protocol'] | undefined): string | null {
  if (route === 'http' && listener === 'tls') return 'passes TLS through and sees no HTTP'
  if (route === 'tls' && listener === 'http') return 'takes no TLS'
  return null
}

type Key = 'listener' | 'listen' | 'gateway_port' | 'match.host' | 'match.sni' | 'match.alpn'

/** Where the protocols differ in what a route must say (true) and must not say (false). */
const SHAPES: Readonly<Record<Route['protocol'], Readonly<Partial<Record<Key, boolean>>>>> = {
  http: { listen: false, gateway_port: false, 'match.sni': false, 'match.alpn': false },
  tcp: {
    listen: true,
    gateway_port: true,
    listener: false,
    'match.host': false,
    'match.sni': false,
    'match.alpn': false,
  },
  udp: {
    listen: true,
    gateway_port: true,
    listener: false,
    'match.host': false,
    'match.sni': false,
    'match.alpn': false,
  },
  tls: { listener: true, gateway_port: true, listen: false, 'match.host': false },
}

function checkShape(route: Route, path: Path): Finding[] {
  const said: Record<Key, unknown> = {
    listener: route.listener,
    listen: route.listen,
    gateway_port: route.gateway_port,
    'match.host': route.match.host,
    'match.sni': route.match.sni,
    'match.alpn': route.match.alpn,
  }
  const findings = Object.entries(SHAPES[route.protocol]).flatMap(([key, needed]): Finding[] => {
    if ((said[key as Key] !== undefined) === needed) return []
    const message = `${route.protocol} routes ${needed ? 'need' : 'have no'} ${key}`
    return [{ path: needed ? path : [...path, ...key.split('.')], code: 'bad_request', message }]
  })
  return [...findings, ...strangeTo(route, path)]
}

const OF_HTTP = [
  'response_timeout',
  'response_body_timeout',
  'upstream_host',
  'upgrade',
  'tunnel_timeout',
  'forwarded',
  'strip_prefix',
  'add_prefix',
  'request_fields',
  'response_fields',
] as const
const OF_DATAGRAMS = ['responses', 'per_packet'] as const
/** A TLS route shares its listener, which knows who is let in, and how many. */
const OF_ITS_LISTENER = ['accept_proxy', 'trusted_proxies', 'max_sessions', 'max_sessions_per_address'] as const

/** Keys that mean nothing to routes of a protocol. */
const STRANGE: Readonly<Record<Route['protocol'], readonly (keyof Route)[]>> = {
  http: ['idle_timeout', 'send_proxy', ...OF_DATAGRAMS, ...OF_ITS_LISTENER],
  tcp: [...OF_HTTP, ...OF_DATAGRAMS],
  tls: [...OF_HTTP, ...OF_DATAGRAMS, ...OF_ITS_LISTENER],
  udp: OF_HTTP,
}
const isDeepEqual = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b)

const UNSAID: Route = routeSchema.parse({ name: 'x', target: { pool: 'x' } })

/** What is said to no effect: a default says nothing. */
function strangeTo(route: Route, path: Path): Finding[] {
  const strange = STRANGE[route.protocol].filter(key => !isDeepEqual(route[key], UNSAID[key]))
  const keys: string[][] = strange.map(key => [key])
  if (route.protocol !== 'http' && route.match.path !== UNSAID.match.path) keys.push(['match', 'path'])
  const version: Finding[] =
    route.protocol === 'udp' && route.send_proxy === 'v1'
      ? [{ path: [...path, 'send_proxy'], code: 'bad_request', message: 'version 1 knows no datagrams: use v2' }]
      : []
  const none = keys.map(
    (key): Finding => ({
      path: [...path, ...key],
      code: 'bad_request',
      message: `${route.protocol} routes have no ${key.join('.')}`,
    }),
  )
  return [...none, ...version]
}

/** What a route that answers by itself cannot do, since it sends no request to anybody. */
function sendsNothing(route: Route, path: Path): Finding[] {
  if (route.protocol !== 'http') {
    const message = `${route.protocol} routes go to a pool or a gateway`
    return [{ path: [...path, 'target'], code: 'bad_request', message }]
  }
  const { upstream_host, backend, strip_prefix, add_prefix, request_fields } = route
  const { set, add, remove } = request_fields
  const changed = Object.keys({ ...set, ...add }).length > 0 || remove.length > 0
  const said = { upstream_host, backend, strip_prefix, add_prefix, request_fields: changed || undefined }
  return Object.entries(said).flatMap(([key, value]): Finding[] =>
    value === undefined
      ? []
      : [{ path: [...path, key], code: 'bad_request', message: `a route that answers by itself has no ${key}` }],
  )
}

/** Two routes that would match the same requests: nobody could say which one is meant. One that is not enabled matches nothing. */
function equalRoutes(routes: readonly Entry<Route>[]): Finding[] {
  const groups = new Map<string, Map<string | undefined, number>>()
  return values(routes).flatMap(([route, at]): Finding[] => {
    if (!route.enabled) return []
    const key = matchKey(route)
    const group = groups.get(key) ?? new Map<string | undefined, number>()
    groups.set(key, group)
    // Without a listener a route is on all of them, so it meets every other of its group.
    const other =
      route.listener === undefined ? group.values().next().value : (group.get(route.listener) ?? group.get(undefined))
    if (!group.has(route.listener)) group.set(route.listener, at)
    if (other === undefined) return []
    const name = routes[other]?.name ?? ''
    return [
      { path: ['routes', at], code: 'equal_routes', message: `matches the same requests as route ${quote(name)}` },
    ]
  })
}

function matchKey({ name, protocol, match, listen }: Route): string {
  switch (protocol) {
    case 'http':
      // `/app` and `/app/` match the same paths.
      return JSON.stringify(['http', match.host, match.path.replace(/\/$/, '')])
    case 'tls':
      return JSON.stringify(['tls', match.sni, [...(match.alpn ?? [])].sort()])
    case 'tcp':
    case 'udp':
      // Port 0 is a free port, another one each time.
      return JSON.stringify([protocol, listen?.port === 0 ? name : listen])
  }
}
