import fc from 'fast-check'
import { test } from 'tap'
import type { z } from 'zod'
import type { definitions } from '../../src/config/definitions.ts'
import { buildRoutes, matchRoute } from '../../src/core/routes.ts'
import { seeded } from '../support/seed.ts'
import { define } from '../support/world.ts'

type Written = NonNullable<z.input<typeof definitions>['routes']>[number]

/** A table of routes named as what they match: host, then path. */
function table(matches: readonly string[], more: readonly Written[] = []) {
  const routes = matches.map((match, i) => {
    const slash = match.indexOf('/')
    const host = slash === 0 ? {} : { host: match.slice(0, slash) }
    return { name: `r${i}`, title: match, match: { ...host, path: match.slice(slash) }, target: { pool: 'p' } }
  })
  const built = buildRoutes(define({ pools: [{ name: 'p' }], routes: [...routes, ...more] }), 'web', () => null)
  return (host: string, path: string) => matchRoute(built, host, path)?.route.title
}

test('exact host before wildcard, the longer wildcard first, any host last', t => {
  const match = table(['/', '*.org/', '*.example.org/', 'a.example.org/', '*.b.example.org/'])
  t.equal(match('a.example.org', '/'), 'a.example.org/')
  t.equal(match('c.example.org', '/'), '*.example.org/')
  t.equal(match('x.y.example.org', '/'), '*.example.org/', 'a star stands for one or more labels')
  t.equal(match('x.b.example.org', '/'), '*.b.example.org/')
  t.equal(match('b.example.org', '/'), '*.example.org/', 'and not for none')
  t.equal(match('example.org', '/'), '*.org/')
  t.equal(match('org', '/'), '/')
  t.equal(match('badexample.com', '/'), '/')
  t.equal(match('127.0.0.1', '/'), '/')
  t.equal(match('[::1]', '/'), '/')
  t.equal(match('', '/'), '/')
  t.end()
})

test('/app matches /app and what is below it, not /apple; the longest path wins', t => {
  const match = table(['h/', 'h/app', 'h/app/inner/', 'h/app/inner/most'])
  t.equal(match('h', '/app'), 'h/app')
  t.equal(match('h', '/app/'), 'h/app')
  t.equal(match('h', '/app/x'), 'h/app')
  t.equal(match('h', '/app?q=/app/inner'), 'h/app')
  t.equal(match('h', '/apple'), 'h/')
  t.equal(match('h', '/app/inner'), 'h/app/inner/')
  t.equal(match('h', '/app/inner/most/deep'), 'h/app/inner/most')
  t.equal(match('h', '/app/innermost'), 'h/app')
  t.equal(match('h', '/APP'), 'h/', 'paths are case-sensitive')
  t.equal(match('h', '/app%2finner'), 'h/', '%2f is no separator')
  t.equal(match('h', '*'), 'h/', 'OPTIONS *')
  t.end()
})

test('a host none of whose paths match leaves the request to the less exact hosts', t => {
  const match = table(['a.example.org/app', '*.example.org/api', '*.org/', '/app'])
  t.equal(match('a.example.org', '/app'), 'a.example.org/app')
  t.equal(match('a.example.org', '/api'), '*.example.org/api')
  t.equal(match('a.example.org', '/'), '*.org/')
  t.equal(match('a.example.com', '/app'), '/app')
  t.equal(match('a.example.com', '/'), undefined)
  t.end()
})

test('only enabled HTTP routes of this listener, or of every one, are in its table', t => {
  const target = { pool: 'p' }
  const match = table(
    [],
    [
      { name: 'off', title: 'off', enabled: false, target },
      { name: 'tcp', title: 'tcp', protocol: 'tcp', target },
      { name: 'other', title: 'other', listener: 'other', target },
      { name: 'web', title: 'web', listener: 'web', match: { path: '/web' }, target },
      { name: 'all', title: 'all', match: { path: '/all' }, target },
    ],
  )
  t.equal(match('h', '/web'), 'web')
  t.equal(match('h', '/all'), 'all')
  t.equal(match('h', '/'), undefined)
  t.end()
})

test('a match carries the plan that it asks for, and what was made of the route beforehand', t => {
  const built = buildRoutes(
    define({
      gateways: [{ name: 'g', address: '::1' }],
      pools: [{ name: 'p' }],
      routes: [
        { name: 'a', target: { pool: 'p' } },
        { name: 'b', target: { gateway: 'g' }, match: { path: '/b' }, failover: 'never' },
        { name: 'c', target: { respond: {} }, match: { path: '/c' } },
      ],
    }),
    'web',
    ({ name }) => `rules of ${name}`,
  )
  t.match(matchRoute(built, 'h', '/'), { target: 'pool:p', rules: 'rules of a' })
  t.match(matchRoute(built, 'h', '/b'), { target: 'only:g', rules: 'rules of b' })
  t.end()
})

test('the table finds what a plain search over all routes finds', t => {
  const label = fc.constantFrom('a', 'b', 'constructor')
  const host = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => labels.join('.'))
  const pattern = fc.oneof(
    host,
    host.map(name => `*.${name}`),
    fc.constant(''),
  )
  const path = fc.array(fc.constantFrom('x', 'xy', 'z'), { maxLength: 3 }).map(parts => `/${parts.join('/')}`)
  const matches = fc.uniqueArray(
    fc.tuple(pattern, path).map(([name, prefix]) => name + prefix),
    { maxLength: 12 },
  )
  const rank = (name: string) => (name === '' ? 0 : name.startsWith('*') ? name.length : 1000)
  const check = fc.property(matches, host, path, (routes, asked, wanted) => {
    const fits = routes
      .map(route => ({ route, name: route.slice(0, route.indexOf('/')), prefix: route.slice(route.indexOf('/')) }))
      .filter(({ name }) => name === '' || name === asked || (name.startsWith('*') && asked.endsWith(name.slice(1))))
      .filter(({ prefix }) => prefix === '/' || wanted === prefix || wanted.startsWith(`${prefix}/`))
      .sort((a, b) => rank(b.name) - rank(a.name) || b.prefix.length - a.prefix.length)
    const found = table(routes)(asked, wanted)
    if (found !== fits[0]?.route) throw new Error(`found ${found}, not ${fits[0]?.route}`)
  })
  t.doesNotThrow(() => fc.assert(check, seeded({ numRuns: 300 })))
  t.end()
})
