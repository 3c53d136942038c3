/**
 * A replica that dies at the worst moment: killed (SIGKILL) at each single command that it gives Redis, one after the other, until a run gets
 * through. Whatever it was at is done wholly or not at all, and goes on after the next start.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { type Test, test } from 'tap'
import { folder } from '../support/launch.ts'
import { startRedis, withoutRedis } from '../support/redis.ts'
import {
  beatFor,
  isReady,
  serving,
  startGateway,
  startReceiver,
  startReplica,
  type TestReplica,
  tellHook,
} from '../support/replicas.ts'
import { until } from '../support/until.ts'

const skip = withoutRedis()
const CRASH_POINT = join(import.meta.dirname, '../support/crash-point.ts')
/** Runs at once. */
const TOGETHER = 4

interface Run {
  /** Where the replica's own copy is. */
  readonly home: string
  /** The replica that is to be killed; after `survives` answered false, the same once more, with what it left on its disk. */
  replica: TestReplica
  /** A client of its database. */
  readonly client: Redis
  /** Counts commands from now on, and begins with `act`. True once `done` answers true, false when it was killed before. */
  survives(act: () => unknown, done: () => Promise<boolean>): Promise<boolean>
}

/**
 * Plays `scene` with a crash at the first command, the second, and so on, until one is not hit by its crash any more. The scene looks at what
 * is left. Before a command and after the one before it differ only in what was answered to whoever waits.
 */
async function walk(
  t: Test,
  moments: readonly ('before' | 'after')[],
  threshold: number,
  scene: (t: Test, run: Run) => Promise<unknown>,
): Promise<void> {
  t.jobs = TOGETHER
  const redis = await startRedis(t, { databases: '512' })
  const ports = { home: await startGateway(t, 'home'), nas: await startGateway(t, 'nas') }
  let databases = 0

  /** Answers whether it was hit. */
  const play = async (t: Test, crash: string): Promise<boolean> => {
    const database = databases++
    const home = folder(t)
    const options = { name: 'a', url: `${redis.url}?db=${database}`, ports, home, threshold }
    const launched = { preload: [CRASH_POINT], env: { GATEPOOL_TEST_CRASH: crash } }
    const client = new Redis({ path: redis.socket, db: database })
    t.teardown(() => client.disconnect())
    let killed = false
    const run: Run = {
      home,
      replica: await startReplica(t, { ...options, launched }),
      client,
      async survives(act, done) {
        const { program } = run.replica
        const toggle = (kind: string) => {
          program.signal('SIGUSR2')
          return program.line(line => line.includes(`"${kind}"`), kind)
        }
        await toggle('armed')
        const ended = program.ended.then(() => {
          killed = true
        })
        void Promise.resolve(act()).catch(() => undefined)
        await until('its end, one way or another', async () => killed || (await done()))
        // What comes after it is not what is looked at here.
        await Promise.race([ended, toggle('disarmed').catch(() => ended)])
        if (!killed) return true
        run.replica = await startReplica(t, options)
        return false
      },
    }
    await scene(t, run)
    return killed
  }

  for (const when of moments) {
    let commands = 0
    let hits = 0
    for (let hit = true; hit; ) {
      const crashes = Array.from({ length: TOGETHER }, () => `${when} ${++commands}`)
      const runs = crashes.map(crash =>
        t.test(`killed right ${crash}`, { buffered: true }, async t => {
          if (await play(t, crash)) hits++
          else hit = false
        }),
      )
      await Promise.all(runs)
      if (commands > 60) throw new Error('it does not end')
    }
    t.ok(hits > 0, 'something was hit')
  }
}

interface Kept {
  readonly items: readonly { readonly kind: string; readonly subject: string; readonly id: string }[]
}

const facts = async (replica: TestReplica, kind: string) =>
  ((await (await replica.ask('GET', `/events?kind=${kind}&limit=500`)).json()) as Kept).items

const subjects = async (replica: TestReplica, kind: string) =>
  (await facts(replica, kind)).map(({ subject }) => subject)

const titleOf = async (replica: TestReplica) => {
  const pool = (await (await replica.ask('GET', '/gateway-pools/main')).json()) as { definition: { title?: string } }
  return pool.definition.title
}

const rename = (replica: TestReplica, title: string) => replica.ask('PATCH', '/gateway-pools/main', { title })

/** Does the replica know that title again after a crash? */
const inOwnCopy = async ({ home }: Run, title: string) =>
  readFileSync(join(home, 'gatepool.db-wal')).includes(`"title":"${title}"`)

const knows = (replica: TestReplica) =>
  until('it has asked the store', async () => {
    const { store, definitions } = await replica.status()
    return store.available && definitions.revision > 0
  })

test('a change of definitions, its fact, its audit record and its webhook', { skip }, async t => {
  await walk(t, ['before', 'after'], 60_000, async (t, run) => {
    const receiver = await startReceiver(t)
    await knows(run.replica)
    await tellHook(run.replica, receiver, 'definitions_changed')
    const { length: before } = await facts(run.replica, 'definitions_changed')
    let status = 0
    await run.survives(
      async () => {
        status = (await rename(run.replica, 'one')).status
      },
      async () => receiver.ids.length > 0,
    )
    await knows(run.replica)
    const taken = (await titleOf(run.replica)) === 'one'
    t.ok(taken || status !== 200, 'what was acknowledged is there')
    const changes = await facts(run.replica, 'definitions_changed')
    t.equal(changes.length - before, Number(taken), 'the fact is there if the change is')
    const audit = await run.replica.ask('GET', '/audit?subject=pool:main')
    t.equal(((await audit.json()) as Kept).items.length, Number(taken), 'so is the audit record')
    const history = (await (await run.replica.ask('GET', '/history')).json()) as Kept
    t.equal(history.items.length, taken ? 2 : 1, 'and the revision')
    t.equal((await rename(run.replica, 'two')).status, 200, 'it goes on')
    t.match(await (await run.replica.ask('GET', '/audit/verify')).json(), { unbroken: true })
    const told = new Set((await facts(run.replica, 'definitions_changed')).slice(before).map(({ id }) => `test-${id}`))
    await until('the webhook hears of all that is there', async () => new Set(receiver.ids).size >= told.size)
    t.strictSame(new Set(receiver.ids), told, 'and of nothing else')
  })
})

test('a gateway that falls silent: its record, the facts, the webhook', { skip }, async t => {
  await walk(t, ['before'], 2_000, async (t, run) => {
    const receiver = await startReceiver(t)
    const beats = beatFor(t, [run.replica], ['home', 'nas'], 400)
    await until('it is ready', () => isReady(run.replica, 1))
    await tellHook(run.replica, receiver, 'gateway_down')
    const survived = await run.survives(
      () => beats.stop('home'),
      async () => receiver.ids.length > 0,
    )
    if (!survived) beats.only([run.replica])
    await until('nas serves', async () => (await serving(run.replica)) === 'nas')
    await until('the webhook hears of it', async () => receiver.ids.length > 0)
    t.strictSame(await subjects(run.replica, 'gateway_down'), ['home'])
    t.strictSame(await subjects(run.replica, 'pool_failover_activated'), ['main'])
    t.equal(new Set(receiver.ids).size, 1)
    beats.start('home')
    await until('home is back', async () => (await serving(run.replica)) === 'home')
    t.strictSame(await subjects(run.replica, 'gateway_alive'), ['home'])
  })
})

test('filling a store that was emptied', { skip }, async t => {
  await walk(t, ['before'], 60_000, async (t, run) => {
    const beats = beatFor(t, [run.replica], ['home', 'nas'], 200)
    await until('it is ready', () => isReady(run.replica, 1))
    // While nobody is in sight there is less between one command and the next: nobody falls silent in so short a time.
    beats.only([])
    t.equal((await rename(run.replica, 'one')).status, 200)
    await until('it is in the own copy', () => inOwnCopy(run, 'one'))
    const { definitions: before } = await run.replica.status()
    const filled = async () => (await run.replica.status()).definitions.revision > before.revision
    await run.survives(() => run.client.flushdb(), filled)
    await until('it is full again', filled)
    t.equal(await titleOf(run.replica), 'one')
    t.equal(await serving(run.replica), 'home', 'who was up is up')
    t.equal((await rename(run.replica, 'two')).status, 200, 'it goes on')
    const { items } = (await (await run.replica.ask('GET', '/history')).json()) as Kept
    t.equal(items.length, 2, 'what was filled in and what came then')
  })
})

test('putting back what a store lost of its newest end', { skip }, async t => {
  await walk(t, ['before'], 60_000, async (t, run) => {
    const beats = beatFor(t, [run.replica], ['home', 'nas'], 200)
    await until('it is ready', () => isReady(run.replica, 1))
    beats.only([])
    const lag = await snapshotOf(run.client)
    t.equal((await rename(run.replica, 'one')).status, 200)
    await until('it is in the own copy', () => inOwnCopy(run, 'one'))
    const restored = async () => (await facts(run.replica, 'store_restored').catch(() => [])).length > 0
    await run.survives(lag, restored)
    await until('it is put back', restored)
    t.equal(await titleOf(run.replica), 'one')
    t.equal((await facts(run.replica, 'store_restored')).length, 1, 'told once')
    const { items } = (await (await run.replica.ask('GET', '/history')).json()) as { items: readonly { by: string }[] }
    t.equal(items.filter(({ by }) => by === 'restored').length, 1, 'once in the history')
    t.equal((await rename(run.replica, 'two')).status, 200, 'it goes on')
    t.match(await (await run.replica.ask('GET', '/audit/verify')).json(), { unbroken: true })
  })
})

test('adopting another store', { skip }, async t => {
  await walk(t, ['before', 'after'], 60_000, async (t, run) => {
    await knows(run.replica)
    t.equal((await rename(run.replica, 'ours')).status, 200)
    await until('it is in the own copy', () => inOwnCopy(run, 'ours'))
    await makeForeign(run.client)
    const isForeign = async () => (await run.replica.status()).store.code === 'store_foreign'
    await until('it sees another store', isForeign)
    const adopt = () => run.replica.ask('POST', '/store/adopt')
    const adopted = async () =>
      (await run.replica.status()).store.available && (await titleOf(run.replica)) === 'theirs'
    let status = 0
    const survived = await run.survives(async () => {
      status = (await adopt()).status
    }, adopted)
    const records = async () => (await run.client.xrange('gatepool:{test}:audit', '-', '+')).length
    if (!survived) {
      // Wholly or not at all: as long as there is no record of it, it is another store.
      const done = (await records()) > 0
      t.ok(done || status !== 200, 'what was acknowledged is there')
      if (!done) {
        await until('it sees that it is another one', isForeign)
        t.equal((await adopt()).status, 200, 'asked again')
      }
    }
    await until('it goes by the other one', adopted)
    t.equal(await records(), 1, 'one audit record')
    t.equal((await facts(run.replica, 'store_adopted')).length, 1, 'told once')
    const { items } = (await (await run.replica.ask('GET', '/history')).json()) as { items: readonly { by: string }[] }
    t.equal(items.filter(({ by }) => by === 'orphaned').length, 1, 'what lost is kept once')
    t.equal((await rename(run.replica, 'two')).status, 200, 'it goes on')
    t.match(await (await run.replica.ask('GET', '/audit/verify')).json(), { unbroken: true })
  })
})

/** Remembers all there is; called, it puts that back at once, as a failover to a server that lagged does. */
async function snapshotOf(client: Redis): Promise<() => Promise<unknown>> {
  const keys = await client.keys('*')
  const dumps = await Promise.all(keys.map(async name => [name, await client.dumpBuffer(name)] as const))
  return () => {
    const all = client.multi().flushdb()
    for (const [name, dump] of dumps) if (dump !== null) all.restore(name, 0, dump)
    return all.exec()
  }
}

/** The store is another installation's all at once, with definitions that differ. */
async function makeForeign(client: Redis): Promise<void> {
  const keys = await client.keys('*')
  const definitions = 'gatepool:{test}:definitions'
  const value = JSON.parse((await client.hget(definitions, 'value')) ?? '')
  value.pools[0].title = 'theirs'
  await client
    .multi()
    .del(...keys.filter(key => key !== definitions))
    .hset(definitions, { revision: 3, value: JSON.stringify(value), by: 'else', at: 1 })
    .hset('gatepool:{test}:meta', { generation: 'another', schema: 1, revision: 9 })
    .exec()
}
