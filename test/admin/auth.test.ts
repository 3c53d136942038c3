import { test } from 'tap'
import { authenticator, may } from '../../src/admin/auth.ts'
import type { Role } from '../../src/core/nouns.ts'

test('each role may what it is for', t => {
  const roles: Role[] = ['viewer', 'operator', 'admin', 'gateway']
  const grants = roles.map(role => roles.filter(needed => may({ name: 'x', role }, needed)))
  t.strictSame(grants, [['viewer'], ['viewer', 'operator'], ['viewer', 'operator', 'admin', 'gateway'], ['gateway']])
  t.end()
})

test('only the very token is taken', t => {
  const authenticate = authenticator('s3cret-token')
  t.match(authenticate('Bearer s3cret-token'), { name: 'bootstrap', role: 'admin' })
  t.match(authenticate('BEARER s3cret-token'), { role: 'admin' })
  const no = [
    undefined,
    '',
    's3cret-token',
    'Bearer',
    'Bearer s3cret-toke',
    'Bearer s3cret-token2',
    'Bearer s3cret token',
  ]
  for (const header of no) t.equal(authenticate(header), null, String(header))
  t.equal(authenticate(`Bearer ${'x'.repeat(100_000)}`), null)
  t.end()
})
