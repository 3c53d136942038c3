import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { formatProblems, parseConfig } from '../../src/config/load.ts'

/** The problems of a file, one line each. */
function problems(text: string): string[] {
  const loaded = parseConfig(text, 'x.yaml', {})
  return loaded.kind === 'config' ? [] : formatProblems(loaded.problems).trimEnd().split('\n')
}

test('everything that is wrong is told at once, in order, each at its place', t => {
  const text = `version: 1
admin: { listen: 127.0.0.1, tokne: x }
listeners:
  - { name: web, protocol: htp, listen: 127.0.0.1:8080 }
  - { name: web, listen: 127.0.0.1:9900 }
gateways:
  - { name: home, address: 127.0.0.1, http_port: eighty }
  - { name: Home, address: nas.lan:80 }
  - { name: home, address: [] }
  - { title: "" }
pools:
  - name: p
    modes: failover
    failback_cooldown: 5x
    members: [hoem, home, home, { gateway: home, wieght: 2 }]
  - name: q
    members: [hoem, home, home]
    passive: { max_fails: 0, unhealthy_status: [99, 502] }
    on_all_down: { action: fail }
routes:
  - { name: a, match: { host: A.example.com }, target: { pool: q } }
  - { name: b, match: { host: a.example.com. }, target: { pool: qq } }
  - { name: c, match: { host: "a b", path: x }, target: { pool: q, gateway: home } }
  - { name: d, listener: wep, match: { path: /a/../b }, target: {} }
  - 7
`
  t.strictSame(problems(text), [
    'x.yaml:2:18: admin.listen: expected an address and a port, such as 127.0.0.1:8080 or "[::]:8080"',
    'x.yaml:2:36: admin.tokne: unknown key "tokne" (did you mean "token"?)',
    'x.yaml:4:28: listeners[0].protocol: expected one of http, https, tls (did you mean "http"?)',
    'x.yaml:5:13: listeners[1].name: listeners[0] is called "web" already',
    'x.yaml:7:50: gateways[0].http_port: expected a number',
    'x.yaml:8:13: gateways[1].name: a name is 1 to 32 lower-case letters, digits and inner hyphens',
    'x.yaml:8:28: gateways[1].address: expected a host name, an IPv4 or an IPv6 address, without a port',
    'x.yaml:9:13: gateways[2].name: gateways[0] is called "home" already',
    'x.yaml:9:28: gateways[2].address: expected a host name, an IPv4 or an IPv6 address without a port, or from_heartbeat',
    'x.yaml:10:5: gateways[3].name: missing: expected text',
    'x.yaml:10:5: gateways[3].address: missing: expected a host name, an IPv4 or an IPv6 address without a port, or from_heartbeat',
    'x.yaml:10:14: gateways[3].title: a title is 1 to 80 printable characters',
    'x.yaml:13:12: pools[0].modes: unknown key "modes" (did you mean "mode"?)',
    'x.yaml:14:24: pools[0].failback_cooldown: expected a duration such as 5m, or one of container, vm, hypervisor, nas, windows, conservative',
    'x.yaml:15:58: pools[0].members[3].wieght: unknown key "wieght" (did you mean "weight"?)',
    'x.yaml:17:15: pools[1].members[0]: there is no gateway "hoem" (did you mean "home"?)',
    'x.yaml:17:27: pools[1].members[2]: "home" is a member of this pool already',
    'x.yaml:18:27: pools[1].passive.max_fails: must be at least 1',
    'x.yaml:18:49: pools[1].passive.unhealthy_status[0]: must be at least 100',
    'x.yaml:19:28: pools[1].on_all_down.action: expected one of fail_closed, fail_open, hold, fallback',
    'x.yaml:22:5: routes[1]: matches the same requests as route "a"',
    'x.yaml:22:65: routes[1].target.pool: there is no pool "qq" (did you mean "q"?)',
    'x.yaml:23:31: routes[2].match.host: expected a host name such as nas.example.com or "*.example.com", without a port',
    'x.yaml:23:44: routes[2].match.path: a path begins with / and has no spaces; other characters are percent-encoded',
    'x.yaml:23:49: routes[2].target: expected one of { pool: NAME }, { gateway: NAME }, { redirect: … } and { respond: … }',
    'x.yaml:24:46: routes[3].match.path: a path has no . or .. segments',
    'x.yaml:24:65: routes[3].target: expected one of { pool: NAME }, { gateway: NAME }, { redirect: … } and { respond: … }',
    'x.yaml:25:5: routes[4]: expected a section with keys',
  ])
  t.end()
})

test('malformed YAML is told where it begins, and nothing that would only follow from it', t => {
  const cases: [text: string, problem: string][] = [
    ['', '1:1: the file is empty: it needs at least version: 1'],
    ['# nothing', '1:1: the file is empty: it needs at least version: 1'],
    ['- 1', '1:1: expected a section with keys'],
    ['hello', '1:1: expected a section with keys'],
    ['version: 2', '1:10: version: this version of gatepool reads files that say version: 1'],
    ['version: "1"', '1:10: version: this version of gatepool reads files that say version: 1'],
    ['cluster: a', '1:1: version: missing: this version of gatepool reads files that say version: 1'],
    ['version: 1\npools: [', '2:9: malformed YAML: the indentation does not fit, or a bracket is not closed'],
    ['version: 1\npools:\n\t- x', '3:1: malformed YAML: tabs cannot indent, use spaces'],
    [
      'version: 1\n cluster: a',
      '1:10: malformed YAML: this is not a key; a colon or a line break stands where none belongs',
    ],
    ['version: 1\nversion: 1', '2:1: "version" is said twice here'],
    ['version: 1\n---\nversion: 1', '2:1: a configuration is one document: what follows --- is another'],
    ['version: 1\ncluster: !name a', '2:10: unknown tag; text that begins with ! needs quotes'],
    ['version: 1\ncluster: *a', '2:10: there is no anchor "a" before this'],
    ['version: 1\ncluster: &a [*a]', '2:14: there is no anchor "a" before this'],
    ['version: 1\n? [a]\n: b', '2:3: a key must be a plain word'],
    ['version: 1\n__proto__: { polluted: true }', '2:1: this key cannot be used'],
    ['version: 1\nconstructor: x', '2:14: constructor: unknown key "constructor"'],
    ['version: 1\nlogging: 7', '2:10: logging: expected a section with keys'],
    ['version: 1\nlogging:', '2:9: logging: expected a section with keys'],
    ['version: 1\npools: {}', '2:8: pools: expected a list'],
    [
      'version: 1\ndrain_timeout: .inf',
      '2:16: drain_timeout: expected a duration such as 250ms, 90s, 5m or 1h (a bare number is seconds)',
    ],
  ]
  for (const [text, problem] of cases) t.strictSame(problems(text), [`x.yaml:${problem}`], JSON.stringify(text))
  t.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
  t.end()
})

test('what is made to hurt is refused quickly, at its place', t => {
  const letters = 'a'.repeat(2 ** 20)
  const levels = Array.from(
    { length: 9 },
    (_, level) => `b${level + 1}: &b${level + 1} [${`*b${level},`.repeat(10)}]\n`,
  )
  const cases: [what: string, text: string, problem: string][] = [
    [
      'a name of 1 MiB',
      `version: 1\ngateways:\n  - { name: ${letters}, address: a }`,
      '3:13: gateways[0].name: a name is 1 to 32',
    ],
    [
      'a reference of 1 MiB',
      `version: 1\npools: [{ name: a, members: [${letters}] }]`,
      '2:30: pools[0].members[0]: a name is 1 to 32',
    ],
    [
      'a title of 1 MiB',
      `version: 1\npools: [{ name: a, title: ${letters} }]`,
      '2:27: pools[0].title: a title is 1 to 80',
    ],
    [
      'a host of 1 MiB',
      `version: 1\ngateways: [{ name: a, address: ${letters} }]`,
      '2:32: gateways[0].address: expected a host name',
    ],
    [
      'a key of 1 MiB',
      `version: 1\n? ${letters}\n: x`,
      '3:3: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…": unknown key',
    ],
    [
      'an alias bomb',
      `version: 1\nb0: &b0 [${'x,'.repeat(10)}]\n${levels.join('')}`,
      '6:38: aliases repeat more than 100000 values',
    ],
    [
      'aliases in a row',
      `version: 1\na: &a [${'x,'.repeat(1000)}]\nb: [${'*a,'.repeat(1000)}]`,
      '3:302: aliases repeat more than 100000 values',
    ],
    ['deep brackets', `version: 1\na: ${'['.repeat(500_000)}`, '2:66: nested more than 64 levels deep'],
    ['deep braces', `version: 1\na: ${'{a: '.repeat(200_000)}`, '2:252: nested more than 64 levels deep'],
    ['deep dashes', `version: 1\na:\n${'- '.repeat(200_000)}`, '3:125: nested more than 64 levels deep'],
    [
      'deep indentation',
      Array.from({ length: 999 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join(''),
      '64:64: nested more than 64 levels',
    ],
    ['a million keys', 'a: 1\n'.repeat(1_000_000), '285715:1: the file holds more than anybody can have meant'],
    [
      'many unknown keys',
      `version: 1\n${Array.from({ length: 20_000 }, (_, at) => `membrs${at}: 1\n`).join('')}`,
      '2:10: membrs0: unknown key',
    ],
    [
      'many wrong entries',
      `version: 1\ngateways:\n${'- 1\n'.repeat(20_000)}`,
      '3:3: gateways[0]: expected a section with keys',
    ],
    ['many anchors', `version: 1\n${'&a '.repeat(100_000)}`, '2:4: malformed YAML: a bad anchor or alias'],
    ['many closing brackets', ']'.repeat(100_000), '1:1: malformed YAML: this does not belong here'],
  ]
  for (const [what, text, problem] of cases) {
    const told = problems(text)
    t.ok(told[0]?.startsWith(`x.yaml:${problem}`), `${what}: ${told[0]?.slice(0, 200)}`)
    t.ok(told.length <= 101 && told.every(line => line.length < 300), `${what}: short to read`)
  }
  t.end()
})

test('of wrong names among thousands the first hundred are told, each with what was meant', t => {
  const count = 3000
  const gateways = Array.from({ length: count }, (_, at) => `  - { name: g${at}, address: a }\n`).join('')
  const pools = Array.from({ length: count }, (_, at) => `  - { name: p${at}, members: [h${at}] }\n`).join('')
  const told = problems(`version: 1\ngateways:\n${gateways}pools:\n${pools}`)
  t.equal(told.length, 101)
  t.match(told[0], 'there is no gateway "h0" (did you mean "g0"?)')
  t.match(told[100], 'and 2900 more problems')
  t.end()
})

test('no mutilation of a good file makes an exception, and every problem has a place in it', t => {
  const sample = readFileSync(join(import.meta.dirname, '../../config/gatepool.yaml'), 'utf8')
  const reference = readFileSync(join(import.meta.dirname, '../../config/reference.yaml'), 'utf8').replace(/ *#.*/g, '')
  const piece = fc.oneof(
    fc.constantFrom(
      ...'{}[]:,-?&*!|>\'"%@`#$\n\t \0\u2028\ufeff',
      '${',
      '---\n',
      '<<: ',
      '&a ',
      '*a',
      '- ',
      ': ',
      '\n  ',
      '1e999',
      '!!map ',
    ),
    fc.string({ maxLength: 8 }),
    fc.string({ unit: 'binary', maxLength: 4 }),
  )
  const cut = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), drop: fc.nat({ max: 30 }), put: piece })
  const mutilated = fc
    .tuple(fc.constantFrom(sample, reference), fc.array(cut, { minLength: 1, maxLength: 6 }))
    .map(([text, cuts]) =>
      cuts.reduce((now, { at, drop, put }) => {
        const from = Math.floor(at * now.length)
        return now.slice(0, from) + put + now.slice(from + drop)
      }, text),
    )
  const hasPlace = (text: string): boolean => {
    const loaded = parseConfig(text, 'x.yaml', { HOME: '/root' }, () => ({ wrong: 'cannot be read' }))
    if (loaded.kind === 'config') return true
    const lines = text.split(/\n/)
    return (
      loaded.problems.length > 0 &&
      loaded.problems.every(
        ({ line, column, message }) =>
          line >= 1 &&
          line <= lines.length &&
          column >= 1 &&
          column <= (lines[line - 1]?.length ?? 0) + 1 &&
          message.length > 0,
      )
    )
  }
  // A failure prints its seed and the smallest text that shows it.
  fc.assert(fc.property(mutilated, hasPlace), { numRuns: 600 })
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), pieces => hasPlace(pieces.join(''))),
    { numRuns: 2000 },
  )
  t.pass('no counterexample')
  t.end()
})

test('certificates for Redis are whole, and there to be used', t => {
  const store = (url: string, tls: string) => `version: 1\nstore: { kind: redis, url: "${url}", tls: ${tls} }`
  const cases: [url: string, tls: string, problems: string[]][] = [
    ['rediss://a', '{ ca: a.crt, cert: b.crt, key: b.key }', []],
    ['redis+sentinel://a/m?tls=1', '{ ca: a.crt }', []],
    ['rediss://a', '{ cert: b.crt }', ['x.yaml:2:42: store.tls: cert and key belong together']],
    ['redis://a', '{ ca: a }', ['x.yaml:2:41: store.tls: the address asks for no TLS: rediss://, or ?tls=1']],
  ]
  for (const [url, tls, expected] of cases) t.strictSame(problems(store(url, tls)), expected)
  t.end()
})
