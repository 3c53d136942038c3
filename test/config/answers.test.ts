import { test } from 'tap'
import { route } from '../../src/config/definitions.ts'
import { check, pathText } from '../../src/config/findings.ts'

/** What is wrong with this target. */
function told(target: unknown): string[] {
  const checked = check(route, { name: 'r', target })
  return checked.kind === 'value' ? [] : checked.findings.map(({ path, message }) => `${pathText(path)}: ${message}`)
}

test('a redirect leads to one host, or to the one that was asked', t => {
  const good = [
    'https://www.example.com{path}{query}',
    'https://www.example.com',
    'HTTPS://www.example.com/'.toLowerCase(),
    'https://{host}{path}{query}',
    'https://{host}:8443/new{path}',
    'http://[2001:db8::1]:80{path}',
    'https://login.example.com/?from={host}&path={path}',
    'https://app.example.com/#{path}',
    '/',
    '/login',
    '/new{path}{query}',
    '/?from={path}',
  ]
  for (const to of good) t.strictSame(told({ redirect: { to } }), [], to)
  t.strictSame(route.parse({ name: 'r', target: { redirect: { to: '/a' } } }).target, {
    redirect: { to: '/a', status: 308 },
  })
  t.end()
})

test('a redirect that a client could turn to another host is refused', t => {
  const form = 'expected an address such as https://www.example.com{path}{query}, or a path such as /login'
  const bad: readonly (readonly [to: string, message: string])[] = [
    ['{path}', form],
    ['//evil.example', form],
    ['/\\evil.example', form],
    ['/{path}', form],
    ['/{query}', form],
    ['https://{path}', form],
    ['https://{host}.evil.example', form],
    ['https://evil.example@{host}/', form],
    ['https://a.{host}/', form],
    ['https://example.com@{host}', form],
    ['javascript:alert(1)', form],
    ['ftp://a.example/', form],
    ['www.example.com', form],
    ['', 'an address has no spaces; other characters are percent-encoded'],
    ['https://a.example/\r\nSet-Cookie: a=b', 'an address has no spaces; other characters are percent-encoded'],
    ['https://a.example/a b', 'an address has no spaces; other characters are percent-encoded'],
    ['https://a.example/ä', 'an address has no spaces; other characters are percent-encoded'],
    ['https://a.example/{user}', 'the placeholders are {host}, {path} and {query}'],
    ['https://a.example/{path', 'the placeholders are {host}, {path} and {query}'],
    ['https://a.example/{{path}}', 'the placeholders are {host}, {path} and {query}'],
    ['https://a.example/?a=b{query}', '{query} brings its own question mark'],
    ['https://a.example{query}{query}', '{query} brings its own question mark'],
    ['https://a.example:99999/', 'this is not a valid address'],
    ['https://1.2.3.999/', 'this is not a valid address'],
  ]
  for (const [to, message] of bad) t.strictSame(told({ redirect: { to } }), [`target.redirect.to: ${message}`], to)
  t.strictSame(told({ redirect: { to: '/a', status: 300 } }), [
    'target.redirect.status: expected one of 301, 302, 303, 307, 308',
  ])
  t.end()
})

test('a fixed answer has a status, a body and a type that fit together', t => {
  t.strictSame(told({ respond: {} }), [])
  t.strictSame(told({ respond: { status: 204 } }), [])
  t.strictSame(told({ respond: { status: 503, body: 'Später ☃\n', content_type: 'text/html; charset="utf-8"' } }), [])
  t.strictSame(told({ respond: { status: 304, body: 'x' } }), [
    'target.respond.body: an answer with this status has no body',
  ])
  t.strictSame(told({ respond: { status: 101 } }), ['target.respond.status: must be at least 200'])
  t.strictSame(told({ respond: { body: 'x'.repeat(65_537) } }), [
    'target.respond.body: must have at most 65536 characters',
  ])
  for (const content_type of ['text', 'text/', 'text/plain; charset', 'text/plain\r\nA: b', 'text/plain; a="b"c'])
    t.strictSame(
      told({ respond: { content_type } }),
      ['target.respond.content_type: expected a media type such as text/html; charset=utf-8'],
      content_type,
    )
  t.end()
})

test('what is wrong inside of a target is told, as soon as it is clear which one is meant', t => {
  t.strictSame(told({ redirect: {} }), ['target.redirect.to: expected text'])
  t.strictSame(told({ respond: { statuss: 200 } }), [
    'target.respond.statuss: unknown key "statuss" (did you mean "status"?)',
  ])
  t.strictSame(told({ pool: 7 }), ['target.pool: expected text'])
  const unclear = 'expected one of { pool: NAME }, { gateway: NAME }, { redirect: … } and { respond: … }'
  for (const target of [{}, { pool: 'a', respond: {} }, { pol: 'a' }, 'a', null, []])
    t.strictSame(told(target), [`target: ${unclear}`], JSON.stringify(target))
  t.end()
})
