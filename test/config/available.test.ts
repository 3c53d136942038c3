import { test } from 'tap'
import { z } from 'zod'
import { notAvailable } from '../../src/config/available.ts'
import { pool, route, settings } from '../../src/config/definitions.ts'
import { pathText } from '../../src/config/findings.ts'
import { type Loaded, parseConfig } from '../../src/config/load.ts'

/** Every section, with all that a configuration can ask for; what this version does not run ends in `# not yet`. */
const EVERYTHING = `version: 1
cluster: home
store:
  kind: redis
  url: "redis://127.0.0.1:6379"
  cache: ./data/replica-a.db
admin:
  listen: 127.0.0.1:9900
  tls: # not yet
    cert: a.crt
    key: a.key
  token: \${GATEPOOL_ADMIN_TOKEN}
definitions: store
settings: { gateway_down_threshold: 90s }
listeners:
  - { name: web, protocol: http, listen: 127.0.0.1:8080, trusted_proxies: [10.0.0.0/8] }
  - name: secure
    listen: "[::]:8443"
    protocol: https # not yet
    certificates: # not yet
      - { cert: one.crt, key: one.key }
  - name: passthrough
    listen: 0.0.0.0:9443
    protocol: tls
gateways:
  - { name: home, title: Home, address: 127.0.0.1, http_port: 9101, liveness: heartbeat }
  - { name: ds918, address: nas.lan, http_port: 9102, liveness: assumed }
pools:
  - name: home-network
    title: Home network
    mode: failover
    lb_policy: round_robin
    failback_cooldown: nas
    outage_message: "We are back in a minute."
    members: [home, ds918]
    passive: { max_fails: 3, fail_duration: 30s }
    active:
      - { kind: http, path: /, interval: 10s, timeout: 2s, fall: 3, rise: 2, fast_interval: 1s }
    on_all_down: { action: fail_closed }
routes:
  - { name: nas, match: { host: nas.example.com, path: / }, target: { gateway: home }, backend: 192.168.1.5:5001 }
  - { name: app, match: { host: "*.example.org" }, target: { pool: home-network } }
  - name: rdp
    target: { pool: home-network }
    protocol: tcp
    listen: 0.0.0.0:3389
    gateway_port: 13389
  - name: dns
    target: { pool: home-network }
    protocol: udp
    listen: 0.0.0.0:5353
    gateway_port: 53
  - name: db
    listener: passthrough
    target: { pool: home-network }
    protocol: tls
    match: { sni: db.example.org }
    gateway_port: 5432
`

const load = (text: string): Loaded => parseConfig(text, 'x.yaml', { GATEPOOL_ADMIN_TOKEN: 'correct-horse' })

test('what this version does not run is refused at its place, and nothing else is', t => {
  const loaded = load(EVERYTHING)
  const problems = loaded.kind === 'problems' ? loaded.problems : []
  const marked = EVERYTHING.split('\n').flatMap((line, index) => (line.endsWith('# not yet') ? [index + 1] : []))
  t.strictSame(
    problems.map(({ line }) => line),
    marked,
  )
  for (const { code, message, path } of problems) {
    t.equal(code, 'not_available', path)
    t.match(message, /^not available in this version: \w/)
  }
  t.end()
})

test('without these parts the same file loads', t => {
  const lines = EVERYTHING.replace(/ {2}- name: (secure)\n( {4}.*\n)*/g, '').replace(
    /( *)(tls): # not yet\n(\1 .*\n)*/g,
    '',
  )
  t.notMatch(lines, /not yet/)
  const loaded = load(lines)
  t.strictSame(loaded.kind === 'problems' ? loaded.problems : [], [])
  t.match(loaded.kind === 'config' && loaded.config, {
    cluster: 'home',
    store: { kind: 'redis', url: 'redis://127.0.0.1:6379' },
    admin: { listen: { host: '127.0.0.1', port: 9900 }, token: 'correct-horse' },
    definitions: 'store',
    settings: { gateway_down_threshold: 90_000 },
    listeners: [
      { name: 'web', protocol: 'http', listen: { host: '127.0.0.1', port: 8080 }, trusted_proxies: ['10.0.0.0/8'] },
      { name: 'passthrough', protocol: 'tls', listen: { host: '0.0.0.0', port: 9443 } },
    ],
    gateways: [
      { name: 'home', title: 'Home', enabled: true, address: '127.0.0.1', http_port: 9101, liveness: 'heartbeat' },
      { name: 'ds918', address: 'nas.lan' },
    ],
    pools: [
      {
        name: 'home-network',
        mode: 'failover',
        failback_cooldown: 900_000,
        members: [
          { gateway: 'home', weight: 1 },
          { gateway: 'ds918', weight: 1 },
        ],
        passive: { max_fails: 3, fail_duration: 30_000, unhealthy_status: [502, 503, 504] },
        on_all_down: { action: 'fail_closed' },
      },
    ],
    routes: [
      {
        name: 'nas',
        match: { host: 'nas.example.com', path: '/' },
        target: { gateway: 'home' },
        backend: '192.168.1.5:5001',
      },
      { name: 'app', match: { host: '*.example.org', path: '/' }, target: { pool: 'home-network' } },
      { name: 'rdp', protocol: 'tcp', listen: { host: '0.0.0.0', port: 3389 }, gateway_port: 13_389 },
      { name: 'dns', protocol: 'udp', listen: { host: '0.0.0.0', port: 5353 }, gateway_port: 53 },
      { name: 'db', protocol: 'tls', match: { sni: 'db.example.org' }, gateway_port: 5432 },
    ],
  })
  t.end()
})

test('each of them is named, wherever it stands', t => {
  const refused: [input: unknown, path: string][] = [
    [{ heartbeats: { listen: '127.0.0.1:1', tls: {} } }, 'heartbeats.tls'],
    [{ listeners: [{}, { protocol: 'https' }] }, 'listeners[1].protocol'],
  ]
  for (const [input, path] of refused) {
    t.strictSame(
      notAvailable(input).map(finding => pathText(finding.path)),
      [path],
      path,
    )
  }
  t.strictSame(notAvailable({ listeners: [{ protocol: 'tls', accept_proxy: true }, { accept_proxy: true }] }), [])
  t.strictSame(notAvailable({ pools: [{ lb_policy: 'ip_hash', hold_out: false }] }), [])
  for (const odd of [undefined, null, 7, 'x', [], { pools: 7, routes: [null, 7], listeners: {} }])
    t.strictSame(notAvailable(odd), [])
  t.end()
})

test('an object that a client read and sends back asks for nothing', t => {
  const read = {
    pools: [z.encode(pool, pool.parse({ name: 'a', members: ['b'] }))],
    settings: z.encode(settings, settings.parse({})),
    routes: [z.encode(route, route.parse({ name: 'a', target: { pool: 'a' } }))],
  }
  t.strictSame(notAvailable(read), [])
  t.end()
})
