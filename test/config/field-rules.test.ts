import { test } from 'tap'
import type { z } from 'zod'
import { route } from '../../src/config/definitions.ts'
import { requestFields, responseFields } from '../../src/config/field-rules.ts'
import { check, pathText } from '../../src/config/findings.ts'
import { KNOWN_FIELDS, REQUEST_FATE, RESPONSE_FATE } from '../../src/traffic/http/rules.ts'

/** What is wrong with these rules. */
function told(schema: z.ZodType, rules: unknown): string[] {
  const checked = check(schema, rules)
  return checked.kind === 'value' ? [] : checked.findings.map(({ path, message }) => `${pathText(path)}: ${message}`)
}

test('fields that nobody else writes may be set, added and removed', t => {
  const rules = {
    set: { 'X-Tenant': 'a', Authorization: 'Basic Zm9v' },
    add: { Via_: '' },
    remove: ['cookie', 'Accept'],
  }
  t.strictSame(told(requestFields, rules), [])
  t.strictSame(told(responseFields, { ...rules, remove: ['Server', 'Via', 'X-Forwarded-For', 'Host'] }), [])
  t.strictSame(requestFields.parse({}), { set: {}, add: {}, remove: [] })
  t.end()
})

test('what frames a message, routes it, or is written by us is refused at its place', t => {
  t.strictSame(told(requestFields, { set: { Host: 'a' }, add: { 'content-LENGTH': '1' }, remove: ['a', 'Via'] }), [
    'set.Host: Host is what upstream_host is for',
    'add.content-LENGTH: content-LENGTH says how a message is sent over one connection: gatepool writes it by itself',
    'remove[1]: Via is written by gatepool itself',
  ])
  t.strictSame(told(responseFields, { remove: ['Transfer-Encoding'] }), [
    'remove[0]: Transfer-Encoding says how a message is sent over one connection: gatepool writes it by itself',
  ])
  t.strictSame(told(requestFields, { set: { X_Forwarded_For: '1.2.3.4' } }), [
    'set.X_Forwarded_For: X_Forwarded_For says who the client is: gatepool writes it by itself, see forwarded',
  ])
  t.end()
})

test('every field that the engine acts on is refused, and so is each that it does not pass on', t => {
  for (const name of KNOWN_FIELDS) {
    const field = name.replace('*', 'x')
    t.equal(told(requestFields, { remove: [field] }).length, 1, `request: ${field}, ${REQUEST_FATE[name]}`)
    const expected = RESPONSE_FATE[name] === 'cut' ? 1 : 0
    t.equal(told(responseFields, { remove: [field] }).length, expected, `response: ${field}`)
  }
  t.end()
})

test('a field is named once, whatever its letters', t => {
  t.strictSame(told(requestFields, { set: { 'X-A': '1', 'x-a': '2' }, add: { 'X-a': '3' }, remove: ['x-b', 'X-B'] }), [
    'set.x-a: x-a is named twice: a field is set, added or removed',
    'add.X-a: X-a is named twice: a field is set, added or removed',
    'remove[1]: X-B is named twice: a field is set, added or removed',
  ])
  t.end()
})

test('no value brings a line of its own', t => {
  for (const value of ['a\r\nb: c', 'a\n', '\r', 'a\0', 'a\x7f', '☃'])
    t.strictSame(told(requestFields, { set: { a: value } }), ['set.a: a field value is one line of text'], value)
  for (const name of ['a b', 'a:', '', 'a\r\n', 'ä']) {
    const [finding = ''] = told(requestFields, { set: { [name]: 'x' } })
    t.match(finding, /^set\..*: expected a name of letters, digits and hyphens$/s, JSON.stringify(name))
  }
  t.end()
})

test('a prefix is a path that has no surprises', t => {
  const prefix = (text: string): string[] =>
    told(route, { name: 'r', target: { pool: 'p' }, strip_prefix: text, add_prefix: text })
  for (const good of ['/', '/app', '/app/', '/a%20b/c']) t.strictSame(prefix(good), [], good)
  for (const bad of ['', 'app', '//app', '/a//b', '/a/../b', '/%2e%2e/x', '/a?b', '/a#b', '/a b'])
    t.equal(prefix(bad).length > 0, true, bad)
  t.end()
})

test('a list of ranges names somebody', t => {
  const ranges = (allow: unknown): string[] => told(route, { name: 'r', target: { pool: 'p' }, allow })
  t.strictSame(ranges(['10.0.0.0/8', '::1', '192.0.2.1', 'fc00::/7']), [])
  t.strictSame(ranges([]), ['allow: needs at least one range of addresses'])
  t.strictSame(ranges(['10.0.0.0/33', 'home']), [
    'allow[0]: expected a range of addresses such as 10.0.0.0/8 or fc00::/7',
    'allow[1]: expected a range of addresses such as 10.0.0.0/8 or fc00::/7',
  ])
  t.end()
})
