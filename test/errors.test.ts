import { STATUS_CODES } from 'node:http'
import { test } from 'tap'
import { type ErrorEntry, errors, isRefusal, refuse } from '../src/errors.ts'

test('every code is a word that programs can rely on, with a title and an error status', t => {
  for (const [code, entry] of Object.entries<ErrorEntry>(errors)) {
    t.match(code, /^[a-z]+(_[a-z]+)*$/)
    t.match(entry.title, /^[A-Z].*[^.]$/, code)
    // 499 is nobody's standard: it is only ever logged.
    if (code !== 'client_gone') t.ok(entry.status >= 400 && STATUS_CODES[entry.status], `${code}: ${entry.status}`)
  }
  t.end()
})

test('what only time can mend says that it may be retried', t => {
  t.equal(errors.store_unavailable.retry, true)
  t.equal(errors.no_route.retry, false)
  t.end()
})

test('a refusal is a plain value that can be told from others', t => {
  t.strictSame(refuse('pool_in_use', 'pool "a" is used by 1 route'), {
    kind: 'refusal',
    code: 'pool_in_use',
    detail: 'pool "a" is used by 1 route',
  })
  t.strictSame(refuse('pool_in_use', 'x', { routes: ['nas'] }).extra, { routes: ['nas'] })
  t.equal(isRefusal(refuse('not_found', 'x')), true)
  for (const other of [undefined, null, 'refusal', { kind: 'done' }, {}]) t.equal(isRefusal(other), false)
  t.end()
})
