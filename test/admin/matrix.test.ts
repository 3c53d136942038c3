/**
 * Who may ask for what, cell by cell: every row of the contract's table is asked over HTTP by everybody there is. What is expected follows
 * from the row's role and from its path by the words of SECURITY.md, and not from the code that decides.
 */
import { type Test, test } from 'tap'
import type { Endpoint } from '../../src/admin/contract/endpoint.ts'
import { endpoints } from '../../src/admin/contract/endpoints.ts'
import { type TestAdmin, TOKEN, testAdmin } from '../support/admin.ts'

const rows: readonly (readonly [id: string, row: Endpoint])[] = Object.entries(endpoints)

interface Asker {
  readonly what: string
  readonly header?: string
  /** What it may; absent: it is nobody. */
  readonly role?: 'viewer' | 'operator' | 'admin' | 'gateway'
  readonly pools?: readonly string[]
  readonly gateway?: string
}

/** What `/api/v1/things/:name` stands for here: all of it belongs to the pool `main`, and nothing of it to the pool `all`. */
const NAMES: readonly (readonly [path: string, name: string])[] = [
  ['/gateway-pools/', 'main'],
  ['/gateways/', 'nas'],
  ['/routes/', 'app'],
  ['/tokens/', 'main-viewer'],
]

const nameIn = (path: string): string => NAMES.find(([part]) => path.includes(part))?.[1] ?? '1'
const pathOf = ({ path }: Endpoint): string =>
  path.replace(':name', nameIn(path)).replace(':gateway', 'nas').replace(/:\w+/g, '1') +
  // What happens is told to a limited token by subject.
  (path.includes('/events') ? '?subject=main' : '')

/** What a token that is limited to pools may ask for: what names a pool, a gateway or a route of theirs, and lists that are cut to them. */
const CUT = /\/(gateway-pools|gateways|routes|tokens|events|events\/stream|status|presets|simulate|openapi\.json)$/
/** What it may not, though it looks as if. */
const FOR_ALL = /\/(migration-candidates|validate)$/
/** Whose examples reach out: a pool that is new is none of theirs, and the member to be added, and that of the route to be moved, is a gateway of the pool `all`. */
const REACHES_OUT = /\/(gateway-pools|members|migrate-routes)$/

type Expected = 'anything' | 401 | 403

function expected({ method, path, role }: Endpoint, asker: Asker): Expected {
  if (role === 'anyone') return 'anything'
  if (asker.role === undefined) return 401
  const sufficient = {
    viewer: ['viewer', 'operator', 'admin'],
    operator: ['operator', 'admin'],
    admin: ['admin'],
    gateway: ['gateway', 'admin'],
  }[role]
  if (!sufficient.includes(asker.role)) return 403
  if (asker.gateway !== undefined) return asker.gateway === nameIn(path) ? 'anything' : 403
  if (asker.pools === undefined) return 'anything'
  if (method === 'POST' && REACHES_OUT.test(path)) return 403
  // The examples of what can be made are of the pool `main`; a gateway is of no pool yet.
  if (method === 'POST' && CUT.test(path)) {
    return /\/(gateways|simulate)$/.test(path) || asker.pools.includes('main') ? 'anything' : 403
  }
  if (CUT.test(path)) return path.includes('/events') && !asker.pools.includes('main') ? 403 : 'anything'
  if (FOR_ALL.test(path)) return 403
  if (path.includes('/tokens/')) return 'anything'
  const isTheirs = NAMES.some(([part]) => path.includes(part))
  return isTheirs && asker.pools.includes('main') ? 'anything' : 403
}

async function ask(it: TestAdmin, [, row]: (typeof rows)[number], { header }: Asker): Promise<number> {
  const hasBody = row.body !== undefined
  const response = await fetch(it.url + pathOf(row), {
    method: row.method,
    headers: {
      ...(header === undefined ? {} : { authorization: header }),
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
    },
    ...(hasBody ? { body: JSON.stringify(row.example ?? {}) } : {}),
  })
  await response.body?.cancel()
  return response.status
}

/** Everybody that there is, made in `it` by the bootstrap administrator; only `wanted` has a token that works, if it is given. */
async function everybody(it: TestAdmin, wanted?: string): Promise<Asker[]> {
  const make = async (what: string, limits: object): Promise<string> => {
    const name = what.replaceAll(' ', '-')
    const made = await it.send('POST', '/api/v1/tokens', { name, ...limits })
    if (made.status !== 201) throw new Error(await made.text())
    return `Bearer ${((await made.json()) as { token: string }).token}`
  }
  const one = async (what: string, limits: Omit<Asker, 'what' | 'header'>): Promise<Asker> => ({
    what,
    ...(wanted === undefined || wanted === what ? { header: await make(what, limits) } : {}),
    ...limits,
  })
  const gone = await make('gone', { role: 'admin' })
  await it.ask('/api/v1/tokens/gone', { method: 'DELETE' })
  const late = await make('late', { role: 'admin', expires: '1s' })
  it.clock.advance(1_000)
  await it.beat('nas')
  const pools = ['main']
  return [
    { what: 'nobody' },
    { what: 'no bearer', header: `Basic ${btoa('admin:admin')}` },
    { what: 'a made up token', header: `Bearer gp_${'0'.repeat(12)}_${'A'.repeat(43)}` },
    { what: 'a deleted token', header: gone },
    { what: 'an expired token', header: late },
    { what: 'the bootstrap administrator', header: `Bearer ${TOKEN}`, role: 'admin' },
    await one('viewer', { role: 'viewer' }),
    await one('operator', { role: 'operator' }),
    await one('admin', { role: 'admin' }),
    await one('nas', { role: 'gateway', gateway: 'nas' }),
    await one('home', { role: 'gateway', gateway: 'home' }),
    await one('main viewer', { role: 'viewer', pools }),
    await one('main operator', { role: 'operator', pools }),
    await one('main admin', { role: 'admin', pools }),
    await one('all viewer', { role: 'viewer', pools: ['all'] }),
    await one('all operator', { role: 'operator', pools: ['all'] }),
    await one('all admin', { role: 'admin', pools: ['all'] }),
  ]
}

const cell = ([id, { method, path }]: (typeof rows)[number], { what }: Asker) => `${what}: ${id} (${method} ${path})`

test('whoever may not is told so, and nothing is changed by it', async t => {
  await using it = await testAdmin()
  const askers = await everybody(it)
  const { world } = it.state.snapshot
  const { links } = await it.store.audit({ limit: 1_000 })
  for (const asker of askers) {
    for (const row of rows) {
      const wanted = expected(row[1], asker)
      if (wanted !== 'anything') t.equal(await ask(it, row, asker), wanted, cell(row, asker))
    }
  }
  const after = it.state.snapshot.world
  for (const part of ['definitions', 'holds', 'liveness', 'access'] as const) t.equal(after[part], world[part], part)
  t.strictSame((await it.store.audit({ limit: 1_000 })).links, links)
})

/** Asks where asking may change things: each time in a world of its own. */
async function askAnew(t: Test, row: (typeof rows)[number], what: string): Promise<void> {
  await using it = await testAdmin()
  const asker = (await everybody(it, what)).find(one => one.what === what)
  if (asker === undefined) throw new Error(what)
  letThrough(t, await ask(it, row, asker), cell(row, asker))
}

function letThrough(t: Test, status: number, title: string): void {
  t.ok(![401, 403, 405, 429, 500].includes(status), `${title} is let through: ${status}`)
}

test('whoever may is let through', async t => {
  await using it = await testAdmin()
  for (const asker of await everybody(it)) {
    for (const row of rows) {
      if (expected(row[1], asker) !== 'anything') continue
      if (row[1].method === 'GET') letThrough(t, await ask(it, row, asker), cell(row, asker))
      else await askAnew(t, row, asker.what)
    }
  }
})
