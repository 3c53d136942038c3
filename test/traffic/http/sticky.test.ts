/** Cookies that keep a client with its member. */
import { test } from 'tap'
import type { Pool } from '../../../src/core/nouns.ts'
import { EMPTY } from '../../../src/core/store.ts'
import { readCookie } from '../../../src/traffic/http/cookies.ts'
import { type Engine, startEngine } from '../../support/engine.ts'
import { answering, ok, rawUpstream } from '../../support/raw-upstream.ts'
import { drained } from '../../support/world.ts'

type Written = Parameters<typeof startEngine>[0]

const COOKIE = /^keep=([\w-]{22}); Path=\/; HttpOnly; SameSite=Lax$/

/** Members a, b and so on that answer with their names, in a pool that is sticky, and the key `key`. */
async function stage(pool: Partial<Pool> = {}, key = 'secret', names = 'abc') {
  const upstreams = await Promise.all([...names].map(name => rawUpstream(answering(ok(name)))))
  const gateways = upstreams.map(({ port }, i) => ({
    name: names[i] as string,
    address: '127.0.0.1',
    http_port: port,
    liveness: 'assumed' as const,
  }))
  const written: Written = {
    gateways,
    pools: [
      {
        name: 'all',
        mode: 'load_balancing',
        sticky: { cookie: 'keep' },
        members: gateways.map(({ name }) => name),
        ...(pool as object),
      },
    ],
    routes: [{ name: 'app', target: { pool: 'all' } }],
  }
  const engine = await startEngine(written)
  let revision = 1
  const commit = (documents: object) => engine.state.apply({ kind: 'committed', documents, facts: [], at: Date.now() })
  const keyed = (sticky_key: string) =>
    commit({ access: { revision: ++revision, value: { ...EMPTY.access, sticky_key } } })
  const drain = (...held: string[]) =>
    commit({
      holds: {
        revision: ++revision,
        value: { ...EMPTY.holds, gateways: Object.fromEntries(held.map(name => [name, [drained]])) },
      },
    })
  if (key !== '') keyed(key)
  return {
    ...{ engine, keyed, drain, upstreams },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      for (const upstream of upstreams) await upstream[Symbol.asyncDispose]()
    },
  }
}

/** Asks with these Cookie lines; answers who served, and the cookie that was set. */
async function ask(engine: Engine, ...cookies: readonly string[]): Promise<{ by: string; tag: string | undefined }> {
  const lines = cookies.map(cookie => `Cookie: ${cookie}\r\n`).join('')
  const answer = await engine.ask(`GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`)
  return { by: answer.body, tag: COOKIE.exec(answer.field('set-cookie') ?? '')?.[1] }
}

test('a client gets a cookie once, and stays where it was', async t => {
  await using it = await stage()
  const first = await ask(it.engine)
  t.ok(first.tag)
  for (let n = 0; n < 5; n++) {
    t.strictSame(await ask(it.engine, `a=1; keep=${first.tag}; z="2"`), { by: first.by, tag: undefined })
  }
  const others = [await ask(it.engine), await ask(it.engine)]
  t.strictSame([first.by, ...others.map(({ by }) => by)].sort(), ['a', 'b', 'c'], 'new clients are balanced')
})

test('it moves once when its member is gone, and does not come back by itself', async t => {
  await using it = await stage()
  const first = await ask(it.engine)
  it.drain(first.by)
  const moved = await ask(it.engine, `keep=${first.tag}`)
  t.not(moved.by, first.by)
  t.ok(moved.tag)
  t.strictSame(await ask(it.engine, `keep=${moved.tag}`), { by: moved.by, tag: undefined })
  it.drain()
  t.strictSame(await ask(it.engine, `keep=${moved.tag}`), { by: moved.by, tag: undefined })
  t.strictSame(await ask(it.engine, `keep=${first.tag}`), { by: first.by, tag: undefined }, 'a tag lasts')
})

test('it moves in the middle of a request whose member refuses it', async t => {
  await using it = await stage()
  const first = await ask(it.engine)
  await it.upstreams['abc'.indexOf(first.by)]?.[Symbol.asyncDispose]()
  const moved = await ask(it.engine, `keep=${first.tag}`)
  t.not(moved.by, first.by)
  t.ok(moved.tag)
})

test('a forged or foreign tag is none', async t => {
  await using it = await stage()
  await using other = await stage({}, 'another secret')
  await using same = await stage()
  const { by, tag } = await ask(it.engine)
  for (const value of ['', 'a', 'x'.repeat(22), `${tag}x`, 'constructor', (await ask(other.engine)).tag])
    t.ok((await ask(it.engine, `keep=${value}`)).tag, `${value} is not known`)
  t.ok((await ask(it.engine, `Keep=${tag}`)).tag, 'names are compared as they are')
  t.strictSame(await ask(same.engine, `keep=${tag}`), { by, tag: undefined }, 'replicas with one key agree')
  it.keyed('a new secret')
  t.ok((await ask(it.engine, `keep=${tag}`)).tag, 'a new key makes new tags')
})

test('weights hold for new clients', async t => {
  const members = [
    { gateway: 'a', weight: 3 },
    { gateway: 'b', weight: 1 },
  ]
  await using it = await stage({ members }, 'secret', 'ab')
  const counts: Record<string, number> = {}
  for (let n = 0; n < 8; n++) {
    const { by } = await ask(it.engine)
    counts[by] = (counts[by] ?? 0) + 1
  }
  t.strictSame(counts, { a: 6, b: 2 })
})

test('no cookie without a key, and none in a failover pool', async t => {
  await using bare = await stage({}, '')
  t.equal((await ask(bare.engine)).tag, undefined)
  await using failover = await stage({ mode: 'failover' })
  t.strictSame(await ask(failover.engine), { by: 'a', tag: undefined })
})

test('the first cookie of that name counts, on whichever line', t => {
  const read = (...lines: string[]) => {
    const text = lines.map(line => `${line}\r\n`).join('')
    return readCookie(text, 0, text.length, 'keep')
  }
  t.equal(read('Cookie: keep=1'), '1')
  t.equal(read('cookie: a=b;keep=1;  keep=2'), '1')
  t.equal(read('Cookie: a=b', 'Host: x', 'Cookie: keep=1', 'Cookie: keep=2'), '1')
  t.equal(read('Cookie: keep="1"'), '"1"')
  t.equal(read('Cookie: keep=a=b'), 'a=b')
  for (const none of ['Cookie: keeps=1', 'Cookie: keep', 'Cookie: =keep', 'Cookie: a=keep=1', 'X-Cookie: keep=1'])
    t.equal(read(none), null, none)
  t.end()
})
