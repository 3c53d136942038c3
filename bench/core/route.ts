/** What finding the route of a request costs: `node bench/core/route.ts`. */
import { definitions } from '../../src/config/definitions.ts'
import { buildRoutes, matchRoute } from '../../src/core/routes.ts'
import { measure } from './measure.ts'

for (const size of [1, 100, 1000]) {
  const target = { pool: 'p' }
  const routes = Array.from({ length: size }, (_, i) => [
    { name: `exact-${i}`, match: { host: `app${i}.example.org` }, target },
    { name: `path-${i}`, match: { host: `app${i}.example.org`, path: '/api/v1' }, target },
    { name: `wild-${i}`, match: { host: `*.site${i}.example.net` }, target },
    { name: `any-${i}`, match: { path: `/any-${i}` }, target },
  ]).flat()
  const table = buildRoutes(definitions.parse({ pools: [{ name: 'p' }], routes }), 'web', () => null)
  const last = size - 1
  const find = (what: string, host: string, path: string) =>
    measure(`route, ${what}, ${4 * size} routes`, () => matchRoute(table, host, path))
  find('exact host', `app${last}.example.org`, '/index.html')
  find('exact host and path', `app${last}.example.org`, '/api/v1/things?of=mine')
  find('wildcard', `a.b.site${last}.example.net`, '/')
  find('any host', 'other.example.com', `/any-${last}`)
  find('none', 'other.example.com', '/nothing')
}
