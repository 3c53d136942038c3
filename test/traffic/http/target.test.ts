import fc from 'fast-check'
import { test } from 'tap'
import { normaliseHost, normalisePath, splitAbsolute } from '../../../src/traffic/http/target.ts'
import { seeded } from '../../support/seed.ts'

test('paths', t => {
  const table: readonly (readonly [path: string, normal: string | undefined])[] = [
    ['/', '/'],
    ['/a', '/a'],
    ['/a/', '/a/'],
    ['/a/b', '/a/b'],
    ['/.', '/'],
    ['/./', '/'],
    ['/a/.', '/a/'],
    ['/a/./b', '/a/b'],
    ['/a/..', '/'],
    ['/a/../', '/'],
    ['/a/b/..', '/a/'],
    ['/a/../b', '/b'],
    ['/a/b/../../c', '/c'],
    ['/%2e/a', '/a'],
    ['/a/%2E', '/a/'],
    ['/a/%2e%2e/b', '/b'],
    ['/a/.%2E/b', '/b'],
    ['/a/%2e./b', '/b'],
    ['/..', undefined],
    ['/../', undefined],
    ['/../a', undefined],
    ['/./..', undefined],
    ['/a/../..', undefined],
    ['/a/../../b', undefined],
    ['/%2e%2e/a', undefined],
    // What looks like a dot segment and is none.
    ['/...', '/...'],
    ['/.a', '/.a'],
    ['/a.', '/a.'],
    ['/..a/b', '/..a/b'],
    ['/%2e%2ea', '/%2e%2ea'],
    ['/..;/a', '/..;/a'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/%2', '/%2'],
    ['/%', '/%'],
    // What stays and never separates.
    ['//', '//'],
    ['//a//b', '//a//b'],
    ['/a%2fb', '/a%2fb'],
    ['/a%2f../b', '/a%2f../b'],
    ['/a/..%2fb', '/a/..%2fb'],
    ['/a%5c../b', '/a%5c../b'],
    ['/a\\..\\b', '/a\\..\\b'],
    // An empty segment is a segment (RFC 3986 5.2.4).
    ['/a//../b', '/a/b'],
    ['//../a', '/a'],
    ['/a/.//b', '/a//b'],
  ]
  for (const [path, normal] of table) t.equal(normalisePath(path), normal, path)
  t.end()
})

test('a normal path is its own normal form, and has no dot segment left', t => {
  const segment = fc.constantFrom('', '.', '..', '%2e', '.%2E', 'a', '..a', '%2f', '\\', '...')
  const path = fc.array(segment, { minLength: 1, maxLength: 8 }).map(segments => `/${segments.join('/')}`)
  fc.assert(
    fc.property(path, path => {
      const normal = normalisePath(path)
      if (normal === undefined) return path.includes('..') || /%2e/i.test(path)
      const left = normal.split('/').some(segment => /^(\.|%2e){1,2}$/i.test(segment))
      return !left && normal.startsWith('/') && normalisePath(normal) === normal
    }),
    seeded({ numRuns: 2000 }),
  )
  t.pass('holds for 2000 paths')
  t.end()
})

test('a path without dot segments is sent as it came', t => {
  const plain = fc.string({ unit: fc.constantFrom('a', '/', '%', '2', 'f', '5', 'c', '\\', ';'), maxLength: 20 })
  fc.assert(
    fc.property(plain, text => normalisePath(`/${text}`) === `/${text}`),
    seeded({ numRuns: 1000 }),
  )
  t.pass('holds for 1000 paths')
  t.end()
})

test('hosts', t => {
  const table: readonly (readonly [authority: string, host: string | undefined])[] = [
    ['a', 'a'],
    ['A.Example.ORG', 'a.example.org'],
    ['a.example:8080', 'a.example'],
    ['a.example.', 'a.example'],
    ['a.example.:80', 'a.example'],
    ['a:', 'a'],
    ['a:0', 'a'],
    ['a:65535', 'a'],
    ['192.0.2.1:80', '192.0.2.1'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::A]:443', '[2001:db8::a]'],
    ['[::ffff:192.0.2.1]', '[::ffff:192.0.2.1]'],
    ['x_y-z.example', 'x_y-z.example'],
    ['', undefined],
    ['.', undefined],
    ['a..b', undefined],
    ['a.example..', undefined],
    ['.a', undefined],
    [':80', undefined],
    ['a:65536', undefined],
    ['a:8080 ', undefined],
    ['a:-1', undefined],
    ['a:80:80', undefined],
    ['::1', undefined],
    ['[::1', undefined],
    ['::1]', undefined],
    ['[::1]x', undefined],
    ['[1.2.3.4]', undefined],
    ['[v1.x]', undefined],
    ['[fe80::1%eth0]', undefined],
    ['a,b', undefined],
    ['a b', undefined],
    ['a/b', undefined],
    ['a?b', undefined],
    ['a@b', undefined],
    ['a%41', undefined],
    ['é', undefined],
    [`${'a'.repeat(63)}.`.repeat(5), undefined],
  ]
  for (const [authority, host] of table) t.equal(normaliseHost(authority), host, authority)
  t.end()
})

test('addresses', t => {
  t.strictSame(splitAbsolute('GET', 'http://a:80/b?c?d'), { authority: 'a:80', path: '/b', query: '?c?d' })
  t.strictSame(splitAbsolute('GET', 'HTTPS://a'), { authority: 'a', path: '/', query: '' })
  t.strictSame(splitAbsolute('GET', 'http://a?b'), { authority: 'a', path: '/', query: '?b' })
  t.strictSame(splitAbsolute('OPTIONS', 'http://a'), { authority: 'a', path: '*', query: '' })
  t.strictSame(splitAbsolute('OPTIONS', 'http://a/'), { authority: 'a', path: '/', query: '' })
  for (const other of ['ftp://a/', 'http:/a', 'http://', 'http:///a', 'a', 'mailto:a@b', '*']) {
    t.equal(splitAbsolute('GET', other), undefined, other)
  }
  t.end()
})
