/** Secrets are used in every call, in the right place and in every wrong one, and then looked for wherever something is told. */
import { test } from 'tap'
import type { Endpoint } from '../../src/admin/contract/endpoint.ts'
import { endpoints } from '../../src/admin/contract/endpoints.ts'
import { testAdmin } from '../support/admin.ts'

/** Somebody's own choice, which is no name; a secret is looked for by its parts, since a cut one is told too. */
const BOOTSTRAP = 'Canary_in_a_coalmine'
const parts = (secret: string) =>
  [secret.slice(0, 24), secret.slice(-20), secret.slice(16, 40)].filter(part => part.length > 10)

const rows: readonly (readonly [id: string, row: Endpoint])[] = Object.entries(endpoints)

test('no secret gets into a log line, an error, an event or an audit record, wherever a client puts it', async t => {
  await using it = await testAdmin({
    token: BOOTSTRAP,
    // What is logged with its whole story.
    metrics: async () => {
      throw new Error('broken')
    },
  })
  const headers = { authorization: `Bearer ${BOOTSTRAP}`, 'content-type': 'application/json' }
  const made = await it.ask('/api/v1/tokens', { method: 'POST', headers, body: '{"name": "ops", "role": "admin"}' })
  const { token } = (await made.json()) as { token: string }
  const [stored] = it.state.snapshot.world.access.value.tokens
  const hash = stored?.hash ?? ''
  t.match(hash, /^[0-9a-f]{64}$/)
  const secrets = [BOOTSTRAP, token, hash]
  const told: string[] = []

  const ask = async (secret: string, [, { method, path, raw, example }]: (typeof rows)[number]) => {
    const put = path.replace(/:\w+/g, secret)
    const bodies = [
      { token: secret },
      { ...(example as object), name: secret, gateway: secret, to: secret, instance: secret },
      secret,
      [secret],
    ]
    const asked: [path: string, body: unknown, bearer: string][] = [
      [put, example ?? {}, token],
      [path.replace(':name', path.includes('/gateways/') ? 'home' : 'main').replace(/:\w+/g, secret), example, token],
      [`${put}?token=${secret}&limit=${secret}&after=${secret}`, example, secret],
      [`${path.replace(/:\w+/g, 'main')}?subject=${secret}&kind=${secret}`, example, token],
      ...bodies.map((body): [string, unknown, string] => [path.replace(/:\w+/g, 'main'), body, BOOTSTRAP]),
      [put, example, `${secret}x`],
    ]
    for (const [url, body, bearer] of asked) {
      const hasBody = method !== 'GET' && body !== undefined
      const response = await fetch(it.url + url, {
        method,
        headers: {
          authorization: `Bearer ${bearer}`,
          cookie: `token=${secret}`,
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
        },
        ...(hasBody ? { body: JSON.stringify(body) } : {}),
      })
      // A stream has no end; an answer that is no error may hold what was asked for.
      if (raw === 'text/event-stream' && response.ok) await response.body?.cancel()
      else told.push(`${method} ${url.replaceAll(secret, '…')} ${response.ok ? '' : await response.text()}`)
    }
  }
  for (const secret of secrets) {
    for (const row of rows) {
      // What is made and deleted on the way must not be the token itself.
      if (row[0] !== 'delete_token') await ask(secret, row)
    }
  }
  const { links } = await it.store.audit({ limit: 1_000 })
  told.push(...links.map(({ text }) => text))
  told.push(...(await it.store.events({ limit: 1_000 })).map(fact => JSON.stringify(fact)))
  told.push(it.logged())
  told.push(await (await it.ask('/api/v1/tokens', { headers })).text())
  t.match(it.logged(), 'broken')
  t.ok(links.length > 0 && told.length > rows.length * 10, `${told.length} texts`)
  for (const text of told) {
    for (const part of secrets.flatMap(parts)) if (text.includes(part)) t.fail(`${part} in ${text.slice(0, 300)}`)
  }
})
