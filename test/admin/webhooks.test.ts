import { test } from 'tap'
import { testAdmin } from '../support/admin.ts'

const WEBHOOKS = '/api/v1/webhooks'

test('a webhook is made, listed without its secret, and deleted', async t => {
  await using it = await testAdmin()
  const made = await it.send('POST', WEBHOOKS, { name: 'chat', url: 'https://hooks.example.com/x' })
  t.equal(made.status, 201)
  t.equal(made.headers.get('location'), `${WEBHOOKS}/chat`)
  const { secret, ...shown } = (await made.json()) as { secret: string; kinds: string[] }
  t.match(secret, /^whsec_[A-Za-z0-9+/]{43}=$/)
  t.match(shown, { name: 'chat', allow_private: false, failing: null, last: null })
  t.ok(shown.kinds.includes('gateway_down') && !shown.kinds.includes('definitions_changed'))
  t.strictSame(await (await it.ask(`${WEBHOOKS}/chat`)).json(), shown)
  t.strictSame(await (await it.ask(WEBHOOKS)).json(), { items: [shown], next: null })

  const own = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
  const second = await it.send('POST', WEBHOOKS, {
    name: 'b',
    url: 'http://10.0.0.1/',
    secret: own,
    allow_private: true,
  })
  t.match(await second.json(), { secret: own })
  t.match(await it.send('POST', WEBHOOKS, { name: 'b', url: 'http://10.0.0.1/' }), { status: 422 })
  t.equal((await it.ask(`${WEBHOOKS}/b`, { method: 'DELETE' })).status, 204)
  t.equal((await it.ask(`${WEBHOOKS}/b`)).status, 404)
  t.equal((await it.ask(`${WEBHOOKS}/b`, { method: 'DELETE' })).status, 404)

  const audit = JSON.stringify(await (await it.ask('/api/v1/audit')).json())
  t.match(audit, 'webhook:chat')
  t.notOk(audit.includes('whsec_'), 'no secret is in the audit')
  t.notOk(it.logged().includes('whsec_'), 'nor in the log')
})

for (const [what, body] of Object.entries({
  'no address': { name: 'x' },
  'another protocol': { name: 'x', url: 'ftp://example.com/' },
  'a password in the address': { name: 'x', url: 'https://me:secret@example.com/' },
  'a password without a name in the address': { name: 'x', url: 'https://:secret@example.com/' },
  'an unknown kind of event': { name: 'x', url: 'https://example.com/', kinds: ['gateway_exploded'] },
  'no kind at all': { name: 'x', url: 'https://example.com/', kinds: [] },
  'a secret that is too short': { name: 'x', url: 'https://example.com/', secret: 'whsec_c2hvcnQ=' },
  'a secret of another form': { name: 'x', url: 'https://example.com/', secret: 'a'.repeat(60) },
})) {
  test(`${what} is refused`, async t => {
    await using it = await testAdmin()
    t.equal((await it.send('POST', WEBHOOKS, body)).status, 400)
    t.strictSame(it.state.snapshot.world.access.value.webhooks, [])
  })
}

test('a test says what came of it, and private addresses are not asked', async t => {
  await using it = await testAdmin()
  await it.send('POST', WEBHOOKS, { name: 'inside', url: `${it.url}/livez` })
  const outcome = await it.ask(`${WEBHOOKS}/inside/test`, { method: 'POST' })
  t.equal(outcome.status, 200)
  t.match(await outcome.json(), { delivered: false, said: /private/ })
  await it.send('POST', WEBHOOKS, { name: 'ours', url: `${it.url}/livez`, allow_private: true })
  t.match(await (await it.ask(`${WEBHOOKS}/ours/test`, { method: 'POST' })).json(), {
    delivered: false,
    said: 'status 401',
  })
  t.equal((await it.ask(`${WEBHOOKS}/nobody/test`, { method: 'POST' })).status, 404)
})
