/** Every mutation of the contract's table is made, and leaves its one record: generated, so that a row that is added tomorrow is in it. */
import { test } from 'tap'
import type { Endpoint } from '../../src/admin/contract/endpoint.ts'
import { endpoints } from '../../src/admin/contract/endpoints.ts'
import { type TestAdmin, testAdmin } from '../support/admin.ts'

/** What asks and changes nothing, although it is not a GET, beats, which are no wishes of anybody, and what only a shared store can do. */
const NO_MUTATIONS = ['beat', 'pick', 'simulate', 'validate_route', 'test_webhook', 'adopt_store']

type Step = readonly [method: string, path: string, body?: unknown]

const WEBHOOK = { name: 'chat', url: 'https://hooks.example.com/gatepool' }
/** What has to be there before, and what the path names where that is not the usual sample. */
const PREPARED: Readonly<
  Record<
    string,
    { readonly before?: readonly Step[]; readonly path?: string; readonly query?: string; readonly body?: unknown }
  >
> = {
  fail_back: { before: [['POST', '/api/v1/gateway-pools/main/failover', { to: 'nas' }]] },
  resume: {
    before: [['POST', '/api/v1/gateways/home/drain', {}]],
    path: '/api/v1/gateways/home/drain?all=true',
  },
  delete_window: {
    before: [['POST', '/api/v1/gateways/home/windows', endpoints.create_window.example]],
    path: `/api/v1/gateways/home/windows/${endpoints.create_window.example.name}`,
  },
  forget_instance: { path: '/api/v1/gateways/home/instances/home-1' },
  delete_token: { before: [['POST', '/api/v1/tokens', { name: 'old', role: 'viewer' }]], path: '/api/v1/tokens/old' },
  delete_webhook: { before: [['POST', '/api/v1/webhooks', WEBHOOK]], path: '/api/v1/webhooks/chat' },
  delete_pool: { path: '/api/v1/gateway-pools/all' },
  delete_gateway: {
    before: [['POST', '/api/v1/gateways', { name: 'attic', address: '127.0.0.1' }]],
    path: '/api/v1/gateways/attic',
  },
  restore_revision: { before: [['PATCH', '/api/v1/settings', { gateway_down_threshold: '3m' }]] },
}

const USUAL: readonly (readonly [place: RegExp, name: string])[] = [
  [/(?<=\/gateway-pools\/):name/, 'main'],
  [/(?<=\/gateways\/):name/, 'home'],
  [/(?<=\/routes\/):name/, 'pinned'],
  [/(?<=\/members\/):gateway/, 'nas'],
  [/:revision/, '1'],
]

const mutations: readonly (readonly [id: string, row: Endpoint])[] = Object.entries(endpoints).filter(
  ([id, { method }]) => method !== 'GET' && !NO_MUTATIONS.includes(id),
)

/** The path with the names of the sample: those that the row says, or else the usual ones. */
function pathOf([id, { path, sample = {} }]: (typeof mutations)[number]): string {
  const said = Object.entries(sample).reduce((filled, [key, name]) => filled.replace(`:${key}`, name), path)
  return PREPARED[id]?.path ?? USUAL.reduce((filled, [place, name]) => filled.replace(place, name), said)
}

async function send(it: TestAdmin, [method, path, body]: Step, token?: string): Promise<Response> {
  return it.ask(path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

async function recordsOf(it: TestAdmin): Promise<Record<string, unknown>[]> {
  const { links } = await it.store.audit({ limit: 1_000 })
  return links.map(({ text }) => JSON.parse(text))
}

test('there are mutations to be made', t => {
  t.ok(mutations.length >= 15, `${mutations.length}`)
  t.end()
})

for (const row of mutations) {
  const [id, { method, path, body, example }] = row
  test(`${id} (${method} ${path}) leaves one record of who, what, before and after`, async t => {
    await using it = await testAdmin()
    await it.beat('home')
    await it.beat('nas')
    const made = await send(it, ['POST', '/api/v1/tokens', { name: 'somebody', role: 'admin' }])
    const { token } = (await made.json()) as { token: string }
    for (const step of PREPARED[id]?.before ?? []) {
      const prepared = await send(it, step)
      t.ok(prepared.ok, `${step.join(' ')}: ${await prepared.text()}`)
    }
    const before = await recordsOf(it)
    const { world } = it.state.snapshot

    const step: Step = [method, pathOf(row), body === undefined ? undefined : example]
    const refused = await send(
      it,
      [method, pathOf(row), body === undefined ? undefined : { no: 'such field' }],
      'wrong',
    )
    t.equal(refused.status, 401)
    if (body !== undefined) {
      const misshapen = await send(it, [method, pathOf(row), 'no such shape'], token)
      t.equal(misshapen.status, 400)
    }
    t.strictSame(await recordsOf(it), before, 'what is refused leaves none')

    const response = await send(it, step, token)
    const answer = await response.text()
    if (!t.ok(response.ok, `${step[1]}: ${response.status} ${answer}`)) return
    const [record, ...more] = (await recordsOf(it)).slice(before.length)
    t.strictSame(more, [])
    t.match(record, {
      by: 'somebody',
      action: id,
      at: it.clock.now(),
      request_id: response.headers.get('x-request-id'),
      subject: /^(configuration|settings|definitions|[a-z]+:[A-Za-z0-9./:-]+)$/,
    })
    t.notSame(record?.before, record?.after, 'what is different is in it')
    const { tokens, webhooks } = it.state.snapshot.world.access.value
    const stored = [...tokens.map(({ hash }) => hash), ...webhooks.map(({ secret }) => secret)]
    for (const secret of [token, ...stored]) t.notMatch(JSON.stringify(record), secret)
    if (id !== 'reload') t.not(it.state.snapshot.world, world, 'something was changed')
  })
}
