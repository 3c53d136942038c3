import { test } from 'tap'
import { authenticator, idOf, makeToken, may } from '../../src/admin/auth.ts'
import type { Access, Role, Token } from '../../src/core/nouns.ts'
import { EMPTY } from '../../src/core/store.ts'

const bootstrapToken = 's3cret-token'

test('each role may what it is for', t => {
  const roles: Role[] = ['viewer', 'operator', 'admin', 'gateway']
  const grants = roles.map(role => roles.filter(needed => may({ role }, needed)))
  t.strictSame(grants, [['viewer'], ['viewer', 'operator'], ['viewer', 'operator', 'admin', 'gateway'], ['gateway']])
  t.end()
})

test('only the very token is taken', t => {
  const authenticate = authenticator({ bootstrapToken, access: () => EMPTY.access, now: () => 0 })
  t.strictSame(authenticate('Bearer s3cret-token'), { name: 'bootstrap', role: 'admin' })
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

test('a token is made of an id and 256 bits that are nowhere else', t => {
  const { token, id, hash } = makeToken()
  t.match(token, /^gp_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/)
  t.equal(idOf(token), id)
  t.match(hash, /^[0-9a-f]{64}$/)
  t.equal(Buffer.from(token.slice(16), 'base64url').length, 32)
  t.not(makeToken().token, token)
  for (const other of ['', 'gp_', token.slice(1), `${token}x`, token.slice(0, -1), token.toUpperCase()])
    t.equal(idOf(other), '', other)
  t.end()
})

test('a token stands for its name, role and limits until it expires or is deleted, and never tells its hash', t => {
  const { token, id, hash } = makeToken()
  const stored: Token = { name: 'ops', id, hash, role: 'operator', pools: ['main'], created_at: 0, expires_at: 1_000 }
  let access: Access = { webhooks: [], tokens: [stored] }
  let now = 999
  const authenticate = authenticator({ bootstrapToken, access: () => access, now: () => now })
  const bearer = `Bearer ${token}`
  t.strictSame(authenticate(bearer), { name: 'ops', role: 'operator', id, pools: ['main'], expires_at: 1_000 })
  const other = makeToken().token
  t.equal(authenticate(`Bearer ${other}`), null, 'no such id')
  t.equal(authenticate(`Bearer gp_${id}_${other.slice(16)}`), null, 'the id, and another secret')
  now = 1_000
  t.equal(authenticate(bearer), null, 'expired')
  now = 0
  access = { webhooks: [], tokens: [{ ...stored, hash: hash.slice(2) }] }
  t.equal(authenticate(bearer), null, 'a hash that is damaged fits nothing')
  access = EMPTY.access
  t.equal(authenticate(bearer), null, 'deleted')
  t.end()
})
