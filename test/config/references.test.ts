import fc from 'fast-check'
import { test } from 'tap'
import { type Definitions, definitions } from '../../src/config/definitions.ts'
import { pathText } from '../../src/config/findings.ts'
import { checkDefinitions } from '../../src/config/references.ts'
import { config } from '../../src/config/schema.ts'

const make = (input: unknown): Definitions => definitions.parse(input)
const told = (input: unknown): string[] =>
  checkDefinitions(make(input)).map(({ path, code, message }) => `${pathText(path)}: ${code}: ${message}`)

const gateways = [
  { name: 'home', address: '127.0.0.1' },
  { name: 'spare', address: '127.0.0.2' },
]
const a = { name: 'a', members: ['home'] }
const to = { pool: 'a' }

test('names are taken once for each kind', t => {
  t.strictSame(told({ gateways: [...gateways, gateways[0]], pools: [{ name: 'home' }, { name: 'home' }] }), [
    'gateways[2].name: duplicate_name: gateways[0] is called "home" already',
    'pools[1].name: duplicate_name: pools[0] is called "home" already',
  ])
  t.end()
})

test('members, targets and fallbacks must exist', t => {
  t.strictSame(
    told({
      gateways,
      pools: [
        { name: 'a', members: ['hoem', 'elsewhere', 'home', 'home'] },
        { name: 'b', on_all_down: { action: 'fallback', pool: 'c' } },
      ],
      routes: [
        { name: 'r', match: { path: '/1' }, target: { pool: 'home' } },
        { name: 's', match: { path: '/2' }, target: { gateway: 'b' } },
      ],
    }),
    [
      'pools[0].members[0]: unknown_reference: there is no gateway "hoem" (did you mean "home"?)',
      'pools[0].members[1]: unknown_reference: there is no gateway "elsewhere"',
      'pools[0].members[3]: duplicate_member: "home" is a member of this pool already',
      'pools[1].on_all_down.pool: unknown_reference: there is no pool "c" (did you mean "a"?)',
      'routes[0].target.pool: unknown_reference: there is no pool "home"',
      'routes[1].target.gateway: unknown_reference: there is no gateway "b"',
    ],
  )
  t.end()
})

test('routes that match the same requests are refused, whatever way they are written', t => {
  const equal: [object, object][] = [
    [{}, {}],
    [{ match: { host: 'a.example.com' } }, { match: { host: 'A.Example.Com.' } }],
    [{ match: { host: '*.example.com', path: '/x' } }, { match: { host: '*.example.com', path: '/x' } }],
    [{ match: { path: '/x' } }, { match: { path: '/x/' } }],
    [{ listener: 'web' }, { listener: 'web' }],
    [{ listener: 'web' }, {}],
    [{}, { listener: 'web' }],
  ]
  for (const [one, other] of equal) {
    const routes = [
      { name: 'one', target: to, ...one },
      { name: 'other', target: to, ...other },
    ]
    t.strictSame(told({ gateways, pools: [a], routes }), [
      'routes[1]: equal_routes: matches the same requests as route "one"',
    ])
  }
  const different: [object, object][] = [
    [{ match: { host: 'a.example.com' } }, {}],
    [{ match: { host: 'a.example.com' } }, { match: { host: '*.example.com' } }],
    [{ match: { path: '/x' } }, { match: { path: '/X' } }],
    [{ listener: 'web' }, { listener: 'lan' }],
    [{ enabled: false }, {}],
  ]
  for (const [one, other] of different) {
    const routes = [
      { name: 'one', target: to, ...one },
      { name: 'other', target: to, ...other },
    ]
    t.strictSame(told({ gateways, pools: [a], routes }), [])
  }
  t.end()
})

test('a fallback never leads back', t => {
  const pool = (name: string, next?: string): object => ({
    name,
    ...(next === undefined ? {} : { on_all_down: { action: 'fallback', pool: next } }),
  })
  t.strictSame(told({ pools: [pool('x', 'x')] }), [
    'pools[0].on_all_down.pool: fallback_cycle: fallbacks run in a circle: x → x',
  ])
  t.strictSame(told({ pools: [pool('in', 'x'), pool('x', 'y'), pool('y', 'z'), pool('z', 'x')] }), [
    'pools[1].on_all_down.pool: fallback_cycle: fallbacks run in a circle: x → y → z → x',
  ])
  t.strictSame(told({ pools: [pool('x', 'z'), pool('y', 'z'), pool('z', 'end'), pool('end')] }), [])
  t.end()
})

test('every circle of fallbacks is told exactly once', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1, max: 9 }), { minLength: 10, maxLength: 10 }), next => {
      const pools = next.map((to, at) => ({
        name: `p${at}`,
        ...(to < 0 ? {} : { on_all_down: { action: 'fallback', pool: `p${to}` } }),
      }))
      const onCircle = next.map((_, at) => {
        let here = next[at] ?? -1
        for (let steps = 0; steps < 10 && here >= 0 && here !== at; steps++) here = next[here] ?? -1
        return here === at
      })
      const circles = new Set(
        onCircle.flatMap((on, at) => {
          if (!on) return []
          const around = [at]
          for (let here = next[at] ?? at; here !== at; here = next[here] ?? at) around.push(here)
          return [Math.min(...around)]
        }),
      )
      return told({ pools }).length === circles.size
    }),
  )
  t.pass('no counterexample')
  t.end()
})

test('a route says what its protocol needs, and nothing that it does not have', t => {
  const route = (fields: object): string[] =>
    told({ gateways, pools: [a], routes: [{ name: 'r', target: to, ...fields }] })
  t.strictSame(route({ protocol: 'tcp' }), [
    'routes[0]: bad_request: tcp routes need listen',
    'routes[0]: bad_request: tcp routes need gateway_port',
  ])
  t.strictSame(route({ protocol: 'udp', listen: '0.0.0.0:53', gateway_port: 53, match: { host: 'a.de' } }), [
    'routes[0].match.host: bad_request: udp routes have no match.host',
  ])
  t.strictSame(route({ protocol: 'tls', listener: 'tls', gateway_port: 1, match: { sni: 'a.de' } }), [])
  t.strictSame(route({ gateway_port: 80 }), ['routes[0].gateway_port: bad_request: http routes have no gateway_port'])
  t.end()
})

test('a route that answers by itself says nothing about a request that is sent', t => {
  const answering = (fields: object): string[] =>
    told({ gateways, routes: [{ name: 'r', target: { respond: {} }, ...fields }] })
  t.strictSame(answering({ allow: ['10.0.0.0/8'], response_fields: { set: { a: 'b' } } }), [])
  t.strictSame(answering({ backend: '10.0.0.1:80', strip_prefix: '/a', request_fields: { remove: ['a'] } }), [
    'routes[0].backend: bad_request: a route that answers by itself has no backend',
    'routes[0].strip_prefix: bad_request: a route that answers by itself has no strip_prefix',
    'routes[0].request_fields: bad_request: a route that answers by itself has no request_fields',
  ])
  const target = { redirect: { to: '/login' } }
  t.strictSame(answering({ target, add_prefix: '/a', upstream_host: 'a' }), [
    'routes[0].upstream_host: bad_request: a route that answers by itself has no upstream_host',
    'routes[0].add_prefix: bad_request: a route that answers by itself has no add_prefix',
  ])
  t.strictSame(answering({ protocol: 'tcp', listen: '127.0.0.1:1', gateway_port: 1 }), [
    'routes[0].target: bad_request: tcp routes go to a pool or a gateway',
  ])
  t.end()
})

test('a gateway that announces its address must beat', t => {
  t.strictSame(told({ gateways: [{ name: 'a', address: 'from_heartbeat', liveness: 'heartbeat' }] }), [])
  t.strictSame(told({ gateways: [{ name: 'a', address: 'from_heartbeat' }] }), [
    'gateways[0].address: bad_request: a gateway that announces its address must beat: liveness: heartbeat',
  ])
  t.end()
})

const tcp = { name: 'r', protocol: 'tcp', listen: '127.0.0.1:3389', gateway_port: 3389, target: to }
const tls = { name: 'r', protocol: 'tls', listener: 'pass', gateway_port: 443, target: to }
const udp = { name: 'r', protocol: 'udp', listen: '127.0.0.1:53', gateway_port: 53, target: to }

test('what means nothing to a protocol is refused', t => {
  const base = { gateways, pools: [a] }
  const of = (route: object) => told({ ...base, routes: [route] }).map(text => text.replace('routes[0].', ''))
  for (const route of [tcp, tls, udp]) {
    t.strictSame(of(route), [], 'all that is needed is there')
    t.strictSame(of({ ...route, strip_prefix: '/x', match: { path: '/y' }, upgrade: [] }), [
      `upgrade: bad_request: ${route.protocol} routes have no upgrade`,
      `strip_prefix: bad_request: ${route.protocol} routes have no strip_prefix`,
      `match.path: bad_request: ${route.protocol} routes have no match.path`,
    ])
  }
  t.strictSame(
    of({ ...tcp, responses: 1, send_proxy: 'v1', max_sessions: 5, idle_timeout: '1m', allow: ['10.0.0.0/8'] }),
    ['responses: bad_request: tcp routes have no responses'],
  )
  t.strictSame(of({ ...tls, accept_proxy: true, send_proxy: 'v2', max_sessions: 5 }), [
    'accept_proxy: bad_request: tls routes have no accept_proxy',
    'max_sessions: bad_request: tls routes have no max_sessions',
  ])
  t.strictSame(of({ ...udp, responses: 1, per_packet: true, accept_proxy: true }), [])
  t.strictSame(of({ name: 'r', target: to, idle_timeout: '1m', send_proxy: 'v1', per_packet: true }), [
    'idle_timeout: bad_request: http routes have no idle_timeout',
    'send_proxy: bad_request: http routes have no send_proxy',
    'per_packet: bad_request: http routes have no per_packet',
  ])
  t.end()
})

test('one address, one listener: also among TCP routes; port 0 is another one each time', t => {
  const file = (listeners: unknown[], routes: unknown[]) => {
    const parsed = config.parse({ version: 1, gateways, pools: [a], listeners, routes })
    return checkDefinitions(parsed, parsed).map(({ path, message }) => `${pathText(path)}: ${message}`)
  }
  const web = { name: 'web', listen: '127.0.0.1:3389' }
  t.strictSame(file([web], [tcp]), ['routes[0].listen: listener "web" listens there already'])
  t.strictSame(
    file(
      [web],
      [
        { ...tcp, enabled: false },
        { ...udp, name: 's', listen: '127.0.0.1:3389' },
      ],
    ),
    [],
  )
  t.strictSame(file([], [{ ...tcp, listen: '127.0.0.1:9900' }]), [
    'routes[0].listen: the admin API listens there already',
  ])
  const own = config.parse({
    ...{ version: 1, metrics: { listen: '127.0.0.1:9900' }, heartbeats: { listen: '127.0.0.1:9902' } },
    listeners: [{ name: 'web', listen: '127.0.0.1:9902' }],
  })
  t.strictSame(
    checkDefinitions(own, own).map(({ path, message }) => `${pathText(path)}: ${message}`),
    [
      'metrics.listen: the admin API listens there already',
      'listeners[0].listen: what takes heartbeats listens there already',
    ],
  )
  const anywhere = { ...tcp, listen: '127.0.0.1:0' }
  t.strictSame(file([], [anywhere, { ...anywhere, name: 's' }]), [])
  t.strictSame(file([], [tcp, { ...tcp, name: 's' }]), ['routes[1]: matches the same requests as route "r"'])
  const pass = { name: 'pass', protocol: 'tls', listen: '127.0.0.1:9443' }
  t.strictSame(file([{ ...pass, default_route: 'r' }], [tls]), [])
  t.strictSame(file([{ ...pass, default_route: 'elsewhere' }], [tls]), [], 'the store may have it')
  t.strictSame(file([{ ...pass, default_route: 'r' }], [tcp]), [
    'listeners[0].default_route: route "r" is no tls route of this listener',
  ])
  t.strictSame(file([{ ...web, default_route: 'r' }], [{ ...tls, listener: 'web' }]), [
    'listeners[0].default_route: http listeners have no default_route',
    'routes[0].listener: listener "web" takes no TLS',
  ])
  t.end()
})
