import { test } from 'tap'
import { buildTlsRoutes, matchTls } from '../../src/core/tls-routes.ts'
import { define } from '../support/world.ts'

const tls = (name: string, match: { sni?: string; alpn?: string[] }, more = {}) =>
  ({ name, protocol: 'tls', listener: 'pass', match, gateway_port: 443, target: { pool: 'p' }, ...more }) as const

const definitions = define({
  pools: [{ name: 'p' }],
  routes: [
    tls('exact', { sni: 'db.example.org' }),
    tls('h2', { sni: 'db.example.org', alpn: ['h2', 'h3'] }),
    tls('pg', { sni: 'db.example.org', alpn: ['postgresql'] }),
    tls('wide', { sni: '*.example.org' }),
    tls('deep', { sni: '*.eu.example.org' }),
    tls('only-h2', { sni: 'web.example.org', alpn: ['h2'] }),
    tls('any-ssh', { alpn: ['ssh/2'] }),
    tls('off', { sni: 'off.test' }, { enabled: false }),
    tls('elsewhere', { sni: 'else.test' }, { listener: 'other' }),
  ],
})
const table = buildTlsRoutes(definitions, 'pass', ({ name }) => name)

test('exact, then the longer wildcard, then any; a protocol that is asked for comes first', t => {
  const cases: [sni: string | null, alpn: string[], route: string | undefined][] = [
    ['db.example.org', [], 'exact'],
    ['db.example.org', ['http/1.1'], 'exact'],
    ['db.example.org', ['http/1.1', 'h2'], 'h2'],
    ['db.example.org', ['postgresql', 'h2'], 'pg'],
    ['db.example.org', ['h2', 'postgresql'], 'h2'],
    ['x.example.org', [], 'wide'],
    ['x.y.example.org', [], 'wide'],
    ['x.eu.example.org', [], 'deep'],
    ['eu.example.org', [], 'wide'],
    ['example.org', [], undefined],
    ['web.example.org', ['h2'], 'only-h2'],
    ['web.example.org', ['http/1.1'], 'wide'],
    ['unknown.test', ['ssh/2'], 'any-ssh'],
    [null, ['ssh/2'], 'any-ssh'],
    [null, [], undefined],
    ['off.test', [], undefined],
    ['else.test', [], undefined],
    ['constructor', [], undefined],
  ]
  for (const [sni, alpn, route] of cases) t.equal(matchTls(table, sni, alpn), route, `${sni} ${alpn}`)
  t.end()
})
